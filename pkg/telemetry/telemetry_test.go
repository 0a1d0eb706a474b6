package telemetry_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/spec"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

func TestCleanRequestID(t *testing.T) {
	for _, c := range []struct {
		id   string
		kept bool
	}{
		{"6a1f0f0e-3a51-4c9e-9c0b-0d2f3f6f8a11", true},
		{"legacy id: 42", true},
		{strings.Repeat("x", 128), true},
		{strings.Repeat("x", 129), false},
		{"", false},
		{"a\nb", false},
		{"\x1b[31m", false},
		{"请求", false},
		{"del\x7f", false},
	} {
		got := telemetry.CleanRequestID(c.id)
		if (got == c.id) != c.kept {
			t.Errorf("CleanRequestID(%q) = %q, want it kept: %v", c.id, got, c.kept)
		}
		if _, err := uuid.Parse(got); !c.kept && err != nil {
			t.Errorf("CleanRequestID(%q) = %q, want a UUID", c.id, got)
		}
	}
}

func TestCleanRequestIDIsAlwaysValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if id := telemetry.CleanRequestID(rapid.String().Draw(t, "id")); !telemetry.ValidRequestID(id) {
			t.Fatalf("%q is not valid", id)
		}
	})
}

func TestRequestIDInContext(t *testing.T) {
	if id := telemetry.RequestID(t.Context()); id != "" {
		t.Errorf("RequestID of a bare context = %q", id)
	}
	if id := telemetry.RequestID(telemetry.WithRequestID(t.Context(), "r-1")); id != "r-1" {
		t.Errorf("RequestID = %q, want r-1", id)
	}
}

func TestTraceHeaders(t *testing.T) {
	if h := telemetry.TraceHeaders(t.Context()); len(h) != 0 {
		t.Errorf("headers of a bare context: %v", h)
	}
	root := telemetry.WithSpan(t.Context())
	child := telemetry.WithSpan(root)
	h := telemetry.TraceHeaders(child)
	span, parent := trace.SpanContextFromContext(child), trace.SpanContextFromContext(root)
	if span.TraceID() != parent.TraceID() || span.SpanID() == parent.SpanID() {
		t.Errorf("child %v of %v", span, parent)
	}
	if !regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`).MatchString(h[spec.HeaderTraceParent]) {
		t.Errorf("traceparent = %q", h[spec.HeaderTraceParent])
	}
	want := fmt.Sprintf("00-%s-%s-01", h[spec.HeaderB3TraceID], h[spec.HeaderB3SpanID])
	if h[spec.HeaderTraceParent] != want || h[spec.HeaderB3Sampled] != "1" {
		t.Errorf("the two forms differ: %v", h)
	}
}

func TestUnsampledParentStaysUnsampled(t *testing.T) {
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	h := telemetry.TraceHeaders(telemetry.WithSpan(trace.ContextWithSpanContext(t.Context(), parent)))
	if h[spec.HeaderB3Sampled] != "0" || !strings.HasSuffix(h[spec.HeaderTraceParent], "-00") {
		t.Errorf("headers = %v", h)
	}
}

func ExampleWithRequestID() {
	ctx := telemetry.WithRequestID(context.Background(), "order-4711")
	fmt.Println(telemetry.RequestID(ctx))
	// Output: order-4711
}
