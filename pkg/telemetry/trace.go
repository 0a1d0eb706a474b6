package telemetry

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/suokelife/suokectl/pkg/spec"
)

// Trace returns parent when it belongs to a trace, otherwise a new, sampled trace
// for spans to be the roots of.
func Trace(parent trace.SpanContext) trace.SpanContext {
	if parent.HasTraceID() {
		return parent
	}
	var id trace.TraceID
	binary.NativeEndian.PutUint64(id[:8], rand.Uint64()) //nolint:gosec // an id is unique and no secret
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64()) //nolint:gosec // see above
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, TraceFlags: trace.FlagsSampled})
}

// NextSpan returns a span below parent, or the root of a new, sampled trace when
// parent belongs to none. It only makes ids; recording the span is up to who owns
// a tracer. It does not allocate.
func NextSpan(parent trace.SpanContext) trace.SpanContext {
	parent = Trace(parent)
	var id trace.SpanID
	binary.NativeEndian.PutUint64(id[:], rand.Uint64()|1) //nolint:gosec // an id is unique and no secret; never zero
	return parent.WithSpanID(id).WithRemote(false)
}

// AppendTraceHeaders appends the request metadata that hands span to the next
// service, as names and values in turn: the W3C form
// (https://www.w3.org/TR/trace-context/) and B3's multi-header form
// (https://github.com/openzipkin/b3-propagation). It appends nothing for a span
// that is not valid. Its one allocation is the traceparent, of which the ids of
// B3 are parts.
func AppendTraceHeaders(list []string, span trace.SpanContext) []string {
	if !span.IsValid() {
		return list
	}
	const (
		traceAt = len("00-")
		spanAt  = traceAt + 2*len(trace.TraceID{}) + 1
		flagsAt = spanAt + 2*len(trace.SpanID{}) + 1
	)
	text := [flagsAt + 2]byte{0: '0', 1: '0', 2: '-', spanAt - 1: '-', flagsAt - 1: '-', flagsAt: '0', flagsAt + 1: '0'}
	traceID, spanID, sampled := span.TraceID(), span.SpanID(), "0"
	hex.Encode(text[traceAt:], traceID[:])
	hex.Encode(text[spanAt:], spanID[:])
	if span.IsSampled() {
		text[flagsAt+1], sampled = '1', "1"
	}
	parent := string(text[:])
	list = append(
		list,
		spec.HeaderTraceParent, parent,
		spec.HeaderB3TraceID, parent[traceAt:spanAt-1],
		spec.HeaderB3SpanID, parent[spanAt:flagsAt-1],
		spec.HeaderB3Sampled, sampled,
	)
	if state := span.TraceState(); state.Len() > 0 {
		list = append(list, spec.HeaderTraceState, state.String())
	}
	return list
}

// ParseTrace returns the span that a caller handed over in its metadata: in the
// W3C form, else in B3's multi-header or single-header form. get returns the
// value of a header, "" when there is none. The span is not valid when there was
// none, or none that is well formed.
func ParseTrace(get func(name string) string) trace.SpanContext {
	w3c := propagation.MapCarrier{spec.HeaderTraceParent: get(spec.HeaderTraceParent), spec.HeaderTraceState: get(spec.HeaderTraceState)}
	span := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), w3c))
	if span.IsValid() {
		return span
	}
	ids := [3]string{get(spec.HeaderB3TraceID), get(spec.HeaderB3SpanID), get(spec.HeaderB3Sampled)}
	if single := strings.Split(get(spec.HeaderB3), "-"); ids[0] == "" && len(single) >= 2 {
		copy(ids[:], single)
	}
	return parseB3(ids[0], ids[1], ids[2])
}

// parseB3 reads the ids of B3, where a trace's may have 64 bits, and the decision
// to sample, where none leaves it to the receiver and d is for debugging.
func parseB3(traceID, spanID, sampled string) trace.SpanContext {
	if len(traceID) == 2*len(trace.SpanID{}) {
		traceID = strings.Repeat("0", 2*len(trace.SpanID{})) + traceID
	}
	var config trace.SpanContextConfig
	var err error
	if config.TraceID, err = trace.TraceIDFromHex(traceID); err != nil {
		return trace.SpanContext{}
	}
	if config.SpanID, err = trace.SpanIDFromHex(spanID); err != nil {
		return trace.SpanContext{}
	}
	if sampled != "0" && sampled != "false" {
		config.TraceFlags = trace.FlagsSampled
	}
	config.Remote = true
	return trace.NewSpanContext(config)
}
