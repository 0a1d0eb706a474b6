package discover

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// keeper is the state of one registration that is kept. One goroutine has it.
type keeper struct {
	client  *Client
	r       Registration
	options KeepOptions
	every   time.Duration // between two heartbeats, or two looks whether the agent still knows the instance

	registered bool
	ever       bool // a registration succeeded before
	unanswered bool // one was sent, and its answer no longer awaited: it may have succeeded
	failures   int
	changed    <-chan struct{} // closed when the status is another than was reported
	health     Health          // reported last
	retryIn    time.Duration   // how long a failure is waited after
}

// keeper makes the first attempt. It fails when a later one would fail, too.
func (c *Client) keeper(ctx context.Context, r Registration, o KeepOptions) (*keeper, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if o.Status == nil {
		o.Status = &Status{}
	}
	if o.StopWithin <= 0 {
		o.StopWithin = DefaultStopWithin
	}
	if o.Told == nil {
		o.Told = func(KeepEvent) {}
	}
	k := &keeper{client: c, r: r, options: o, every: DefaultInterval, health: Passing}
	if ttl := r.ttl(); ttl > 0 {
		k.every = ttl / 3
	}
	o.Status.Forget(drainPart)
	err := k.first(ctx)
	switch {
	case refused(err):
		return nil, err
	case err != nil && ctx.Err() == nil:
		k.failed(err)
	}
	return k, nil
}

// first registers for the first time, and tells when the id is taken.
func (k *keeper) first(ctx context.Context) error {
	bounded, cancel := k.bounded(ctx)
	defer cancel()
	err := k.client.Conflict(bounded, k.r)
	var conflict *ConflictError
	switch {
	case errors.As(err, &conflict):
		k.tell(KeepEvent{Kind: KeepConflict, Err: conflict})
	case errors.Is(err, ErrUnreachable):
		return err
	}
	return k.step(ctx)
}

// refused tells whether the error would come again whatever state Consul is in.
func refused(err error) bool {
	var status api.StatusError
	return errors.Is(err, ErrDenied) ||
		errors.As(err, &status) && status.Code >= 400 && status.Code < 500 && status.Code != http.StatusTooManyRequests
}

func (k *keeper) tell(event KeepEvent) {
	event.ID = k.r.ID()
	k.options.Told(event)
}

// failed counts a failure and says when it is tried again: in time for the TTL, whatever the back-off.
func (k *keeper) failed(err error) {
	k.retryIn = min(backoff(k.failures), k.every)
	k.failures++
	k.tell(KeepEvent{Kind: KeepFailed, Err: err, RetryIn: k.retryIn})
}

func (k *keeper) run(ctx context.Context) error {
	for k.wait(ctx) {
		err := k.step(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			k.failed(err)
		case err == nil && k.failures > 0:
			k.failures = 0
			k.tell(KeepEvent{Kind: KeepRecovered})
		}
	}
	return k.leave(context.WithoutCancel(ctx))
}

// wait returns when the next heartbeat is due: at a third of the TTL or a little before, at once when the status
// changes, and after a failure when it is time to try again. It returns false when ctx has ended.
func (k *keeper) wait(ctx context.Context) bool {
	due, changed := k.every-rand.N(k.every/10+1), k.changed //nolint:gosec // no secret is made of it
	if k.failures > 0 {
		due, changed = k.retryIn, nil
	}
	timer := time.NewTimer(due)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// bounded gives one exchange with the agent, or one look at the process, its deadline: what hangs may not use up the TTL.
func (k *keeper) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, max(k.every, time.Second))
}

// step does what is due: a heartbeat, and a registration before it when the agent does not know the instance.
func (k *keeper) step(ctx context.Context) error {
	k.refresh(ctx)
	ctx, cancel := k.bounded(ctx)
	defer cancel()
	health, note, changed := k.options.Status.Watch()
	if k.registered {
		if err := k.beat(ctx, health, note); err != nil || k.registered {
			return k.reported(err, health, note, changed)
		}
	}
	if err := k.client.register(ctx, k.r, health); err != nil {
		k.unanswered = k.unanswered || ctx.Err() != nil
		return err
	}
	k.registered = true
	kind := KeepRegistered
	if k.ever {
		kind = KeepReregistered
	}
	k.ever = true
	k.tell(KeepEvent{Kind: kind})
	return k.reported(k.beat(ctx, health, note), health, note, changed)
}

func (k *keeper) refresh(ctx context.Context) {
	if k.options.Refresh == nil {
		return
	}
	ctx, cancel := k.bounded(ctx)
	defer cancel()
	k.options.Refresh(ctx, k.options.Status)
}

func (k *keeper) reported(err error, health Health, note string, changed <-chan struct{}) error {
	if err != nil {
		return err
	}
	k.changed = changed
	if health != k.health {
		k.health = health
		k.tell(KeepEvent{Kind: KeepReported, Health: health, Note: note})
	}
	return nil
}

// beat reports to every TTL check, or, where there is none, looks whether the agent still knows the instance. When it
// does not, the instance is no longer registered, which is no error.
func (k *keeper) beat(ctx context.Context, health Health, note string) error {
	if k.r.ttl() == 0 {
		service, err := k.client.local(ctx, k.r.ID())
		k.registered = service != nil || err != nil
		return err
	}
	for i, check := range k.r.Checks {
		if check.TTL == 0 {
			continue
		}
		err := k.client.Report(ctx, CheckID(k.r.ID(), i), health, note)
		if forgotten(err) {
			k.registered = false
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forgotten tells whether the agent has no such TTL check: it lost its state, or somebody else registered the instance
// in another way. Older agents answer 500 for both.
func forgotten(err error) bool {
	var status api.StatusError
	return errors.As(err, &status) &&
		(status.Code == http.StatusNotFound || strings.Contains(status.Body, "does not have associated TTL"))
}

// drainPart is the part of the Status that a drain makes critical.
const drainPart = "shutdown"

// leave drains and deregisters. ctx does not end by itself.
func (k *keeper) leave(ctx context.Context) error {
	if k.options.Drain > 0 {
		k.drain(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, k.options.StopWithin)
	defer cancel()
	err := k.client.deregister(ctx, k.r.ID())
	known := k.ever || k.unanswered
	for err != nil && known && !refused(err) {
		if pause(ctx, deregisterEvery); ctx.Err() != nil {
			break
		}
		if again := k.client.deregister(ctx, k.r.ID()); ctx.Err() == nil || again == nil {
			err = again
		}
	}
	switch {
	case err == nil || isNotFound(err):
		k.tell(KeepEvent{Kind: KeepDeregistered})
		return nil
	case !known:
		return nil // nothing is there that could be left behind
	}
	return &LeftBehindError{ID: k.r.ID(), After: k.r.fate(), Err: err}
}

// deregisterEvery is the pause between two attempts to deregister.
const deregisterEvery = 250 * time.Millisecond

// drain has callers leave the instance, and gives them time for it.
func (k *keeper) drain(ctx context.Context) {
	k.options.Status.Set(drainPart, Critical, drainReason)
	bounded, cancel := context.WithTimeout(ctx, k.options.StopWithin)
	defer cancel()
	if err := k.client.Maintain(bounded, k.r.ID(), drainReason); err != nil {
		return // callers do not learn of it; the deregistration will say why
	}
	k.tell(KeepEvent{Kind: KeepDraining})
	pause(ctx, k.options.Drain)
}
