package chaos_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/suokelife/suokectl/pkg/chaos"
)

func TestSample(t *testing.T) {
	for _, c := range []struct {
		abort, delay float64
		want         int
	}{{100, 0, 1}, {5, 0, 90}, {5, 10, 90}, {50, 10, 44}, {1, 0, 459}} {
		if got := (chaos.Fault{AbortPercent: c.abort, DelayPercent: c.delay}).Sample(); got != c.want {
			t.Errorf("abort %v %%, delay %v %%: %d calls, want %d", c.abort, c.delay, got, c.want)
		}
	}
}

func TestProve(t *testing.T) {
	f := chaos.Fault{AbortHTTP: 500, AbortPercent: 10}
	var calls atomic.Int64
	tenth := func(context.Context) (bool, error) { return calls.Add(1)%10 == 0, nil }
	proof := chaos.Prove(t.Context(), f, tenth, 8)
	if !proof.Proved || proof.Calls != 44 || proof.Aborted < 4 || proof.Aborted > 5 || proof.Reason != "" {
		t.Errorf("got %+v", proof)
	}
}

// TestProveCountsOnlyWhatCameAfter: calls made while the mesh is still taking the fault over do not falsify the rate.
func TestProveCountsOnlyWhatCameAfter(t *testing.T) {
	var calls atomic.Int64
	late := func(context.Context) (bool, error) { return calls.Add(1) > 30, nil }
	proof := chaos.Prove(t.Context(), chaos.Fault{AbortHTTP: 500, AbortPercent: 10}, late, 1)
	if !proof.Proved || proof.AbortPercent != 100 || proof.Calls != 44 {
		t.Errorf("got %+v", proof)
	}
}

func TestNotProved(t *testing.T) {
	never := func(context.Context) (bool, error) { return false, nil }
	always := func(context.Context) (bool, error) { return true, nil }
	broken := func(context.Context) (bool, error) { return false, errors.New("no route to host") }
	for _, c := range []struct {
		fault chaos.Fault
		probe chaos.Probe
		text  string
	}{
		{chaos.Fault{AbortHTTP: 500, AbortPercent: 50}, never, "felt it"},
		{chaos.Fault{Delay: time.Hour, DelayPercent: 100}, never, "felt it"},
		{chaos.Fault{AbortHTTP: 500, AbortPercent: 100, Delay: time.Hour, DelayPercent: 100}, always, "was delayed"},
		{chaos.Fault{AbortHTTP: 500, AbortPercent: 50}, broken, "no route to host"},
		{chaos.Fault{AbortHTTP: 500, AbortPercent: 0.001}, never, "so rare"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		proof := chaos.Prove(ctx, c.fault, c.probe, 4)
		cancel()
		if proof.Proved || !strings.Contains(proof.Reason, c.text) {
			t.Errorf("want %q, got %+v", c.text, proof)
		}
	}
}
