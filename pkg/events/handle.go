package events

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/spec"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

// work brings a task one try further. It is another member's, or nobody's, when
// its partition was let go of.
func (c *Consumer) work(t *task) (wait time.Duration, again bool) {
	if !t.assignment.begin() {
		return 0, false
	}
	wait, again, err := c.handle(t)
	if err != nil && t.assignment.ctx.Err() == nil {
		c.stopWith(err)
	}
	if t.assignment.end(t, err == nil && !again) {
		c.kafka.ResumeFetchPartitions(t.assignment.name())
	}
	return wait, again && err == nil
}

// handle handles, skips or dead-letters an event, or says that it is to be
// tried again. An error means that it must not be passed.
func (c *Consumer) handle(t *task) (wait time.Duration, again bool, err error) {
	ctx := t.assignment.ctx
	if t.delivery.Attempt == 0 {
		if done, err := c.receive(ctx, t); done || err != nil {
			return 0, false, err
		}
	}
	t.delivery.Attempt++
	failure := call(eventContext(ctx, t.delivery), t.handler, t.delivery)
	switch {
	case failure == nil:
		c.opts.window.add(t.delivery.Meta.ID)
		c.tally.handled.Add(1)
		return 0, false, nil
	case ctx.Err() != nil:
		return 0, false, context.Cause(ctx)
	case t.delivery.Attempt > c.opts.retries || isPermanent(failure):
		return 0, false, c.deadLetter(ctx, t, failure)
	}
	c.tally.retried.Add(1)
	return c.opts.backoff.Wait(t.delivery.Attempt), true, nil
}

// receive reads the event and finds its handler, and reports whether there is
// nothing more to do.
func (c *Consumer) receive(ctx context.Context, t *task) (done bool, err error) {
	r := t.record
	t.delivery = Delivery{Group: c.group, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Headers: r.Headers}
	event, err := c.client.cfg.Conventions.ParseEvent(r.Value)
	if err != nil {
		return true, c.deadLetter(ctx, t, err)
	}
	t.delivery.Event = event
	handler, known := c.opts.handlers[event.Meta.Type]
	switch {
	case !known && c.opts.unknown == DeadLetterUnknown:
		return true, c.deadLetter(ctx, t, fmt.Errorf("no handler for the type %q", event.Meta.Type))
	case !known:
		c.tally.skipped.Add(1)
		return true, nil
	case c.opts.window.has(event.Meta.ID):
		c.tally.duplicates.Add(1)
		return true, nil
	}
	t.handler = handler
	return false, nil
}

// isPermanent reports that another try would end the same.
func isPermanent(err error) bool {
	var permanent *resilience.PermanentError
	return errors.As(err, &permanent)
}

// eventContext continues the event's trace and request.
func eventContext(ctx context.Context, d Delivery) context.Context {
	if len(d.Headers) == 0 {
		return ctx
	}
	get := func(name string) string {
		for _, h := range d.Headers {
			if h.Key == name {
				return string(h.Value)
			}
		}
		return ""
	}
	if id := get(spec.HeaderRequestID); telemetry.ValidRequestID(id) {
		ctx = telemetry.WithRequestID(ctx, id)
	}
	if span := telemetry.ParseTrace(get); span.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, span)
	}
	return ctx
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

// tally is Stats while it counts.
type tally struct {
	handled, retried, skipped, duplicates, deadLettered, rebalances atomic.Int64
}

// Stats returns what has been done so far, and what there is to do. It may be
// called at any time.
func (c *Consumer) Stats() Stats {
	t := &c.tally
	s := Stats{
		Handled: t.handled.Load(), Retried: t.retried.Load(), Skipped: t.skipped.Load(), Duplicates: t.duplicates.Load(),
		DeadLettered: t.deadLettered.Load(), Rebalances: t.rebalances.Load(),
	}
	for _, a := range c.all() {
		open, lag := a.load()
		s.InFlight += int64(open)
		s.Lag += lag
	}
	return s
}

// report tells the numbers to whom it may concern.
func (c *Consumer) report() {
	if c.opts.observe != nil {
		c.opts.observe(c.Stats())
	}
}
