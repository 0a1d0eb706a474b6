package events

import (
	"context"
	"time"
)

const (
	// drainBatch is how many events of the spool are on their way at most.
	drainBatch = 500
	// firstPostponement and maxPostponement bound the wait before an event of
	// the spool that could not be sent is tried again.
	firstPostponement = time.Second
	maxPostponement   = 30 * time.Second
)

// drain is what is known of an event in the spool, or on its way into it.
type drain struct {
	outcome    error  // to report once it is kept
	landing    func() // what to do once it is kept, since it landed meanwhile
	sentBefore bool   // by this owner or an earlier one
	repeated   bool   // it was sent before, and then again
	draining   bool
	tries      int
	due        time.Time
	lastErr    error
}

// drainer sends what is in the spool, in order per key.
type drainer struct {
	wakeUp  chan struct{}
	onWay   int // of one batch
	drained Drained
}

// Drained is what [Producer.Drain] did.
type Drained struct {
	// Stored were acknowledged, of which Repeated may be stored twice.
	Stored   int `json:"stored"`
	Repeated int `json:"repeated"`
	// DeadLettered were refused by the broker.
	DeadLettered int `json:"dead_lettered"`
	// Left remain in the spool, and Err is why the first of them does.
	Left int   `json:"left"`
	Err  error `json:"-"`
}

func (p *Producer) tally(c SpoolChange) {
	switch c.Change {
	case SpoolStored:
		p.drained.Stored++
		if c.Repeated {
			p.drained.Repeated++
		}
	case SpoolDeadLettered:
		p.drained.DeadLettered++
	}
}

// wake lets the drainer look again.
func (p *Producer) wake() {
	select {
	case p.wakeUp <- struct{}{}:
	default:
	}
}

func (p *Producer) drainUntilStopped() {
	for {
		wait := p.drainSome()
		timer := time.NewTimer(wait)
		select {
		case <-p.stop:
			timer.Stop()
			return
		case <-p.wakeUp:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// drainSome sends a batch, and says when to look again at the latest.
func (p *Producer) drainSome() time.Duration {
	var batch []*sending
	wait := maxPostponement
	p.locked(func() {
		if p.onWay == 0 && !p.closed {
			batch, wait = p.takeDue(time.Now())
		}
	})
	if len(batch) == 0 {
		return wait
	}
	ids := make([]uint64, len(batch)) // in the order in which they will fly
	for i, s := range batch {
		ids[i] = s.order
	}
	err := p.opts.Spool.Mark(ids...)
	records := make([]Record, len(batch))
	for i := range batch {
		if err == nil {
			records[i], err = p.read(ids[i])
		}
	}
	p.locked(func() {
		for i, s := range batch {
			p.flyAgain(s, records[i], err)
		}
	})
	return maxPostponement
}

func (p *Producer) read(id uint64) (Record, error) {
	e, err := p.opts.Spool.Get(id)
	return Record{Topic: e.Topic, Partition: e.Partition, Timestamp: e.Timestamp, Key: e.Key, Value: e.Value, Headers: e.Headers}, err
}

// flyAgain sends an event of the spool, or postpones it when the spool could
// not be read.
func (p *Producer) flyAgain(s *sending, r Record, err error) {
	if err != nil {
		s.flying = false
		s.lane.flying--
		p.landedDrained(s)
		p.postpone(s, err)
		return
	}
	s.take(&r)
	s.since = time.Now()
	s.repeated, s.sentBefore = s.sentBefore, true
	p.fly(s)
}

// takeDue takes the events that may be sent now: of each key the first ones,
// when nothing of it flies. It says how long it is until one becomes due.
func (p *Producer) takeDue(now time.Time) (batch []*sending, wait time.Duration) {
	wait = maxPostponement
	take := func(l *lane) {
		if l.keyed && l.flying > 0 {
			return
		}
		for _, s := range l.held {
			free := s.phase == spooled && !s.flying && s.follows == nil
			if free && s.due.After(now) {
				wait = min(wait, s.due.Sub(now))
			}
			switch {
			case len(batch) == drainBatch:
				return
			case free && !s.due.After(now):
				batch = append(batch, s)
			case l.keyed:
				return // those behind it wait
			}
		}
	}
	take(p.loose)
	for _, l := range p.lanes {
		take(l)
	}
	for _, s := range batch {
		s.flying, s.draining = true, true
		s.lane.flying++
		p.onWay++
	}
	return batch, wait
}

// landedDrained notes that an event of a batch has landed.
func (p *Producer) landedDrained(s *sending) {
	if s.drain == nil || !s.draining {
		return
	}
	s.draining = false
	if p.onWay--; p.onWay == 0 {
		p.wake()
	}
}

// postpone leaves an event in the spool for a while.
func (p *Producer) postpone(s *sending, err error) {
	s.lastErr = err
	s.due = time.Now().Add(min(firstPostponement<<min(s.tries, 5), maxPostponement))
	s.tries++
	p.change(s, SpoolChange{Change: SpoolPostponed, Err: err})
	p.call(p.wake)
}

// Drain sends what is in the spool, all of it at once, and returns when it is
// empty, when what is left cannot be sent now, or when nothing was acknowledged
// for as long as the acknowledgement timeout. The error is ctx's. The producer
// goes on by itself; Drain is for those who want to wait for it.
func (p *Producer) Drain(ctx context.Context) (Drained, error) {
	if p.opts.Spool == nil {
		return Drained{}, nil
	}
	before := p.hurry()
	var result Drained
	patience := time.NewTimer(p.opts.AckTimeout)
	defer patience.Stop()
	for {
		changed := p.watch()
		now, hoped := p.progress()
		if now = now.since(before); now.Stored != result.Stored || now.DeadLettered != result.DeadLettered {
			patience.Reset(p.opts.AckTimeout)
		}
		if result = now; hoped == 0 {
			return result, nil
		}
		select {
		case <-changed:
		case <-patience.C:
			return result, nil
		case <-ctx.Done():
			return result, context.Cause(ctx)
		}
	}
}

// draining reports that some of the spool is on its way.
func (p *Producer) draining() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.onWay > 0
}

func (d Drained) since(before Drained) Drained {
	d.Stored -= before.Stored
	d.Repeated -= before.Repeated
	d.DeadLettered -= before.DeadLettered
	return d
}

// hurry makes all events of the spool due.
func (p *Producer) hurry() (before Drained) {
	p.locked(func() {
		p.eachHeld(func(s *sending) { s.due, s.lastErr = time.Time{}, nil })
		before = p.drained
	})
	p.wake()
	return before
}

func (p *Producer) eachHeld(do func(*sending)) {
	for _, s := range p.loose.held {
		do(s)
	}
	for _, l := range p.lanes {
		for _, s := range l.held {
			do(s)
		}
	}
}

// progress returns what was done so far, and how many events can still be hoped
// for.
func (p *Producer) progress() (d Drained, hoped int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d = p.drained
	count := func(l *lane) {
		stuck := false
		for _, s := range l.held {
			d.Left++
			if s.lastErr != nil && d.Err == nil {
				d.Err = s.lastErr
			}
			if stuck = s.lastErr != nil || l.keyed && stuck; !stuck {
				hoped++
			}
		}
	}
	count(p.loose)
	for _, l := range p.lanes {
		count(l)
	}
	return d, hoped
}
