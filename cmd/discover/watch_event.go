package discover

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// The types of events beside the kinds of changes of instances.
const (
	typeStale = "stale" // Consul cannot be asked
	typeFresh = "fresh" // it answers again
)

// event is one line of a watch: the contract of -o ndjson.
type event struct {
	Time     time.Time          `json:"time"`
	Service  string             `json:"service"`
	Type     string             `json:"type"`
	Fields   []discover.Field   `json:"fields"`      // of a changed instance
	Before   *discover.Instance `json:"before"`      // null when it was added
	After    *discover.Instance `json:"after"`       // null when it was removed
	Why      string             `json:"why"`         // which check makes the health what it is; empty when all pass
	Flapping bool               `json:"flapping"`    // the instance's health changes too often
	Error    string             `json:"error"`       // why Consul cannot be asked
	Age      float64            `json:"age_seconds"` // of the last answer, when stale; for how long it was, when fresh

	outage error // what Error tells
}

func eventView() output.View[event] {
	return output.View[event]{Name: func(e event) string {
		if i := e.instance(); i != nil {
			return i.ID
		}
		return e.Type
	}}
}

// instance is the one that the event is about, as it is or was; nil when it is about Consul.
func (e event) instance() *discover.Instance {
	if e.After != nil {
		return e.After
	}
	return e.Before
}

// line says the event in words, on one line.
func (e event) line() string {
	switch e.Type {
	case typeStale:
		return fmt.Sprintf("Consul cannot be asked: %s; what is shown is %s old", outageReason(e.outage), span(e.age()))
	case typeFresh:
		return fmt.Sprintf("Consul answers again, after %s", span(e.age()))
	}
	name := oneLine(e.instance().ID)
	if e.Flapping {
		name += " (flapping)"
	}
	return name + " " + e.what()
}

// outageReason is why Consul cannot be asked, without what was attempted, which a watch repeats.
func outageReason(err error) string {
	var request *discover.RequestError
	if errors.As(err, &request) {
		return oneLine(request.Reason)
	}
	return oneLine(err.Error())
}

func (e event) age() time.Duration { return time.Duration(e.Age * float64(time.Second)) }

func (e event) what() string {
	switch discover.ChangeKind(e.Type) {
	case discover.Added:
		what := "added at " + oneLine(reach(*e.After)) + ", " + named("version", e.After.Version) + ", " + string(e.After.Health)
		return what + because(*e.After)
	case discover.Removed:
		return fmt.Sprintf("removed, was %s", e.Before.Health)
	}
	parts := make([]string, len(e.Fields))
	for i, field := range e.Fields {
		parts[i] = e.changed(field)
	}
	return strings.Join(parts, "; ")
}

func (e event) changed(field discover.Field) string {
	was, is := e.Before, e.After
	arrow := func(a, b string) string { return fmt.Sprintf("%s: %s → %s", field, shown(a), shown(b)) }
	switch field {
	case discover.FieldHealth:
		return fmt.Sprintf("%s → %s", was.Health, is.Health) + because(*is)
	case discover.FieldAddress:
		return arrow(reach(*was), reach(*is))
	case discover.FieldVersion:
		return arrow(was.Version, is.Version)
	case discover.FieldTags:
		return arrow(strings.Join(was.Tags, ","), strings.Join(is.Tags, ","))
	case discover.FieldMeta:
		return arrow(metaText(was.Meta), metaText(is.Meta))
	case discover.FieldWeights:
		return arrow(weights(was.Weights), weights(is.Weights))
	}
	return string(field) + " changed"
}

func because(of discover.Instance) string {
	if why := reason(of); why != "" {
		return ": " + why
	}
	return ""
}

// reason says why an instance's health is what it is, where that health is told already.
func reason(of discover.Instance) string {
	why := strings.TrimPrefix(oneLine(of.Why()), "it is in maintenance: ")
	why = strings.Replace(why, fmt.Sprintf(" is %s: ", of.Health), ": ", 1)
	return strings.TrimPrefix(why, fmt.Sprintf("check %q: ", "Service '"+of.Name+"' check")) // as Consul names a check without a name
}

func named(what, value string) string {
	if value == "" {
		return "no " + what
	}
	return what + " " + oneLine(value)
}

func shown(value string) string {
	if value == "" {
		return "none"
	}
	return oneLine(value)
}

func weights(w discover.Weights) string {
	return fmt.Sprintf("%d passing, %d warning", w.Passing, w.Warning)
}

// oneLine is text with its white space made single blanks.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// span is a duration as people say it, in at most two units.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}
