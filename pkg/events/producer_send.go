package events

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// errProducerClosed is why nothing is sent after Close.
var errProducerClosed = errors.New("the producer is closed")

// phase is how far a record has come, as its caller and the spool know it.
type phase uint8

const (
	live    phase = iota // its caller waits
	keeping              // on its way into the spool; its caller still waits
	spooled              // in the spool; nobody waits
	over                 // settled
)

// sending is one record on its way. Its fields belong to the sender's lock. It
// is the context of its wire too, which leads back from there to it. As there
// are many of them, what few have is in a struct of its own.
type sending struct {
	context.Context
	wire      kgo.Record // as the Kafka client has it; but for its topic empty while it is only in the spool
	partition *int32     // as it was given
	timed     bool       // its timestamp was given
	letter    bool       // it is a dead letter
	phase     phase
	flying    bool   // the Kafka client has it
	order     uint64 // its place among all, and its id in the spool
	lane      *lane
	since     time.Time
	weight    int64 // what it holds of the buffer
	index     int   // what done is told
	done      func(index int, ack Ack, err error)
	slab      *slab
	waits              // among those whose callers wait, while live
	follows   *sending // its dead letter, on its way
	*drain             // of those in the spool, or on their way into it
}

// sender is the part of a producer that knows every record on its way.
type sender struct {
	p *Producer

	mu       sync.Mutex
	closed   bool
	last     uint64 // order
	lanes    map[laneName]*lane
	loose    *lane
	waiting  waiting
	timer    *time.Timer
	queue    []*sending    // on their way into the spool
	queued   chan struct{} // there is something in it
	calls    []func()      // to be called without the lock
	writing  int           // how many are being written into it
	changed  chan struct{} // closed when something happened; nil when nobody asked
	keepMu   sync.Mutex    // one writes into the spool at a time
	promise  func(stored *kgo.Record, err error)
	slabs    []*slab           // that serve again
	renewed  map[string]uint64 // topic: the last in the order before it was met anew
	renewing sync.WaitGroup
}

func (x *sender) start(p *Producer) {
	x.p, x.lanes, x.loose, x.renewed = p, make(map[laneName]*lane), &lane{}, make(map[string]uint64)
	x.queued = make(chan struct{}, 1)
	x.timer = time.AfterFunc(time.Hour, x.expire)
	x.timer.Stop()
	x.promise = x.landed
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

// enter gives a record its place in the order.
func (x *sender) enter(s *sending) {
	x.last++
	s.order = x.last
	s.lane = x.laneOf(s.wire.Topic, s.wire.Key)
}

// launch lets a record fly, or wait in the spool behind those of its key.
func (x *sender) launch(s *sending) {
	x.enter(s)
	if s.lane.keyed && len(s.lane.held) > 0 {
		x.spool(s, &NotSentError{Topic: s.wire.Topic, Err: ErrBehind})
		return
	}
	x.await(s)
	s.flying = true
	s.lane.flying++
	x.fly(s)
}

// fly hands a record to the Kafka client, which keeps the order of the calls.
func (x *sender) fly(s *sending) {
	s.Context = context.Background()
	s.wire.Context = s
	if !s.timed {
		s.wire.Timestamp = s.since
	}
	x.p.kafka.Produce(s.Context, &s.wire, x.promise)
}

// landed takes what the Kafka client says of a record.
func (x *sender) landed(stored *kgo.Record, err error) {
	s := stored.Context.(*sending)
	ack := Ack{Topic: stored.Topic, Partition: stored.Partition, Offset: stored.Offset}
	if done, index := x.landPlainly(s, err); done != nil {
		done(index, ack, nil)
		return
	}
	x.locked(func() { x.land(s, ack, err) })
}

// landPlainly is land for what mostly happens: a record whose caller waits was
// acknowledged. It returns nil when it was otherwise. S may be another record
// when it returns.
func (x *sender) landPlainly(s *sending, err error) (done func(int, Ack, error), index int) {
	x.mu.Lock()
	if err != nil || s.phase != live || s.done == nil {
		x.mu.Unlock()
		return nil, 0
	}
	done, index, s.done, s.phase, s.flying = s.done, s.index, nil, over, false
	x.waiting.remove(s)
	x.release(s)
	s.lane.flying--
	x.tidy(s.lane)
	x.giveBack(s.slab)
	if x.changed != nil {
		close(x.changed)
		x.changed = nil
	}
	x.mu.Unlock()
	return done, index
}

// land is landed under the lock.
func (x *sender) land(s *sending, ack Ack, err error) {
	s.flying = false
	s.lane.flying--
	x.p.landedDrained(s)
	if errors.Is(err, kerr.UnknownTopicID) {
		x.renew(s)
	}
	if err != nil {
		err = failure(s.wire.Topic, time.Since(s.since), err)
	}
	if s.phase == keeping {
		s.landing = func() { x.settle(s, ack, err) }
	} else {
		x.settle(s, ack, err)
	}
	x.release(s)
	x.tidy(s.lane)
}

// settle acts on the outcome of a record that has landed.
func (x *sender) settle(s *sending, ack Ack, err error) {
	var rejected *RejectedError
	isRejected := errors.As(err, &rejected)
	x.waiting.remove(s)
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
		x.call(func() { done(s.index, ack, err) })
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
		s.wire.Value, s.wire.Headers = nil, nil // the spool has them
	}
}
