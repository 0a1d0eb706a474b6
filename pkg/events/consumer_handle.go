package events

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"

	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/spec"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

// ErrDuplicate is returned by a handler that finds an event already handled: it
// is passed, and counted among the duplicates.
var ErrDuplicate = errors.New("the event was handled before")

// PanicError is a panic of a handler, a decoder or a hook.
type PanicError struct {
	What  string // "the handler" and the like
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("%s panicked: %v", e.What, e.Value) }

// work takes the first record of one line after another a try further, until
// the queue is stopped.
func (c *Consumer) work() {
	for l := c.queue.next(nil, outcome{}); l != nil; {
		l = c.queue.next(l, c.try(l.assignment, l.head))
	}
}

// try handles, skips or dead-letters an event, or says that it is to be tried
// again.
func (c *Consumer) try(a *assignment, t *task) outcome {
	d, err := c.read(a, t.record)
	switch {
	case errors.Is(err, ErrNotValidated):
		t.unread++
		return outcome{verdict: retried, wait: c.opts.backoff.Wait(t.unread)}
	case err != nil:
		return c.deadLetter(a, t, d, err)
	}
	handler, known := c.opts.handlers[d.Meta.Type]
	switch {
	case !known && c.opts.unknown == DeadLetterUnknown:
		return c.deadLetter(a, t, d, fmt.Errorf("no handler for the type %q", d.Meta.Type))
	case !known:
		return outcome{verdict: skipped}
	case c.opts.window.has(d.Meta.ID):
		return outcome{verdict: duplicate}
	}
	t.attempts++
	d.Attempt = t.attempts
	return c.weigh(a, t, d, guard("the handler", func() error { return handler(eventContext(a.ctx, d), d) }))
}

// read makes of a record what a handler is given.
func (c *Consumer) read(a *assignment, r *kgo.Record) (d Delivery, err error) {
	d = Delivery{Group: c.group, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Headers: r.Headers}
	text := r.Value
	if c.opts.decode != nil {
		err = guard("the decoder", func() (err error) { text, err = c.opts.decode(a.ctx, r.Topic, text); return err })
		if err != nil {
			return d, err
		}
	}
	conventions := c.client.cfg.Conventions
	if d.Event, err = conventions.ParseEvent(text); err != nil {
		return d, err
	}
	if !utf8.Valid(text) {
		return d, notUTF8(text)
	}
	return d, conventions.CheckTopic(d.Event, a.promised)
}

// weigh decides what follows a call of a handler.
func (c *Consumer) weigh(a *assignment, t *task, d Delivery, failure error) outcome {
	switch {
	case failure == nil:
		c.opts.window.add(d.Meta.ID)
		return outcome{verdict: handled}
	case errors.Is(failure, ErrDuplicate):
		return outcome{verdict: duplicate}
	case a.ctx.Err() != nil:
		return outcome{verdict: dropped}
	}
	wait, ok := c.retry(t.attempts, failure)
	if !ok {
		return c.deadLetter(a, t, d, failure)
	}
	return outcome{verdict: retried, wait: wait}
}

// retry says whether an event is tried again, and after which wait.
func (c *Consumer) retry(attempts int, failure error) (wait time.Duration, ok bool) {
	service, says := errors.AsType[*resilience.ServiceError](failure)
	switch {
	case attempts > c.opts.retries, says && !service.Retry:
		return 0, false
	case says && service.Timeout > 0:
		return service.Timeout, true
	}
	return c.opts.backoff.Wait(attempts), true
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

// guard turns a panic into an error: one bad event must not take the service
// down again and again.
func guard(what string, call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{What: what, Value: p, Stack: debug.Stack()}
		}
	}()
	return call()
}
