package resilience_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/resilience"
)

var errDown = errors.New("down")

// failing returns a function that fails n times and then succeeds.
func failing(n int) (func(context.Context) (string, error), *int) {
	calls := 0
	return func(context.Context) (string, error) {
		calls++
		if calls <= n {
			return "", errDown
		}
		return "up", nil
	}, &calls
}

func callPolicy() resilience.Policy {
	b := resilience.CallBackoff()
	b.Jitter = 0
	return resilience.Policy{Tries: 3, Backoff: b}
}

func TestDoWaitsAsTheSpecificationSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, calls := failing(2)
		start := time.Now()
		got, err := resilience.Do(t.Context(), callPolicy(), f)
		if err != nil || got != "up" || *calls != 3 {
			t.Fatalf("Do = %q, %v after %d calls", got, err, *calls)
		}
		if waited := time.Since(start); waited != 6*time.Second {
			t.Errorf("waited %v, want 2s + 4s", waited)
		}
	})
}

func TestDoListsTheTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := failing(99)
		var announced []time.Duration
		p := callPolicy()
		p.OnRetry = func(try resilience.Try) { announced = append(announced, try.Wait) }
		_, err := resilience.Do(t.Context(), p, f)
		var retry *resilience.RetryError
		if !errors.As(err, &retry) || !errors.Is(err, errDown) {
			t.Fatalf("err = %v, want a RetryError around %v", err, errDown)
		}
		if len(retry.Tries) != 3 || retry.Stopped != nil || retry.Last().Wait != 0 {
			t.Errorf("tries = %+v, stopped = %v", retry.Tries, retry.Stopped)
		}
		if want := "failed after 3 tries: down"; err.Error() != want {
			t.Errorf("error = %q, want %q", err, want)
		}
		if fmt.Sprint(announced) != "[2s 4s]" {
			t.Errorf("announced waits %v", announced)
		}
	})
}

func TestDoStops(t *testing.T) {
	spent := resilience.NewBudget(10, 0.1)
	for range 5 {
		spent.Failure()
	}
	never := func(error) (bool, time.Duration) { return false, 0 }
	pushback := func(error) (bool, time.Duration) { return true, 7 * time.Second }
	for _, c := range []struct {
		name    string
		change  func(*resilience.Policy)
		timeout time.Duration
		calls   int
		took    time.Duration
		stopped error
	}{
		{"on a final error", func(p *resilience.Policy) { p.Judge = never }, 0, 1, 0, resilience.ErrFinal},
		{"when the budget is spent", func(p *resilience.Policy) { p.Budget = spent }, 0, 1, 0, resilience.ErrNoBudget},
		{"before a wait that outlasts the deadline", nil, 5 * time.Second, 2, 2 * time.Second, resilience.ErrNoTime},
		{"after one try when none are asked for", func(p *resilience.Policy) { p.Tries = 0 }, 0, 1, 0, nil},
		{"after the waits the errors ask for", func(p *resilience.Policy) { p.Judge = pushback }, 0, 3, 14 * time.Second, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if c.timeout > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.timeout)
					defer cancel()
				}
				p := callPolicy()
				if c.change != nil {
					c.change(&p)
				}
				f, calls := failing(99)
				start := time.Now()
				_, err := resilience.Do(ctx, p, f)
				var retry *resilience.RetryError
				if !errors.As(err, &retry) || !errors.Is(retry.Stopped, c.stopped) {
					t.Errorf("err = %v, want it stopped by %v", err, c.stopped)
				}
				if *calls != c.calls || time.Since(start) != c.took {
					t.Errorf("%d calls in %v, want %d in %v", *calls, time.Since(start), c.calls, c.took)
				}
			})
		})
	}
}

func TestContextEndsAWaitAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		interrupted := errors.New("interrupted")
		time.AfterFunc(time.Second, func() { cancel(interrupted) })
		start := time.Now()
		f, calls := failing(99)
		_, err := resilience.Do(ctx, callPolicy(), f)
		var retry *resilience.RetryError
		if !errors.As(err, &retry) || !errors.Is(retry.Stopped, interrupted) || *calls != 1 {
			t.Errorf("err = %v after %d calls", err, *calls)
		}
		if time.Since(start) != time.Second {
			t.Errorf("stopped after %v, want 1s", time.Since(start))
		}
	})
}

func TestBudgetRefills(t *testing.T) {
	b := resilience.NewBudget(4, 0.5)
	b.Failure()
	b.Failure()
	if b.Allows() {
		t.Error("allows a retry at half")
	}
	b.Success()
	if !b.Allows() {
		t.Error("refuses a retry above half")
	}
}

func TestBackoffStaysWithinItsJitter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5000).Draw(t, "n")
		b := resilience.CallBackoff()
		plain := min(2*time.Second<<min(n-1, 10), b.Max*10/12)
		wait := b.Wait(n)
		if low, high := plain*8/10, plain*12/10; wait < low-1 || wait > high+1 || wait > b.Max {
			t.Fatalf("Wait(%d) = %v, want within %v and %v", n, wait, low, high)
		}
	})
}

func ExampleDo() {
	calls := 0
	answer, err := resilience.Do(context.Background(), resilience.Policy{Tries: 3},
		func(context.Context) (string, error) {
			calls++
			if calls < 3 {
				return "", errors.New("not yet")
			}
			return "ready", nil
		})
	fmt.Println(answer, err, calls)
	// Output: ready <nil> 3
}

func ExampleBackoff() {
	backoff := resilience.Backoff{First: time.Second, Factor: 2, Max: 5 * time.Second}
	for try := range 4 {
		fmt.Println(backoff.Wait(try + 1))
	}
	// Output:
	// 1s
	// 2s
	// 4s
	// 5s
}
