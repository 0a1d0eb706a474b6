package events

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// maxHandlerBackoff bounds the wait between two tries of a handler. It is
// short, since the group waits with its rebalances meanwhile.
const maxHandlerBackoff = 2 * time.Second

// handle brings one record to its end: handled, skipped or dead-lettered. An
// error means that it must not be passed.
func (c *Consumer) handle(ctx context.Context, r *kgo.Record) error {
	d := Delivery{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Headers: r.Headers, Attempt: 1}
	var err error
	if d.Event, err = c.client.cfg.Conventions.ParseEvent(r.Value); err != nil {
		return c.deadLetter(ctx, d, r, err)
	}
	handler, ok := c.opts.Handlers[d.Meta.Type]
	if !ok {
		c.tally.skipped.Add(1)
		return nil
	}
	err = c.try(ctx, handler, &d)
	switch {
	case err == nil:
		c.tally.handled.Add(1)
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return c.deadLetter(ctx, d, r, err)
}

// try calls the handler until it succeeds, its retries are used up or ctx ends.
func (c *Consumer) try(ctx context.Context, handler Handler, d *Delivery) error {
	for backoff := c.opts.Backoff; ; backoff = min(2*backoff, maxHandlerBackoff) {
		err := call(ctx, handler, *d)
		if err == nil || d.Attempt > c.opts.Retries || !pause(ctx, backoff) {
			return err
		}
		d.Attempt++
		c.tally.retried.Add(1)
	}
}

// call turns a panic of the handler into an error: one bad event must not take
// the service down again and again.
func call(ctx context.Context, handler Handler, d Delivery) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the handler panicked: %v", p)
		}
	}()
	return handler(ctx, d)
}

// pause waits and reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// isStaleMember reports that a commit came from a member that the group does
// not know any more.
func isStaleMember(err error) bool {
	return errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.IllegalGeneration) ||
		errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.StaleMemberEpoch) ||
		errors.Is(err, kerr.FencedMemberEpoch) || errors.Is(err, kerr.FencedInstanceID)
}

// doneRecords gathers the last record that is done in each partition.
type doneRecords struct {
	mu      sync.Mutex
	records []*kgo.Record
}

func (d *doneRecords) add(r *kgo.Record) {
	if r == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records = append(d.records, r)
}

// tally is Stats while it counts.
type tally struct{ handled, retried, skipped, deadLettered atomic.Int64 }

func (t *tally) stats() Stats {
	return Stats{Handled: t.handled.Load(), Retried: t.retried.Load(), Skipped: t.skipped.Load(), DeadLettered: t.deadLettered.Load()}
}
