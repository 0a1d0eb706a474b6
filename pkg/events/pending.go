package events

import (
	"container/list"
	"sync"
	"time"
)

// pending holds the records that wait for an acknowledgement, the oldest first.
// All wait equally long, so one timer, on the oldest, serves them all.
type pending struct {
	wait time.Duration

	mu    sync.Mutex
	queue list.List // of *sending
	timer *time.Timer
}

// sending is one record on its way. Exactly one settles it.
type sending struct {
	topic string
	since time.Time
	done  func(Ack, error)
	place *list.Element // nil once settled
}

func newPending(wait time.Duration) *pending {
	p := &pending{wait: wait}
	p.timer = time.AfterFunc(wait, p.expire)
	p.timer.Stop()
	return p
}

func (p *pending) add(topic string, done func(Ack, error)) *sending {
	s := &sending{topic: topic, since: time.Now(), done: done}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.place = p.queue.PushBack(s)
	if p.queue.Len() == 1 {
		p.timer.Reset(p.wait)
	}
	return s
}

// settle reports the outcome of s, unless it was reported before.
func (p *pending) settle(s *sending, ack Ack, err error) {
	if p.take(s) {
		s.done(ack, err)
	}
}

func (p *pending) take(s *sending) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.place == nil {
		return false
	}
	p.queue.Remove(s.place)
	s.place = nil
	return true
}

// expire gives up on those that have waited long enough.
func (p *pending) expire() {
	for _, s := range p.takeOlder(time.Now().Add(-p.wait)) {
		s.done(Ack{}, &UnknownOutcomeError{Topic: s.topic, Waited: p.wait})
	}
}

// drop gives up on all, and says on how many.
func (p *pending) drop(reason error) int {
	left := p.takeOlder(time.Now())
	p.timer.Stop()
	for _, s := range left {
		s.done(Ack{}, &UnknownOutcomeError{Topic: s.topic, Waited: time.Since(s.since), Err: reason})
	}
	return len(left)
}

// takeOlder takes out what was added at the cutoff or before, and sets the
// timer on the oldest that stays.
func (p *pending) takeOlder(cutoff time.Time) []*sending {
	p.mu.Lock()
	defer p.mu.Unlock()
	var taken []*sending
	for front := p.queue.Front(); front != nil; front = p.queue.Front() {
		s := front.Value.(*sending)
		if s.since.After(cutoff) {
			p.timer.Reset(time.Until(s.since.Add(p.wait)))
			break
		}
		p.queue.Remove(front)
		s.place = nil
		taken = append(taken, s)
	}
	return taken
}
