package resilience_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/resilience"
)

// end makes a call that ends with outcome, or fails the test.
func end(t interface {
	Helper()
	Fatal(...any)
}, b *resilience.Breaker, outcome resilience.Outcome,
) {
	t.Helper()
	permit, err := b.Allow()
	if err != nil {
		t.Fatal(err)
	}
	permit.Done(outcome)
}

func trip(t *testing.T, b *resilience.Breaker) {
	t.Helper()
	for range 5 {
		end(t, b, resilience.Failure)
	}
	if b.State() != resilience.Open {
		t.Fatalf("state = %v after five failures", b.State())
	}
}

func TestBreakerGoesThroughItsStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		b := resilience.NewBreaker(resilience.BreakerConfig{Name: "10.0.0.1:50051", OnChange: func(name string, from, to resilience.State) {
			told = append(told, fmt.Sprintf("%s %v→%v", name, from, to))
		}})
		for range 4 {
			end(t, b, resilience.Failure)
		}
		end(t, b, resilience.Success) // the failures are no longer in a row
		for range 4 {
			end(t, b, resilience.Failure)
		}
		if b.State() != resilience.Closed || b.RecoveryTimeLeft() != 0 {
			t.Fatalf("state = %v with %v left", b.State(), b.RecoveryTimeLeft())
		}
		end(t, b, resilience.Failure)

		time.Sleep(10 * time.Second)
		if b.State() != resilience.Open || b.RecoveryTimeLeft() != 20*time.Second {
			t.Fatalf("state = %v with %v left", b.State(), b.RecoveryTimeLeft())
		}
		_, err := b.Allow()
		var open *resilience.OpenError
		var service *resilience.ServiceError
		if !errors.Is(err, resilience.ErrOpen) || !errors.As(err, &open) || !errors.As(err, &service) {
			t.Fatalf("err = %v", err)
		}
		if open.RecoveryTimeLeft != 20*time.Second || service.Timeout != 20*time.Second || service.Details["recovery_time"] != 20.0 {
			t.Errorf("open = %+v, service = %+v", open, service)
		}
		if want := `circuit breaker "10.0.0.1:50051" is open for another 20s`; err.Error() != want {
			t.Errorf("error = %q, want %q", err, want)
		}

		time.Sleep(open.RecoveryTimeLeft)
		for range 3 {
			end(t, b, resilience.Success)
		}
		if b.State() != resilience.Closed {
			t.Errorf("state = %v after three good probes", b.State())
		}
		want := "10.0.0.1:50051 closed→open, 10.0.0.1:50051 open→half_open, 10.0.0.1:50051 half_open→closed"
		if got := strings.Join(told, ", "); got != want {
			t.Errorf("told %s", got)
		}
	})
}

func TestHalfOpenLetsThreeProbesIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBreaker(resilience.BreakerConfig{Name: "x"})
		trip(t, b)
		time.Sleep(30 * time.Second)
		var permits []resilience.Permit
		for range 100 {
			if permit, err := b.Allow(); err == nil {
				permits = append(permits, permit)
			} else if !errors.Is(err, resilience.ErrOpen) || !strings.Contains(err.Error(), "half open") {
				t.Fatal(err)
			}
		}
		if len(permits) != 3 {
			t.Fatalf("%d probes were let in", len(permits))
		}
		permits[0].Done(resilience.Ignored) // and so makes room
		end(t, b, resilience.Success)
		permits[1].Done(resilience.Failure)
		if b.State() != resilience.Open || b.RecoveryTimeLeft() != 30*time.Second {
			t.Errorf("state = %v with %v left after a probe failed", b.State(), b.RecoveryTimeLeft())
		}
	})
}

func TestLateResultsAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBreaker(resilience.BreakerConfig{Name: "x"})
		var late []resilience.Permit
		for range 10 {
			permit, err := b.Allow()
			if err != nil {
				t.Fatal(err)
			}
			late = append(late, permit)
		}
		trip(t, b)
		time.Sleep(30 * time.Second)
		for i, permit := range late {
			permit.Done(resilience.Outcome(i % 2)) // neither successes nor failures count
		}
		if b.State() != resilience.HalfOpen {
			t.Errorf("state = %v", b.State())
		}
	})
}

func TestIgnoredCallsNeitherOpenNorReset(t *testing.T) {
	b := resilience.NewBreaker(resilience.BreakerConfig{Name: "x"})
	for range 4 {
		end(t, b, resilience.Failure)
		end(t, b, resilience.Ignored)
	}
	end(t, b, resilience.Failure)
	if b.State() != resilience.Open {
		t.Errorf("state = %v", b.State())
	}
	resilience.Permit{}.Done(resilience.Failure)
}

func TestWithBreaker(t *testing.T) {
	ctx := t.Context()
	call := func(b *resilience.Breaker, err error) error {
		_, got := resilience.WithBreaker(ctx, b, func(context.Context) (int, error) { return 1, err })
		return got
	}
	for name, c := range map[string]struct {
		err  error
		want resilience.State
	}{
		"failures":          {errDown, resilience.Open},
		"temporary errors":  {resilience.NewTemporary("busy", "busy", nil), resilience.Open},
		"answers":           {resilience.NewPermanent("no", "no", nil), resilience.Closed},
		"cancelled calls":   {context.Canceled, resilience.Closed},
		"calls with no err": {nil, resilience.Closed},
	} {
		b := resilience.NewBreaker(resilience.BreakerConfig{Name: "x"})
		for range 5 {
			if err := call(b, c.err); !errors.Is(err, c.err) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if b.State() != c.want {
			t.Errorf("%s: state = %v, want %v", name, b.State(), c.want)
		}
		if err := call(b, nil); (err != nil) != (c.want == resilience.Open) {
			t.Errorf("%s: then %v", name, err)
		}
	}
}

func TestPanicsAreFailures(t *testing.T) {
	b := resilience.NewBreaker(resilience.BreakerConfig{Failures: 1})
	func() {
		defer func() {
			if cause := recover(); cause != "boom" {
				t.Errorf("recovered %v", cause)
			}
		}()
		_, _ = resilience.WithBreaker(t.Context(), b, func(context.Context) (int, error) { panic("boom") })
	}()
	if b.State() != resilience.Open {
		t.Errorf("state = %v", b.State())
	}
}

func TestTheHookMayAskTheBreaker(t *testing.T) {
	var b *resilience.Breaker
	var seen []resilience.State
	b = resilience.NewBreaker(resilience.BreakerConfig{Failures: 1, OnChange: func(string, resilience.State, resilience.State) {
		seen = append(seen, b.State())
		_, err := b.Allow()
		if !errors.Is(err, resilience.ErrOpen) {
			t.Errorf("err = %v", err)
		}
	}})
	end(t, b, resilience.Failure)
	if len(seen) != 1 || seen[0] != resilience.Open {
		t.Errorf("seen %v", seen)
	}
}

// Whatever the calls, changes are told in order and each begins where the one
// before ended.
func TestChangesAreToldInOrder(t *testing.T) {
	var mu sync.Mutex
	at := resilience.Closed
	b := resilience.NewBreaker(resilience.BreakerConfig{Failures: 1, Probes: 1, OpenFor: time.Nanosecond, OnChange: func(_ string, from, to resilience.State) {
		mu.Lock()
		defer mu.Unlock()
		if from != at {
			t.Errorf("told of %v→%v at %v", from, to, at)
		}
		at = to
	}})
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for n := range 200 {
				if permit, err := b.Allow(); err == nil {
					permit.Done(resilience.Outcome((i + n) % 3))
				}
			}
		})
	}
	callers.Wait()
}

