package rpc_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// failing serves Login with a code that may be changed, and counts the calls.
func failing(t *testing.T) (address string, code, calls *atomic.Uint32) {
	t.Helper()
	code, calls = &atomic.Uint32{}, &atomic.Uint32{}
	return serveLogin(t, func(context.Context) (*authv1.LoginResponse, error) {
		calls.Add(1)
		if c := codes.Code(code.Load()); c != codes.OK {
			return nil, status.Error(c, "as told")
		}
		return &authv1.LoginResponse{}, nil
	}), code, calls
}

func once() *rpc.Retry { return &rpc.Retry{Tries: 1, AttemptTimeout: 2 * time.Second} }

// TestABadInstanceIsCalledFiveTimes calls two instances, one of which always fails.
func TestABadInstanceIsCalledFiveTimes(t *testing.T) {
	good, _, _ := failing(t)
	bad, code, calls := failing(t)
	code.Store(uint32(codes.Unavailable))
	ch := dial(t, rpc.Config{Target: "auth-service", Instances: fixed(good, bad)})
	for range 50 {
		if err := logIn(t.Context(), ch); err != nil {
			t.Errorf("a call failed although an instance is well: %v", err)
		}
	}
	if n := calls.Load(); n != 5 {
		t.Errorf("the bad instance was called %d times, want 5", n)
	}
}

// TestAllBreakersOpen sees the error, its recovery, and the changes of state.
func TestAllBreakersOpen(t *testing.T) {
	address, code, calls := failing(t)
	code.Store(uint32(codes.Unavailable))
	var mu sync.Mutex
	var states []resilience.State
	ch := dial(t, rpc.Config{
		Target: "auth-service", Instances: fixed(address), Retry: once(),
		Breaker: &resilience.BreakerConfig{Failures: 2, OpenFor: 200 * time.Millisecond, Probes: 1, OnChange: func(name string, _, to resilience.State) {
			mu.Lock()
			defer mu.Unlock()
			if name != address {
				t.Errorf("breaker of %s, want %s", name, address)
			}
			states = append(states, to)
		}},
	})
	for range 2 {
		if err := logIn(t.Context(), ch); status.Code(err) != codes.Unavailable {
			t.Fatalf("err = %v", err)
		}
	}
	err := logIn(t.Context(), ch)
	var open *rpc.UnavailableError
	if !errors.As(err, &open) || !slices.Equal(open.Instances, []string{address}) || open.RecoveryTimeLeft <= 0 {
		t.Fatalf("err = %v, want *UnavailableError of %s", err, address)
	}
	var service *resilience.UnavailableError
	if !errors.As(err, &service) || service.Timeout != open.RecoveryTimeLeft || status.Code(err) != codes.Unavailable {
		t.Errorf("err = %v, want *resilience.UnavailableError with the recovery's time and UNAVAILABLE", err)
	}
	if calls.Load() != 2 {
		t.Errorf("%d calls, want 2", calls.Load())
	}
	code.Store(uint32(codes.OK))
	deadline := time.Now().Add(5 * time.Second)
	for err != nil && time.Now().Before(deadline) {
		err = logIn(t.Context(), ch)
	}
	if err != nil {
		t.Errorf("still failing after the instance is well: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []resilience.State{resilience.Open, resilience.HalfOpen, resilience.Closed}; !slices.Equal(states, want) {
		t.Errorf("states %v, want %v", states, want)
	}
}

// TestAFallbackTakesOver shows what the error of open breakers is for.
func TestAFallbackTakesOver(t *testing.T) {
	address, code, _ := failing(t)
	code.Store(uint32(codes.Unavailable))
	ch := dial(t, rpc.Config{Target: "auth-service", Instances: fixed(address), Retry: once(), Breaker: &resilience.BreakerConfig{Failures: 1}})
	_ = logIn(t.Context(), ch) // opens it
	answer, err := resilience.WithFallback(
		t.Context(),
		func(ctx context.Context) (string, error) { return "", logIn(ctx, ch) },
		func(_ context.Context, e *rpc.UnavailableError) (string, error) {
			return "from the cache of " + e.Service, nil
		},
	)
	if answer != "from the cache of auth-service" || err != nil {
		t.Errorf("answer %q, %v", answer, err)
	}
}

// TestWhatABreakerCounts opens after one failure, of the kinds that count.
func TestWhatABreakerCounts(t *testing.T) {
	for _, c := range []struct {
		code  codes.Code
		opens bool
	}{
		{codes.Unavailable, true},
		{codes.DeadlineExceeded, true},
		{codes.InvalidArgument, false},
		{codes.NotFound, false},
		{codes.PermissionDenied, false},
		{codes.Internal, false},
		{codes.Unknown, false},
		{codes.Canceled, false},
		{codes.ResourceExhausted, false},
	} {
		t.Run(c.code.String(), func(t *testing.T) {
			address, code, calls := failing(t)
			code.Store(uint32(c.code))
			ch := dial(t, rpc.Config{Target: "auth-service", Instances: fixed(address), Retry: once(), Breaker: &resilience.BreakerConfig{Failures: 1}})
			for range 3 {
				if err := logIn(t.Context(), ch); err == nil {
					t.Error("no error")
				}
			}
			if want := map[bool]uint32{true: 1, false: 3}[c.opens]; calls.Load() != want {
				t.Errorf("%d calls, want %d", calls.Load(), want)
			}
		})
	}
}

// TestALiteralAddressHasNoBreaker since there is no other instance to spare it for.
func TestALiteralAddressHasNoBreaker(t *testing.T) {
	address, code, calls := failing(t)
	code.Store(uint32(codes.Unavailable))
	ch := dial(t, rpc.Config{Target: address, Retry: once()})
	for range 10 {
		_ = logIn(t.Context(), ch)
	}
	if calls.Load() != 10 {
		t.Errorf("%d calls, want 10", calls.Load())
	}
}

// TestAnInstanceThatIsNeverReadyCountsForNothing has an address where nothing
// listens beside a good one: its breaker hears neither of failures nor successes.
func TestAnInstanceThatIsNeverReadyCountsForNothing(t *testing.T) {
	good, _, _ := failing(t)
	var changes atomic.Int32
	ch := dial(t, rpc.Config{
		Target: "auth-service", Instances: fixed(good, refusing(t)),
		Breaker: &resilience.BreakerConfig{Failures: 1, OnChange: func(string, resilience.State, resilience.State) { changes.Add(1) }},
	})
	for range 20 {
		if err := logIn(t.Context(), ch); err != nil {
			t.Error(err)
		}
	}
	if changes.Load() != 0 {
		t.Errorf("%d changes of state, want none", changes.Load())
	}
}
