package events

import (
	"context"
	"errors"
	"time"

	"github.com/suokelife/suokectl/pkg/spec"
)

// candidate is a record on its way in: valid, or rejected and to become a dead
// letter.
type candidate struct {
	*sending
	rejected *RejectedError
}

// admit makes s a candidate of a record that was checked, unless its outcome is
// known already.
func (p *Producer) admit(ctx context.Context, s *sending, r *Record, v checked, index int, done func(int, Ack, error)) (c candidate, ok bool) {
	err := v.err
	var rejected *RejectedError
	if err == nil && ctx.Err() != nil {
		err = &NotSentError{Topic: r.Topic, Err: context.Cause(ctx)}
	}
	if err != nil {
		if rejected = p.rejectedForLetter(err); rejected == nil {
			done(index, Ack{}, err)
			return c, false
		}
	}
	s.take(r)
	if err == nil {
		s.wire.Value = v.value
	}
	s.index, s.done = index, done
	return candidate{s, rejected}, true
}

// rejectedForLetter returns what the check said if it is to be dead-lettered. A
// topic that is not named by the conventions has no dead-letter topic.
func (p *Producer) rejectedForLetter(err error) *RejectedError {
	var rejected *RejectedError
	var name *spec.TopicError
	if p.opts.DeadLetter < DeadLetterRejected || !errors.As(err, &rejected) || errors.As(err, &name) {
		return nil
	}
	return rejected
}

// send sends candidates in their order. For room in the buffer it waits until
// ctx ends, or for a time that is not 0.
func (p *Producer) send(ctx context.Context, wait time.Duration, all []candidate) {
	for len(all) > 0 {
		var at *place
		p.locked(func() { all, at = p.beginWhatFits(all) })
		if at == nil {
			return
		}
		full := p.awaitRoom(ctx, wait, at)
		first := all[0]
		if full == nil {
			first.weight, first.since = at.weight, time.Now()
		}
		p.locked(func() { p.begin(first, full) })
		all = all[1:]
	}
}

// beginWhatFits returns what does not fit, and the place in the queue of the
// first of it.
func (p *Producer) beginWhatFits(all []candidate) ([]candidate, *place) {
	now := time.Now() // asking for each would cost more than the rest
	for i, c := range all {
		c.since = now
		weight := p.buffer.weight(&c.wire)
		if at := p.buffer.take(weight); at != nil {
			return all[i:], at
		}
		c.weight = weight
		p.begin(c, nil)
	}
	return nil, nil
}

// begin sends a record that is valid, or the dead letter of one that was
// rejected. Full is why there is no room for it in the buffer.
func (p *Producer) begin(c candidate, full error) {
	s, rejected := c.sending, c.rejected
	if p.closed {
		full = errProducerClosed
	}
	switch {
	case rejected != nil && full != nil:
		p.report(s, Ack{}, kept(rejected, "", full))
	case rejected != nil:
		p.deadLetter(s, rejected)
	case p.closed:
		p.report(s, Ack{}, &NotSentError{Topic: s.wire.Topic, Err: full})
	case full != nil:
		p.enter(s)
		p.spool(s, &NotSentError{Topic: s.wire.Topic, Err: full})
	default:
		p.launch(s)
	}
}