// A breaker agrees with the plainest model of its rules.
func TestBreakerKeepsItsRules(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(*testing.T) {
			b := resilience.NewBreaker(resilience.BreakerConfig{})
			state, failures, successes := resilience.Closed, 0, 0
			var opened time.Time
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				time.Sleep(time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 15, 30}).Draw(rt, "seconds")) * time.Second)
				if state == resilience.Open && time.Since(opened) >= 30*time.Second {
					state, successes = resilience.HalfOpen, 0
				}
				if got := b.State(); got != state {
					rt.Fatalf("state = %v, want %v", got, state)
				}
				permit, err := b.Allow()
				if (err != nil) != (state == resilience.Open) {
					rt.Fatalf("Allow = %v while %v", err, state)
				}
				outcome := resilience.Outcome(rapid.SampledFrom([]int{0, 1, 1, 1, 2}).Draw(rt, "outcome"))
				permit.Done(outcome)
				switch {
				case state == resilience.Closed && outcome == resilience.Failure:
					if failures++; failures == 5 {
						state, failures, opened = resilience.Open, 0, time.Now()
					}
				case state == resilience.Closed && outcome == resilience.Success:
					failures = 0
				case state == resilience.HalfOpen && outcome == resilience.Failure:
					state, opened = resilience.Open, time.Now()
				case state == resilience.HalfOpen && outcome == resilience.Success:
					if successes++; successes == 3 {
						state = resilience.Closed
					}
				}
			}
		})
	})
}

// A retry waits until the breaker lets probes through, and no longer.
func TestRetryWaitsForTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBreaker(resilience.BreakerConfig{Name: "x"})
		trip(t, b)
		time.Sleep(10 * time.Second)
		start, calls := time.Now(), 0
		_, err := resilience.Do(t.Context(), resilience.RetryPolicy(), func(ctx context.Context) (int, error) {
			return resilience.WithBreaker(ctx, b, func(context.Context) (int, error) { calls++; return 1, nil })
		})
		if err != nil || calls != 1 || time.Since(start) != 20*time.Second {
			t.Errorf("%d calls after %v: %v", calls, time.Since(start), err)
		}
	})
}

// Example nests what the package has, from the outside in.
func Example() {
	breaker := resilience.NewBreaker(resilience.BreakerConfig{Name: "user-service"})
	policy := resilience.RetryPolicy()
	policy.Backoff = resilience.Backoff{} // an example does not wait
	budget := resilience.NewBudget(10, 0.1)
	policy.Budget = budget

	profile := func(context.Context) (string, error) { return "", context.DeadlineExceeded }
	protected := func(ctx context.Context) (string, error) { return resilience.WithBreaker(ctx, breaker, profile) }
	retried := func(ctx context.Context) (string, error) { return resilience.Do(ctx, policy, protected) }
	name, err := resilience.WithFallback(context.Background(), retried,
		func(_ context.Context, e *resilience.RetryError) (string, error) {
			return fmt.Sprintf("Unknown, after %d tries", len(e.Tries)), nil
		})
	fmt.Println(name, err, breaker.State())
	// Output: Unknown, after 4 tries <nil> closed
}

func ExampleBreaker() {
	b := resilience.NewBreaker(resilience.BreakerConfig{Name: "user-service"})
	for range 5 {
		permit, err := b.Allow()
		if err != nil {
			panic(err)
		}
		permit.Done(resilience.Failure)
	}
	_, err := b.Allow()
	fmt.Println(b.State(), errors.Is(err, resilience.ErrOpen))
	// Output: open true
}

func ExampleWithBreaker() {
	b := resilience.NewBreaker(resilience.BreakerConfig{Name: "user-service"})
	name, err := resilience.WithBreaker(context.Background(), b, func(context.Context) (string, error) { return "ada", nil })
	fmt.Println(name, err)
	// Output: ada <nil>
}

func ExampleBudget() {
	b := resilience.NewBudget(10, 0.1)
	for range 5 {
		b.Failure()
	}
	fmt.Println(b.Allows())
	// Output: false
}
