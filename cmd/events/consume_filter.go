package events

import (
	"bytes"
	"encoding/json"

	"github.com/itchyny/gojq"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/spec"
)

// filterFlags say which records are wanted; all of them must hold.
type filterFlags struct {
	Where string // a jq expression over the record's ndjson form
	Type  string // meta.type
	Key   string
}

func (o *filterFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.Where, "where", "", "only records for which this jq `expression`, over their ndjson form, is true")
	flags.StringVar(&o.Type, "type", "", "only events of this meta.type")
	flags.StringVar(&o.Key, "key", "", "only records with this `key`")
	for _, name := range []string{"where", "type", "key"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
}

// filter decides on records. A value is decoded only when something asks for
// what is in it.
type filter struct {
	flags       filterFlags
	conventions spec.Conventions
	where       *gojq.Code
	buffer      []byte

	failed       int64 // records on which the expression failed
	firstFailure error
}

func newFilter(flags filterFlags, conventions spec.Conventions) (*filter, error) {
	f := &filter{flags: flags, conventions: conventions}
	if flags.Where == "" {
		return f, nil
	}
	query, err := gojq.Parse(flags.Where)
	if err != nil {
		return nil, failure.Usagef("--where %q: %w", flags.Where, err)
	}
	if f.where, err = gojq.Compile(query); err != nil {
		return nil, failure.Usagef("--where %q: %w", flags.Where, err)
	}
	return f, nil
}

func (f *filter) match(r *kgo.Record) bool {
	if f.flags.Key != "" && string(r.Key) != f.flags.Key {
		return false
	}
	if f.flags.Type != "" && !f.hasType(r.Value) {
		return false
	}
	return f.where == nil || f.holds(r)
}

// hasType looks for the type's text before it reads the envelope; text with
// escapes in it may spell it otherwise.
func (f *filter) hasType(value []byte) bool {
	if !bytes.Contains(value, []byte(f.flags.Type)) && bytes.IndexByte(value, '\\') < 0 {
		return false
	}
	event, _ := f.conventions.ParseEvent(value) // holds what could be read of a bad one
	return event.Meta.Type == f.flags.Type
}

// holds reports whether the expression's first result is true, as jq's own
// select takes truth: anything but false and null.
func (f *filter) holds(r *kgo.Record) bool {
	f.buffer = events.AppendRecord(f.buffer[:0], r)
	decoder := json.NewDecoder(bytes.NewReader(f.buffer))
	decoder.UseNumber()
	var record any
	if err := decoder.Decode(&record); err != nil {
		return f.fail(err)
	}
	result, ok := f.where.Run(record).Next()
	if err, isErr := result.(error); isErr {
		return f.fail(err)
	}
	return ok && result != nil && result != false
}

func (f *filter) fail(err error) bool {
	if f.failed++; f.failed == 1 {
		f.firstFailure = err
	}
	return false
}
