package events

import (
	"container/list"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/spec"
)

// errProducerClosed is why nothing is sent after Close.
var errProducerClosed = errors.New("the producer is closed")

// phase is how far a record has come, as its caller and the spool know it.
type phase int

const (
	live    phase = iota // its caller waits
	keeping              // on its way into the spool; its caller still waits
	spooled              // in the spool; nobody waits
	over                 // settled
)

// sending is one record on its way. Its fields belong to the sender's lock.
type sending struct {
	order   uint64 // its place among all, and its id in the spool
	lane    *lane
	record  Record // empty while it is only in the spool
	since   time.Time
	weight  int64 // what it holds of the buffer
	letter  bool  // it is a dead letter
	done    func(Ack, error)
	phase   phase
	flying  bool          // the Kafka client has it
	place   *list.Element // among those that wait, while live
	follows *sending      // its dead letter, on its way
	outcome error         // to report once it is kept
	landed  func()        // what to do once it is kept, since it landed meanwhile
	drain                 // of those in the spool
}

// lane is the order of one key of a topic: what flies, and what is spooled or
// about to be. What has no key shares one, in which nothing waits for another.
type lane struct {
	name   string
	keyed  bool
	flying int
	held   []*sending // by order
}

// sender is the part of a producer that knows every record on its way.
type sender struct {
	p *Producer

	mu      sync.Mutex
	closed  bool
	last    uint64 // order
	lanes   map[string]*lane
	loose   *lane
	waiting list.List // of *sending, live, the oldest first: all wait equally long
	timer   *time.Timer
	queue   []*sending    // on their way into the spool
	queued  chan struct{} // there is something in it
	calls   []func()      // to be called without the lock
	writing int           // how many are being written into it
	changed chan struct{} // closed when something happened; nil when nobody asked
	keepMu  sync.Mutex    // one writes into the spool at a time
}

func (x *sender) start(p *Producer) {
	x.p, x.lanes, x.loose = p, make(map[string]*lane), &lane{}
	x.queued = make(chan struct{}, 1)
	x.timer = time.AfterFunc(time.Hour, x.expire)
	x.timer.Stop()
}

// locked runs do under the lock, and then what it wants called without it.
func (x *sender) locked(do func()) {
	x.mu.Lock()
	do()
	calls := x.calls
	x.calls = nil
	if x.changed != nil {
		close(x.changed)
		x.changed = nil
	}
	x.mu.Unlock()
	for _, call := range calls {
		call()
	}
}

// watch returns what is closed when something happens.
func (x *sender) watch() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.changed == nil {
		x.changed = make(chan struct{})
	}
	return x.changed
}

func (x *sender) call(f func()) { x.calls = append(x.calls, f) }

