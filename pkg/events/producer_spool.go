package events

import (
	"errors"

	"github.com/suokelife/suokectl/pkg/events/spool"
	"github.com/suokelife/suokectl/pkg/spec"
)

// Changes of an event in the spool.
const (
	SpoolKept         = "kept"          // it was written into the spool
	SpoolStored       = "stored"        // it was acknowledged, and left the spool
	SpoolDeadLettered = "dead-lettered" // it was refused, and its dead letter took its place or is stored
	SpoolPostponed    = "postponed"     // it could not be sent, and stays
)

// SpoolChange is what became of an event in the spool.
type SpoolChange struct {
	Change string
	Topic  string
	// Ack is where it is stored, or its dead letter; nil when it is not.
	Ack *Ack
	// Repeated says that it was sent before, so that it may be stored twice.
	Repeated bool
	// Err is why it was kept, refused or postponed.
	Err error
}

// load takes up what an earlier owner of the spool left there.
func (p *Producer) load() {
	for _, info := range p.opts.Spool.List() {
		p.last = max(p.last, info.ID)
		s := &sending{order: info.ID, phase: spooled, letter: p.isLetter(info.Topic), drain: &drain{}}
		s.wire.Topic = info.Topic
		s.sentBefore = info.State == spool.MaybeStored
		s.lane = p.laneOf(info.Topic, info.Key)
		s.lane.held = append(s.lane.held, s)
	}
}

func (p *Producer) isLetter(topic string) bool {
	return p.client.cfg.Conventions.ExplainTopic(topic).Kind == spec.TopicDeadLetters
}

// spool puts a record on its way into the spool, after which the outcome is
// reported. Without a spool that is at once.
func (x *sender) spool(s *sending, outcome error) {
	if x.p.opts.Spool == nil {
		x.report(s, Ack{}, outcome)
		return
	}
	if s.drain == nil {
		s.drain = &drain{}
	}
	s.phase, s.outcome = keeping, outcome
	s.lane.hold(s)
	x.queue = append(x.queue, s)
	select {
	case x.queued <- struct{}{}:
	default:
	}
}

func (p *Producer) keepUntilStopped() {
	for {
		select {
		case <-p.stop:
			return
		case <-p.queued:
			p.keep()
		}
	}
}

// keep writes what is on its way into the spool, with one sync for all.
func (p *Producer) keep() {
	p.keepMu.Lock()
	defer p.keepMu.Unlock()
	var queue []*sending
	p.locked(func() {
		queue, p.queue = p.queue, nil
		p.writing = len(queue)
	})
	if len(queue) == 0 {
		return
	}
	kept, err := p.write(queue)
	p.locked(func() {
		p.writing = 0
		for i, s := range queue {
			p.written(s, i < kept, err)
		}
	})
	p.wake()
}

// write returns how many were written: all, or those before the first that
// could not be.
func (p *Producer) write(queue []*sending) (int, error) {
	entries := make([]spool.Entry, 0, len(queue))
	for _, s := range queue {
		entries = append(entries, entryOf(s))
	}
	if err := p.opts.Spool.Append(entries...); err == nil {
		return len(entries), nil
	}
	for i, e := range entries {
		if err := p.opts.Spool.Append(e); err != nil {
			return i, err
		}
	}
	return len(entries), nil
}

func entryOf(s *sending) spool.Entry {
	state := spool.Waiting
	var unknown *UnknownOutcomeError
	if errors.As(s.outcome, &unknown) {
		state = spool.MaybeStored
	}
	r := s.record()
	return spool.Entry{
		ID: s.order, State: state, Since: s.since,
		Topic: r.Topic, Partition: r.Partition, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, Headers: r.Headers,
	}
}

// written goes on with a record that is in the spool now, or could not be
// written, and may have landed meanwhile.
func (p *Producer) written(s *sending, ok bool, err error) {
	landed := s.landing
	s.landing = nil
	if ok {
		s.phase = spooled
		var unknown *UnknownOutcomeError
		s.sentBefore = errors.As(s.outcome, &unknown)
		if landed == nil {
			p.change(s, SpoolChange{Change: SpoolKept, Err: s.outcome})
			p.report(s, Ack{}, kept(s.outcome, p.opts.Spool.Dir(), nil))
			return
		}
	} else {
		s.lane.unhold(s)
		s.phase = live
	}
	if landed != nil {
		landed()
		if s.done != nil && s.phase == spooled {
			p.report(s, Ack{}, kept(s.outcome, p.opts.Spool.Dir(), nil))
		}
	} else {
		p.report(s, Ack{}, kept(s.outcome, "", err))
	}
	p.tidy(s.lane)
}

// drop takes a record out of the spool.
func (p *Producer) drop(s *sending, c SpoolChange) {
	s.phase = over
	s.lane.unhold(s)
	p.tidy(s.lane)
	c.Repeated = s.repeated
	p.change(s, c)
	p.tally(c)
	order := s.order
	p.call(func() {
		_ = p.opts.Spool.Remove(order) // at worst it is sent once more, as maybe stored
		p.wake()
	})
}

func (p *Producer) change(s *sending, c SpoolChange) {
	c.Topic = s.wire.Topic
	p.call(func() { p.opts.OnSpool(c) })
}
