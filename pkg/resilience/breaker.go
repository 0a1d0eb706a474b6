package resilience

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/suokelife/suokectl/pkg/spec"
)

// State is what a [Breaker] does with calls.
type State int

// The states of a breaker.
const (
	Closed   State = iota // calls pass
	HalfOpen              // a few probes pass
	Open                  // no call passes
)

func (s State) String() string { return [...]string{"closed", "half_open", "open"}[s] }

// Outcome is how a call ended, as far as a [Breaker] cares.
type Outcome int

// The outcomes of a call.
const (
	Success Outcome = iota // the service answered, if only with a refusal
	Failure                // it did not
	Ignored                // nothing was learnt: not sent, or given up by the caller
)

// ErrOpen is wrapped by every [*OpenError].
var ErrOpen = errors.New("the circuit breaker is open")

// OpenError says that a [Breaker] let a call not pass. It wraps [ErrOpen] and an
// [UnavailableError] that asks to wait until probes are let through; so retries
// take it for what it is.
type OpenError struct {
	Breaker string
	// RecoveryTimeLeft is when to ask again; 0 when probes are under way.
	RecoveryTimeLeft time.Duration
}

func (e *OpenError) Error() string {
	if e.RecoveryTimeLeft == 0 {
		return fmt.Sprintf("circuit breaker %q is half open and its probes are under way", e.Breaker)
	}
	return fmt.Sprintf("circuit breaker %q is open for another %s", e.Breaker, e.RecoveryTimeLeft.Round(time.Millisecond))
}

// Unwrap returns [ErrOpen] and an [*UnavailableError].
func (e *OpenError) Unwrap() []error {
	service := NewUnavailable(e.Breaker, map[string]any{"recovery_time": e.RecoveryTimeLeft.Seconds()})
	service.Timeout = e.RecoveryTimeLeft
	return []error{ErrOpen, service}
}

// BreakerConfig says when a [Breaker] opens and closes. The zero value is the
// specification's (B1).
type BreakerConfig struct {
	// Name is what errors and the hook call it, such as an instance's address.
	Name string
	// Failures in a row open it. The default is 5.
	Failures int
	// OpenFor is how long it stays open. The default is 30 s.
	OpenFor time.Duration
	// Probes is how many calls pass while it is half open, and how many of them
	// must succeed to close it; the first failure opens it. The default is 3.
	Probes int
	// OnChange is told of each change of state, in order, one at a time, on the
	// goroutine of a caller. It may call the breaker.
	OnChange func(name string, from, to State)
}

// Breaker refuses calls to what has failed several times in a row. Results of
// calls that began in an earlier state are ignored. It is safe for concurrent
// use; make one for each thing that fails by itself, such as an instance.
type Breaker struct {
	name     string
	openFor  time.Duration
	onChange func(name string, from, to State)
	inner    *gobreaker.TwoStepCircuitBreaker[struct{}]

	mu         sync.Mutex
	openedAt   time.Time
	changes    []change // not yet told of
	delivering bool
}

type change struct{ from, to State }

// These stand for outcomes inside, where gobreaker wants errors.
var (
	errFailed  = errors.New("failed")
	errIgnored = errors.New("ignored")
)

// NewBreaker returns a closed breaker.
func NewBreaker(c BreakerConfig) *Breaker {
	failures := uint32(cmp.Or(max(c.Failures, 0), spec.BreakerFailures))
	b := &Breaker{name: c.Name, openFor: cmp.Or(max(c.OpenFor, 0), spec.BreakerOpen), onChange: c.OnChange}
	b.inner = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:        c.Name,
		MaxRequests: uint32(cmp.Or(max(c.Probes, 0), spec.BreakerProbes)),
		// gobreaker lets probes through after this time, we when it is over.
		Timeout:       b.openFor - 1,
		ReadyToTrip:   func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= failures },
		IsExcluded:    func(err error) bool { return err == errIgnored }, //nolint:errorlint // our own, never wrapped
		OnStateChange: b.changed,
	})
	return b
}

// Permit is the leave to make one call. Its Done must be called, once: without
// it a half-open breaker waits for the probe for ever, so give probes a deadline.
type Permit struct {
	breaker *Breaker
	done    func(error)
}

// Allow asks whether a call may be made now. The error is an [*OpenError].
func (b *Breaker) Allow() (Permit, error) {
	done, err := b.inner.Allow()
	b.deliver()
	if err != nil {
		return Permit{}, &OpenError{Breaker: b.name, RecoveryTimeLeft: b.RecoveryTimeLeft()}
	}
	return Permit{breaker: b, done: done}, nil
}

// Done tells the breaker how the call ended. That of a zero Permit does nothing.
func (p Permit) Done(outcome Outcome) {
	if p.done == nil {
		return
	}
	switch outcome {
	case Success:
		p.done(nil)
	case Ignored:
		p.done(errIgnored)
	default:
		p.done(errFailed)
	}
	p.breaker.deliver()
}

// State returns the present state.
func (b *Breaker) State() State {
	defer b.deliver()
	return stateOf(b.inner.State())
}

// RecoveryTimeLeft returns how long no call passes; 0 when it is not open.
func (b *Breaker) RecoveryTimeLeft() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.openedAt.IsZero() {
		return 0
	}
	return max(b.openFor-time.Since(b.openedAt), 0)
}

func stateOf(s gobreaker.State) State {
	switch s {
	case gobreaker.StateOpen:
		return Open
	case gobreaker.StateHalfOpen:
		return HalfOpen
	default:
		return Closed
	}
}

// changed notes a change. gobreaker calls it while it holds its own lock, so
// nobody is told from here.
func (b *Breaker) changed(_ string, from, to gobreaker.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.openedAt = time.Time{}
	if to == gobreaker.StateOpen {
		b.openedAt = time.Now()
	}
	if b.onChange != nil {
		b.changes = append(b.changes, change{stateOf(from), stateOf(to)})
	}
}

// deliver tells the hook what it has not been told. Of several callers one does
// it, so that changes are told in order.
func (b *Breaker) deliver() {
	if b.onChange == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.delivering {
		return
	}
	b.delivering = true
	defer func() { b.delivering = false }()
	for len(b.changes) > 0 {
		next := b.changes[0]
		b.changes = b.changes[1:]
		b.tell(next)
	}
}

// tell calls the hook without the lock, and takes it again even after a panic.
func (b *Breaker) tell(c change) {
	b.mu.Unlock()
	defer b.mu.Lock()
	b.onChange(b.name, c.from, c.to)
}

// WithBreaker calls f when b lets it pass, and returns an [*OpenError]
// otherwise. Its result counts by [OutcomeOf]; a panic is a failure.
func WithBreaker[T any](ctx context.Context, b *Breaker, f func(context.Context) (T, error)) (value T, err error) {
	permit, err := b.Allow()
	if err != nil {
		return value, err
	}
	outcome := Failure
	defer func() { permit.Done(outcome) }()
	value, err = f(ctx)
	outcome = OutcomeOf(err)
	return value, err
}

// OutcomeOf judges by an error alone: none is a success, and so is a
// [ServiceError] that asks for no retry, for the service gave it; a call that
// was cancelled is ignored; everything else is a failure.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return Success
	}
	if errors.Is(err, context.Canceled) {
		return Ignored
	}
	if service, ok := errors.AsType[*ServiceError](err); ok && !service.Retry {
		return Success
	}
	return Failure
}
