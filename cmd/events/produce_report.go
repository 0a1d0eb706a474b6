package events

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/suokelife/suokectl/cmd/events/intake"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/spec"
)

// maxProblems is how many records that were not acknowledged the report names;
// stderr names all.
const maxProblems = 1000

// The outcomes of a record that was not acknowledged.
const (
	outcomeRejected = "rejected"
	outcomeUnknown  = "unknown"
	outcomeNotSent  = "not_sent"
)

// productionReport says what became of every record.
type productionReport struct {
	Topic  string `json:"topic"`
	DryRun bool   `json:"dry_run"`
	// Acked counts the records that are stored, or would pass in a dry run.
	Acked int `json:"acked"`
	// AckedLines names their lines, as in 1-3,5.
	AckedLines string         `json:"acked_lines"`
	Counts     map[string]int `json:"counts"`
	// Problems are the others, at most a thousand of them.
	Problems []lineProblem `json:"problems"`

	lines lineSet
}

type lineProblem struct {
	Line int `json:"line"`
	// Column is where in the line, in bytes from 1; 0 when that cannot be said.
	Column  int    `json:"column,omitempty"`
	Outcome string `json:"outcome"`
	Error   string `json:"error"`
}

func (r *productionReport) acked(line int) {
	r.Acked++
	r.lines.add(line)
}

func (r *productionReport) problem(p lineProblem) {
	if r.Counts == nil {
		r.Counts = make(map[string]int)
	}
	r.Counts[p.Outcome]++
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, p)
	}
}

// sorted is the report once nothing is added to it any more.
func (r *productionReport) sorted() productionReport {
	out := *r
	out.AckedLines = r.lines.String()
	out.Problems = append([]lineProblem{}, r.Problems...)
	slices.SortFunc(out.Problems, func(a, b lineProblem) int { return a.Line - b.Line })
	if out.Counts == nil {
		out.Counts = map[string]int{}
	}
	return out
}

func (r *productionReport) count(outcome string) int { return r.Counts[outcome] }

func (r *productionReport) bad() (n int) {
	for _, count := range r.Counts {
		n += count
	}
	return n
}

// err is the error of a production in which some record was not acknowledged.
func (r *productionReport) err() error {
	bad := r.bad()
	if bad == 0 {
		return nil
	}
	verb := "were not"
	if r.DryRun {
		verb = "would not be"
	}
	return fmt.Errorf("%d of %d events %s produced to %s", bad, bad+r.Acked, verb, r.Topic)
}

func outcomeOf(err error) string {
	var rejected *events.RejectedError
	var unknown *events.UnknownOutcomeError
	switch {
	case errors.As(err, &rejected):
		return outcomeRejected
	case errors.As(err, &unknown):
		return outcomeUnknown
	}
	return outcomeNotSent
}

// topicError is what is wrong with the topic itself, whatever the record; nil
// when it is not that.
func topicError(err error) error {
	var unknown *events.UnknownTopicError
	var name *spec.TopicError
	switch {
	case errors.As(err, &unknown):
		return unknown
	case errors.As(err, &name):
		return name
	}
	return nil
}

// isKept reports that an event was not acknowledged and is in the spool, and
// so is no reason to end the run.
func isKept(err error) bool {
	var notSent *events.NotSentError
	var unknown *events.UnknownOutcomeError
	return errors.As(err, &notSent) && notSent.Spool != "" || errors.As(err, &unknown) && unknown.Spool != ""
}

// columnOf says where in its line an event is wrong, from 1; 0 when that cannot
// be said.
func columnOf(item *intake.Item, err error) int {
	var envelope *spec.EnvelopeError
	switch {
	case item.Err != nil:
		return item.Column
	case item.ValueAt < 0 || !errors.As(err, &envelope):
		return 0
	case errors.Is(envelope, spec.ErrNotJSON):
		return item.ValueAt + syntaxOffset(item.Text[item.ValueAt:]) + 1
	case envelope.Problems[0].Offset == 0: // it is about the event and its topic
		return 0
	}
	return item.ValueAt + envelope.Problems[0].Offset + 1
}

// syntaxOffset is where a text stops being JSON; 0 when it is some.
func syntaxOffset(text []byte) int {
	var syntax *json.SyntaxError
	if value := json.NewDecoder(bytes.NewReader(text)); errors.As(value.Decode(new(json.RawMessage)), &syntax) {
		return int(max(syntax.Offset-1, 0))
	}
	return 0
}

// reportView shows the end of a production as fields; in a dry run nothing is
// acked.
func reportView(dryRun bool) output.View[productionReport] {
	good := "ACKED"
	if dryRun {
		good = "PASSED"
	}
	count := func(outcome string) func(productionReport) string {
		return func(r productionReport) string { return fmt.Sprint(r.count(outcome)) }
	}
	return output.View[productionReport]{
		Columns: []output.Column[productionReport]{
			{Name: "TOPIC", Value: func(r productionReport) string { return r.Topic }},
			{Name: good, Value: func(r productionReport) string { return fmt.Sprint(r.Acked) }},
			{Name: "LINES", Value: func(r productionReport) string { return cmp.Or(r.AckedLines, "-") }},
			{Name: "REJECTED", Value: count(outcomeRejected)},
			{Name: "UNKNOWN", Value: count(outcomeUnknown)},
			{Name: "NOT SENT", Value: count(outcomeNotSent)},
		},
		Name: func(r productionReport) string { return r.AckedLines },
	}
}
