package events

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"

	"github.com/itchyny/gojq"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/spec"
)

// filterFlags say which records are wanted; all of them must hold.
type filterFlags struct {
	Where string // a jq expression over the record's ndjson form
	Type  string // meta.type
	// CorrelationID is meta.correlation_id.
	CorrelationID string
	Key           string
	// Contains are bytes within key, value or the value of a header.
	Contains string
}

func (o *filterFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.Where, "where", "", "only records for which this jq `expression`, over their ndjson form, is true")
	flags.StringVar(&o.Type, "type", "", "only events of this meta.type")
	flags.StringVar(&o.CorrelationID, "correlation-id", "", "only events of this meta.correlation_id")
	flags.StringVar(&o.Contains, "contains", "", "only records with this `text` in key, value or a header's value")
	flags.StringVar(&o.Key, "key", "", "only records with this `key`")
	for _, name := range []string{"where", "type", "correlation-id", "contains", "key"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
}

// bindDecode is for what shows records; what copies them keeps their bytes.
func bindDecode(cmd *cobra.Command, decode *bool) {
	cmd.Flags().BoolVar(decode, "decode", false, "decode values that are framed for the schema registry first: Avro, Protobuf, JSON")
}

// filter decides on records, in several goroutines at the same time. A value is
// decoded only when something asks for what is in it, and only when the bytes
// that it must hold are there.
type filter struct {
	flags       filterFlags
	conventions spec.Conventions
	where       *gojq.Code
	clauses     []clause
	buffers     sync.Pool
	decoder     *framedDecoder // nil decodes nothing

	mu           sync.Mutex
	failed       int64 // records on which the expression failed
	firstFailure error
}

func newFilter(flags filterFlags, conventions spec.Conventions) (*filter, error) {
	f := &filter{flags: flags, conventions: conventions, buffers: sync.Pool{New: func() any { return new([]byte) }}}
	f.clauses = flags.clauses()
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
	f.clauses = append(f.clauses, clausesOf(query)...)
	return f, nil
}

// wanted reports whether there may be a match among records as they are
// stored; nil when nothing can be said.
func (f *filter) wanted() func(records []byte) bool {
	if len(f.clauses) == 0 || f.decoder != nil { // what is framed does not hold the bytes of its text
		return nil
	}
	return f.mayHold
}

func (f *filter) mayHold(records []byte) bool {
	for i := range f.clauses {
		if !f.clauses[i].mayHold(records) {
			return false
		}
	}
	return true
}

func (f *filter) match(r *kgo.Record) bool {
	if f.decoder != nil && !f.decoder.replace(r) {
		return false
	}
	if f.flags.Key != "" && string(r.Key) != f.flags.Key {
		return false
	}
	if f.flags.Contains != "" && !contains(r, f.flags.Contains) {
		return false
	}
	for i := range f.clauses {
		if c := &f.clauses[i]; c.json && !c.mayHold(r.Value) && !c.mayHold(r.Key) {
			return false
		}
	}
	return f.hasMeta(r.Value) && (f.where == nil || f.holds(r))
}

func contains(r *kgo.Record, text string) bool {
	needle := []byte(text)
	return bytes.Contains(r.Value, needle) || bytes.Contains(r.Key, needle) ||
		slices.ContainsFunc(r.Headers, func(h kgo.RecordHeader) bool { return bytes.Contains(h.Value, needle) })
}

func (f *filter) hasMeta(value []byte) bool {
	if f.flags.Type == "" && f.flags.CorrelationID == "" {
		return true
	}
	event, _ := f.conventions.ParseEvent(value) // holds what could be read of a bad one
	return (f.flags.Type == "" || event.Meta.Type == f.flags.Type) &&
		(f.flags.CorrelationID == "" || event.Meta.CorrelationID == f.flags.CorrelationID)
}

// holds reports whether the expression's first result is true, as jq's own
// select takes truth: anything but false and null.
func (f *filter) holds(r *kgo.Record) bool {
	buffer := f.buffers.Get().(*[]byte)
	defer f.buffers.Put(buffer)
	*buffer = events.AppendRecord((*buffer)[:0], r)
	decoder := json.NewDecoder(bytes.NewReader(*buffer))
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
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed++; f.failed == 1 {
		f.firstFailure = err
	}
	return false
}

// tell says on how many records the expression failed.
func (f *filter) tell(ios *iostreams.IOStreams) {
	if f.failed > 0 {
		ios.Infof("--where failed on %d records, which count as not matching; the first: %v", f.failed, f.firstFailure)
	}
}
