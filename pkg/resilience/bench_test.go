package resilience_test

import (
	"context"
	"testing"

	"github.com/suokelife/suokectl/pkg/resilience"
)

func BenchmarkDoSucceeds(b *testing.B) {
	policy := resilience.RetryPolicy()
	policy.Budget = resilience.NewBudget(10, 0.1)
	ctx := b.Context()
	f := func(context.Context) (int, error) { return 1, nil }
	b.ReportAllocs()
	for b.Loop() {
		if _, err := resilience.Do(ctx, policy, f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBreaker(b *testing.B) {
	breaker := resilience.NewBreaker(resilience.BreakerConfig{Name: "x"})
	b.ReportAllocs()
	for b.Loop() {
		permit, err := breaker.Allow()
		if err != nil {
			b.Fatal(err)
		}
		permit.Done(resilience.Success)
	}
}

// What the library's own layers add to a call is bounded here, in allocations:
// times differ from machine to machine.
func TestAllocations(t *testing.T) {
	ctx, policy := t.Context(), resilience.RetryPolicy()
	policy.Budget = resilience.NewBudget(10, 0.1)
	breaker := resilience.NewBreaker(resilience.BreakerConfig{Name: "x"})
	f := func(context.Context) (int, error) { return 1, nil }
	for name, c := range map[string]struct {
		call func()
		most float64
	}{
		"Do":         {func() { _, _ = resilience.Do(ctx, policy, f) }, 0},
		"Allow+Done": {func() { p, _ := breaker.Allow(); p.Done(resilience.Success) }, 1},
		"State":      {func() { breaker.State() }, 0},
	} {
		if n := testing.AllocsPerRun(100, c.call); n > c.most {
			t.Errorf("%s: %v allocations, want %v at most", name, n, c.most)
		}
	}
}
