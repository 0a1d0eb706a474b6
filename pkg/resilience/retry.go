package resilience

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/suokelife/suokectl/pkg/spec"
)

// ByBackoff is the delay with which a judge leaves the wait to the policy.
const ByBackoff time.Duration = -1

// Why [Do] stopped before the tries were used up; see [RetryError.Stopped].
var (
	// ErrFinal says that the error is one that a further try cannot mend.
	ErrFinal = errors.New("not worth a retry")
	// ErrNoBudget says that the retry budget is spent.
	ErrNoBudget = errors.New("the retry budget is spent")
	// ErrNoTime says that the context would end before the next try.
	ErrNoTime = errors.New("no time left for another try")
)

// Policy says what [Do] repeats, how often, and how long it waits.
type Policy struct {
	// Tries is the number of tries in all, the first included; below 1 it is 1.
	Tries int
	// Backoff gives the waits.
	Backoff Backoff
	// Judge says whether a failed try is worth another one, and after which
	// delay: [ByBackoff], or one that the error itself asks for. With no Judge
	// every error is.
	Judge func(error) (retry bool, delay time.Duration)
	// Budget bounds retries over many calls. The default is no bound.
	Budget *Budget
	// OnRetry is told of each failed try that is followed by another one,
	// before the wait. It runs on the caller's goroutine.
	OnRetry func(Try)
}

// RetryPolicy returns the specification's policy for any function (E2): three
// retries, so four tries, of errors that are temporary, of connections or of
// time, with the waits of [RetryBackoff] unless the error asks for another one.
func RetryPolicy() Policy {
	return Policy{
		Tries:   1 + spec.Retries,
		Backoff: RetryBackoff(),
		Judge:   When(IsTemporary, IsConnection, IsTimeout),
	}
}

// Try is one failed try.
type Try struct {
	// Number counts from 1.
	Number int
	// Err is what the function returned.
	Err error
	// Duration is how long the try took.
	Duration time.Duration
	// Wait is the time until the next try; 0 after the last one. Of a wait that
	// the context cut short it is what was planned.
	Wait time.Duration
}

// RetryError is the error of [Do]: all tries, the last of which it unwraps to.
type RetryError struct {
	Tries []Try
	// Stopped is nil when the tries were used up, otherwise [ErrFinal],
	// [ErrNoBudget], [ErrNoTime] or the context's cause.
	Stopped error
}

// Last returns the last try.
func (e *RetryError) Last() Try { return e.Tries[len(e.Tries)-1] }

func (e *RetryError) Error() string {
	last := e.Last()
	switch {
	case e.Stopped == nil && last.Number > 1:
		return fmt.Sprintf("failed after %d tries: %v", last.Number, last.Err)
	case e.Stopped == nil || errors.Is(e.Stopped, ErrFinal) && last.Number == 1:
		return last.Err.Error()
	case last.Number == 1:
		return fmt.Sprintf("failed after 1 try (%v): %v", e.Stopped, last.Err)
	default:
		return fmt.Sprintf("failed after %d tries (%v): %v", last.Number, e.Stopped, last.Err)
	}
}

// Unwrap returns the error of the last try.
func (e *RetryError) Unwrap() error { return e.Last().Err }

// Do calls f until it succeeds or is not to be called again; it is called at
// least once. Its error is a [*RetryError]. The context's end stops a wait at once, and a wait that would
// outlast the context's deadline is not begun. f is responsible for its own
// time limit. Do starts no goroutine.
func Do[T any](ctx context.Context, p Policy, f func(context.Context) (T, error)) (T, error) {
	var tries []Try
	for {
		start := time.Now()
		value, err := f(ctx)
		if err == nil {
			p.Budget.Success()
			return value, nil
		}
		try := Try{Number: len(tries) + 1, Err: err, Duration: time.Since(start)}
		wait, stopped, again := p.next(ctx, try)
		if again {
			try.Wait = wait
			p.announce(try)
			stopped = sleep(ctx, wait)
		}
		tries = append(tries, try)
		if !again || stopped != nil {
			return value, &RetryError{Tries: tries, Stopped: stopped}
		}
	}
}

// next decides what follows a failed try.
func (p Policy) next(ctx context.Context, try Try) (wait time.Duration, stopped error, again bool) {
	retry, delay := p.judge(try.Err)
	if retry {
		p.Budget.Failure()
	}
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx), false
	case !retry:
		return 0, ErrFinal, false
	case try.Number >= p.Tries:
		return 0, nil, false
	case !p.Budget.Allows():
		return 0, ErrNoBudget, false
	}
	if delay < 0 {
		delay = p.Backoff.Wait(try.Number)
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay {
		return 0, ErrNoTime, false
	}
	return delay, nil, true
}

func (p Policy) judge(err error) (bool, time.Duration) {
	if p.Judge == nil {
		return true, ByBackoff
	}
	return p.Judge(err)
}

func (p Policy) announce(try Try) {
	if p.OnRetry != nil {
		p.OnRetry(try)
	}
}

// sleep waits for d, or returns the cause of the context's earlier end.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
