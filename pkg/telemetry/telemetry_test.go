package telemetry_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/propagation"
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

// headers returns what AppendTraceHeaders appends, by name.
func headers(span trace.SpanContext) map[string]string {
	list, all := telemetry.AppendTraceHeaders(nil, span), map[string]string{}
	for i := 0; i < len(list); i += 2 {
		all[list[i]] = list[i+1]
	}
	return all
}

// TestTraceHeadersAreOpenTelemetrys compares the W3C half with OpenTelemetry's own propagator, for any span.
func TestTraceHeadersAreOpenTelemetrys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := trace.SpanContextConfig{TraceFlags: trace.TraceFlags(rapid.Byte().Draw(t, "flags")) & trace.FlagsSampled}
		copy(config.TraceID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "trace"))
		copy(config.SpanID[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "span"))
		if rapid.Bool().Draw(t, "state") {
			config.TraceState, _ = trace.ParseTraceState("vendor=a,other=b")
		}
		span := trace.NewSpanContext(config)
		want := propagation.MapCarrier{}
		propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), span), want)
		got := headers(span)
		for _, name := range []string{spec.HeaderTraceParent, spec.HeaderTraceState} {
			if got[name] != want[name] {
				t.Fatalf("%s = %q, want %q", name, got[name], want[name])
			}
		}
		if !span.IsValid() {
			return
		}
		sampled := map[string]string{"0": "00", "1": "01"}[got[spec.HeaderB3Sampled]]
		b3 := "00-" + got[spec.HeaderB3TraceID] + "-" + got[spec.HeaderB3SpanID] + "-" + sampled
		if b3 != got[spec.HeaderTraceParent] {
			t.Fatalf("the two forms differ: %v", got)
		}
	})
}

// TestWhatIsHandedOverIsUnderstood reads back each form that AppendTraceHeaders writes, alone.
func TestWhatIsHandedOverIsUnderstood(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := telemetry.NextSpan(trace.SpanContext{})
		if rapid.Bool().Draw(t, "unsampled") {
			span = span.WithTraceFlags(0)
		}
		all := headers(span)
		b3 := all[spec.HeaderB3TraceID] + "-" + all[spec.HeaderB3SpanID] + "-" + all[spec.HeaderB3Sampled]
		for form, names := range map[string]map[string]string{
			"all": all,
			"w3c": {spec.HeaderTraceParent: all[spec.HeaderTraceParent]},
			"b3 of many headers": {
				spec.HeaderB3TraceID: all[spec.HeaderB3TraceID], spec.HeaderB3SpanID: all[spec.HeaderB3SpanID], spec.HeaderB3Sampled: all[spec.HeaderB3Sampled],
			},
			"b3 of one header": {spec.HeaderB3: b3},
		} {
			got := telemetry.ParseTrace(func(name string) string { return names[name] })
			if !got.IsRemote() || !got.WithRemote(false).Equal(span) {
				t.Fatalf("%s: %v, want %v", form, got, span)
			}
		}
	})
}

func TestTracesThatAreNone(t *testing.T) {
	for _, names := range []map[string]string{
		{},
		{spec.HeaderTraceParent: "00-0-0-00"},
		{spec.HeaderB3: "0"},
		{spec.HeaderB3: "-"},
		{spec.HeaderB3TraceID: "00000000000000000000000000000000", spec.HeaderB3SpanID: "0000000000000001"},
		{spec.HeaderB3TraceID: "0af7651916cd43dd", spec.HeaderB3SpanID: "x"},
	} {
		if got := telemetry.ParseTrace(func(name string) string { return names[name] }); got.IsValid() {
			t.Errorf("%v: %v, want none", names, got)
		}
	}
}

func TestSpansOfATrace(t *testing.T) {
	root := telemetry.NextSpan(trace.SpanContext{})
	child := telemetry.NextSpan(root)
	if !root.IsValid() || !root.IsSampled() {
		t.Errorf("root = %v, want a valid, sampled span", root)
	}
	if child.TraceID() != root.TraceID() || child.SpanID() == root.SpanID() || !child.IsValid() {
		t.Errorf("child %v of %v", child, root)
	}
	begun := telemetry.Trace(trace.SpanContext{})
	if a, b := telemetry.NextSpan(begun), telemetry.NextSpan(begun); a.TraceID() != b.TraceID() || a.SpanID() == b.SpanID() {
		t.Errorf("spans %v and %v of one trace", a, b)
	}
	unsampled := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	if telemetry.NextSpan(unsampled).IsSampled() {
		t.Error("below an unsampled span there is a sampled one")
	}
}

func TestSpansDoNotAllocate(t *testing.T) {
	list := make([]string, 0, 16)
	if n := testing.AllocsPerRun(100, func() { list = telemetry.AppendTraceHeaders(list[:0], telemetry.NextSpan(trace.SpanContext{})) }); n > 1 {
		t.Errorf("%v allocations, want the one of traceparent", n)
	}
}

func ExampleWithRequestID() {
	ctx := telemetry.WithRequestID(context.Background(), "order-4711")
	fmt.Println(telemetry.RequestID(ctx))
	// Output: order-4711
}
