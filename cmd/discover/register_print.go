package discover

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// printPlan shows what is to be registered, or was.
func (o *RegisterOptions) printPlan(plan discover.RegistrationPlan) error {
	view := output.View[discover.RegistrationPlan]{Name: func(p discover.RegistrationPlan) string { return p.ID }}
	return output.One(o.IO, o.Output, view, plan, func(w io.Writer) error { return o.writePlan(w, plan) })
}

func (o *RegisterOptions) writePlan(w io.Writer, plan discover.RegistrationPlan) error {
	verbs := map[string][2]string{ // dry, done
		"create":  {"would be registered", "registered"},
		"replace": {"would be replaced", "replaced"},
		"keep":    {"would stay as it is registered", "stays as it was registered"},
	}
	verb := verbs[plan.Action][1]
	if o.DryRun {
		verb = verbs[plan.Action][0]
	}
	if _, err := fmt.Fprintf(w, "%s %s\n", o.IO.Clean(plan.ID), verb); err != nil {
		return err
	}
	if err := writeChanges(w, o.IO, plan.Changes); err != nil || !o.DryRun {
		return err
	}
	var body map[string]any
	if err := json.Unmarshal(plan.Body, &body); err != nil {
		return err
	}
	text, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "PUT /v1/agent/service/register\n%s\n", cleanLines(o.IO, string(text)))
	return err
}

// cleanLines cleans text line by line.
func cleanLines(ios *iostreams.IOStreams, text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = ios.Clean(line)
	}
	return strings.Join(lines, "\n")
}

// writeChanges shows each change as a line for what goes and one for what comes.
func writeChanges(w io.Writer, ios *iostreams.IOStreams, changes []discover.RegistrationChange) error {
	style := ios.Style()
	for _, change := range changes {
		field := ios.Clean(change.Field)
		if change.From != "" {
			if _, err := fmt.Fprintln(w, style.Bad(fmt.Sprintf("  - %s: %s", field, ios.Clean(change.From)))); err != nil {
				return err
			}
		}
		if change.To != "" {
			if _, err := fmt.Fprintln(w, style.Good(fmt.Sprintf("  + %s: %s", field, ios.Clean(change.To)))); err != nil {
				return err
			}
		}
	}
	return nil
}

// registerEvent is a line of `register -o ndjson`.
type registerEvent struct {
	Time    time.Time `json:"time"`
	Type    string    `json:"type"`
	ID      string    `json:"id"`
	Health  string    `json:"health,omitempty"`
	Note    string    `json:"note,omitempty"`
	Error   string    `json:"error,omitempty"`
	RetryIn float64   `json:"retry_in_seconds,omitempty"`
}

// registerPrinter tells what happens to a registration: as talk, or as data when a format for programs is asked for.
type registerPrinter struct {
	ios    *iostreams.IOStreams
	stream *output.Stream[registerEvent] // nil for people
	err    error                         // the first failure to write
}

func newRegisterPrinter(o *RegisterOptions) (*registerPrinter, error) {
	p := &registerPrinter{ios: o.IO}
	if o.Output.Human() {
		return p, nil
	}
	view := output.View[registerEvent]{Name: func(e registerEvent) string { return e.ID }}
	stream, err := output.NewStream(o.IO, o.Output, view)
	p.stream = stream
	return p, err
}

// told is for KeepOptions.
func (p *registerPrinter) told(e discover.KeepEvent) {
	if e.Kind == discover.KeepConflict {
		return // said before anything was registered
	}
	if p.stream == nil {
		p.ios.Infof("%s", sentence(e))
		return
	}
	event := registerEvent{Time: time.Now().UTC(), Type: string(e.Kind), ID: e.ID, Health: string(e.Health), Note: e.Note}
	if e.Err != nil {
		event.Error, event.RetryIn = e.Err.Error(), e.RetryIn.Round(time.Millisecond).Seconds()
	}
	p.keep(p.stream.Write(event))
	p.keep(p.stream.Flush())
}

func (p *registerPrinter) keep(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *registerPrinter) close() error {
	if p.stream != nil {
		p.keep(p.stream.Close())
	}
	return p.err
}

func sentence(e discover.KeepEvent) string {
	switch e.Kind {
	case discover.KeepRegistered:
		return e.ID + " is registered; Ctrl-C deregisters it"
	case discover.KeepReregistered:
		return "the agent had forgotten " + e.ID + "; it is registered again"
	case discover.KeepFailed:
		return fmt.Sprintf("%v; trying again in %s", e.Err, e.RetryIn.Round(100*time.Millisecond))
	case discover.KeepRecovered:
		return "Consul answers again; " + e.ID + " is registered"
	case discover.KeepReported:
		return fmt.Sprintf("%s is reported as %s: %s", e.ID, e.Health, e.Note)
	case discover.KeepDraining:
		return e.ID + " is in maintenance, so that callers leave it"
	case discover.KeepDeregistered:
		return e.ID + " is deregistered"
	}
	return fmt.Sprintf("%s: %s", e.ID, e.Kind)
}
