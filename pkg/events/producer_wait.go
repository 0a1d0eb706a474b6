package events

import (
	"context"
	"time"
)

// waiting are the records whose callers wait, the oldest first: all wait
// equally long, so that one timer serves them all.
type waiting struct {
	first, last *sending
	n           int
}

// waits is a record's place among those that wait.
type waits struct {
	earlier, later *sending
	in             bool
}

func (w *waiting) add(s *sending) {
	s.waits = waits{earlier: w.last, in: true}
	if w.last == nil {
		w.first = s
	} else {
		w.last.later = s
	}
	w.last = s
	w.n++
}

// remove takes a record out, if it is in.
func (w *waiting) remove(s *sending) {
	if !s.in {
		return
	}
	if s.earlier == nil {
		w.first = s.later
	} else {
		s.earlier.later = s.later
	}
	if s.later == nil {
		w.last = s.earlier
	} else {
		s.later.earlier = s.earlier
	}
	s.waits = waits{}
	w.n--
}

// await begins the wait for a record, which is since now.
func (x *sender) await(s *sending) {
	x.waiting.add(s)
	if x.waiting.n == 1 {
		x.timer.Reset(x.p.opts.AckTimeout)
	}
}

// giveUp ends the wait for a record, or for its dead letter.
func (x *sender) giveUp(ctx context.Context, s *sending) {
	x.locked(func() {
		for s != nil && s.follows != nil {
			s = s.follows
		}
		if s != nil && s.in {
			x.giveUpWaiting(s, context.Cause(ctx))
		}
	})
}

func (x *sender) giveUpWaiting(s *sending, reason error) {
	waited := x.p.opts.AckTimeout
	if reason != nil {
		waited = time.Since(s.since)
	}
	x.waiting.remove(s)
	x.spool(s, &UnknownOutcomeError{Topic: s.wire.Topic, Waited: waited, Err: reason})
}

// expire gives up on those that have waited long enough.
func (x *sender) expire() {
	x.locked(func() {
		for s := x.waiting.first; s != nil; s = x.waiting.first {
			if left := x.p.opts.AckTimeout - time.Since(s.since); left > 0 {
				x.timer.Reset(left)
				return
			}
			x.giveUpWaiting(s, nil)
		}
	})
}

// expireAll gives up on all, and says on how many.
func (x *sender) expireAll(reason error) (n int) {
	x.locked(func() {
		for s := x.waiting.first; s != nil; s = x.waiting.first {
			x.giveUpWaiting(s, reason)
			n++
		}
	})
	return n
}

// busy reports that some caller still waits.
func (x *sender) busy() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.waiting.n+len(x.queue)+x.writing > 0
}