// send returns nil when the outcome is known already. A wait of 0 is for ever.
func (p *Producer) send(ctx context.Context, wait time.Duration, r Record, done func(Ack, error)) *sending {
	err := p.checker.check(ctx, r)
	rejected := p.rejectedForLetter(err)
	if err == nil && ctx.Err() != nil {
		err = &NotSentError{Topic: r.Topic, Err: context.Cause(ctx)}
	}
	if err != nil && rejected == nil {
		done(Ack{}, err)
		return nil
	}
	s := &sending{record: r, since: time.Now(), done: done}
	weight := p.buffer.weight(r)
	full := p.buffer.acquire(ctx, wait, weight)
	if full == nil {
		s.weight = weight
	}
	p.locked(func() { p.begin(s, rejected, full) })
	return s
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

// begin sends a record that is valid, or the dead letter of one that was
// rejected. Full is why there is no room for it in the buffer.
func (p *Producer) begin(s *sending, rejected *RejectedError, full error) {
	if p.closed {
		full = errProducerClosed
	}
	switch {
	case rejected != nil && full != nil:
		p.report(s, Ack{}, kept(rejected, "", full))
	case rejected != nil:
		p.deadLetter(s, rejected)
	case p.closed:
		p.report(s, Ack{}, &NotSentError{Topic: s.record.Topic, Err: full})
	case full != nil:
		p.enter(s)
		p.spool(s, &NotSentError{Topic: s.record.Topic, Err: full})
	default:
		p.launch(s)
	}
}

// enter gives a record its place in the order.
func (x *sender) enter(s *sending) {
	x.last++
	s.order = x.last
	s.lane = x.laneOf(s.record.Topic, s.record.Key)
}

func (x *sender) laneOf(topic string, key []byte) *lane {
	if key == nil {
		return x.loose
	}
	name := topic + "\x00" + string(key)
	l := x.lanes[name]
	if l == nil {
		l = &lane{name: name, keyed: true}
		x.lanes[name] = l
	}
	return l
}

// launch lets a record fly, or wait in the spool behind those of its key.
func (x *sender) launch(s *sending) {
	x.enter(s)
	if s.lane.keyed && len(s.lane.held) > 0 {
		x.spool(s, &NotSentError{Topic: s.record.Topic, Err: ErrBehind})
		return
	}
	s.place = x.waiting.PushBack(s)
	if x.waiting.Len() == 1 {
		x.timer.Reset(x.p.opts.AckTimeout)
	}
	s.since = time.Now()
	s.flying = true
	s.lane.flying++
	x.fly(s)
}

// fly hands a record to the Kafka client, which keeps the order of the calls.
func (x *sender) fly(s *sending) {
	r := &kgo.Record{Topic: s.record.Topic, Key: s.record.Key, Value: s.record.Value, Headers: s.record.Headers}
	x.p.kafka.Produce(context.Background(), r, func(stored *kgo.Record, err error) {
		x.locked(func() { x.land(s, Ack{Topic: r.Topic, Partition: stored.Partition, Offset: stored.Offset}, err) })
	})
}

// land takes what the Kafka client says of a record.
func (x *sender) land(s *sending, ack Ack, err error) {
	s.flying = false
	s.lane.flying--
	x.p.landedDrained(s)
	if err != nil {
		err = failure(s.record.Topic, time.Since(s.since), err)
	}
	settle := func() { x.settle(s, ack, err) }
	if s.phase == keeping {
		s.landed = settle
	} else {
		settle()
	}
	x.release(s)
	x.tidy(s.lane)
}

// settle acts on the outcome of a record that has landed.
func (x *sender) settle(s *sending, ack Ack, err error) {
	var rejected *RejectedError
	isRejected := errors.As(err, &rejected)
	x.unwait(s)
	switch {
	case s.phase == over: // given up, and kept nowhere
	case err == nil && s.phase == spooled:
		x.report(s, ack, nil) // when it was acknowledged while it was written
		x.p.drop(s, SpoolChange{Change: SpoolStored, Ack: &ack})
	case err == nil:
		x.report(s, ack, nil)
	case isRejected && s.phase == spooled:
		x.p.deadLetterSpooled(s, rejected)
	case isRejected && x.p.opts.DeadLetter >= DeadLetterRefused && !s.letter:
		x.p.deadLetter(s, rejected)
	case isRejected && !s.letter:
		x.report(s, Ack{}, err)
	case s.phase == spooled:
		x.p.postpone(s, err)
	default:
		x.spool(s, err)
	}
}

// report tells the caller, once.
func (x *sender) report(s *sending, ack Ack, err error) {
	if s.phase != spooled {
		s.phase = over
	}
	if done := s.done; done != nil {
		s.done = nil
		x.call(func() { done(ack, err) })
	}
	x.release(s)
}

// release gives room in the buffer free once nobody has the record any more.
func (x *sender) release(s *sending) {
	if s.flying || s.done != nil {
		return
	}
	if s.weight > 0 {
		x.p.buffer.release(s.weight)
		s.weight = 0
	}
	if s.phase == spooled && s.follows == nil {
		s.record.Value, s.record.Headers = nil, nil // the spool has them
	}
}

// tidy forgets a lane in which nothing is left.
func (x *sender) tidy(l *lane) {
	if l.keyed && l.flying == 0 && len(l.held) == 0 {
		delete(x.lanes, l.name)
	}
}

func (l *lane) hold(s *sending) {
	at, _ := l.find(s)
	l.held = slices.Insert(l.held, at, s)
}

func (l *lane) unhold(s *sending) {
	switch at, found := l.find(s); {
	case !found:
	case at == 0: // as mostly: without moving the others
		l.held[0] = nil
		l.held = l.held[1:]
	default:
		l.held = slices.Delete(l.held, at, at+1)
	}
}

func (l *lane) find(s *sending) (int, bool) {
	return slices.BinarySearchFunc(l.held, s.order, func(other *sending, order uint64) int {
		switch {
		case other.order < order:
			return -1
		case other.order > order:
			return 1
		}
		return 0
	})
}

// unwait takes a record out of those that wait.
func (x *sender) unwait(s *sending) {
	if s.place != nil {
		x.waiting.Remove(s.place)
		s.place = nil
	}
}

// giveUp ends the wait for a record, or for its dead letter.
func (x *sender) giveUp(ctx context.Context, s *sending) {
	x.locked(func() {
		for s != nil && s.follows != nil {
			s = s.follows
		}
		if s != nil && s.place != nil {
			x.giveUpWaiting(s, context.Cause(ctx))
		}
	})
}

func (x *sender) giveUpWaiting(s *sending, reason error) {
	waited := x.p.opts.AckTimeout
	if reason != nil {
		waited = time.Since(s.since)
	}
	x.unwait(s)
	x.spool(s, &UnknownOutcomeError{Topic: s.record.Topic, Waited: waited, Err: reason})
}

// expire gives up on those that have waited long enough.
func (x *sender) expire() {
	x.locked(func() {
		for front := x.waiting.Front(); front != nil; front = x.waiting.Front() {
			s := front.Value.(*sending)
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
		for front := x.waiting.Front(); front != nil; front = x.waiting.Front() {
			x.giveUpWaiting(front.Value.(*sending), reason)
			n++
		}
	})
	return n
}

// busy reports that some caller still waits.
func (x *sender) busy() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.waiting.Len()+len(x.queue)+x.writing > 0
}
