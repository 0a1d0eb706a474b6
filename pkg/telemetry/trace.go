package telemetry

import (
	"context"
	"crypto/rand"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/suokelife/suokectl/pkg/spec"
)

// WithSpan returns a context with a span of its own: a child of the span that
// ctx carries, or the root of a new, sampled trace. It only makes ids; recording
// the span is up to who owns a tracer.
func WithSpan(ctx context.Context) context.Context {
	parent := trace.SpanContextFromContext(ctx)
	span := trace.SpanContextConfig{
		TraceID:    parent.TraceID(),
		TraceFlags: parent.TraceFlags(),
		TraceState: parent.TraceState(),
	}
	if !parent.IsValid() {
		rand.Read(span.TraceID[:]) // never fails
		span.TraceFlags = trace.FlagsSampled
	}
	rand.Read(span.SpanID[:])
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(span))
}

// TraceHeaders returns the request metadata that hands ctx's span to the next
// service, in the W3C form and in B3's multi-header form. It is empty when ctx
// has no span.
func TraceHeaders(ctx context.Context) map[string]string {
	headers := map[string]string{}
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return headers
	}
	propagation.TraceContext{}.Inject(ctx, propagation.MapCarrier(headers))
	headers[spec.HeaderB3TraceID] = span.TraceID().String()
	headers[spec.HeaderB3SpanID] = span.SpanID().String()
	headers[spec.HeaderB3Sampled] = "0"
	if span.IsSampled() {
		headers[spec.HeaderB3Sampled] = "1"
	}
	return headers
}
