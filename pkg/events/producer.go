package events

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Producer sends events (K3): idempotent, acknowledged by all in-sync
// replicas, in order per key, and validated before they are sent. It may be
// used by several goroutines.
type Producer struct {
	client  *Client
	opts    ProducerOptions
	kafka   *kgo.Client
	checker *checker
	buffer  *buffer
	sender
	drainer

	stop    chan struct{} // closed by Close
	running sync.WaitGroup
}

// NewProducer connects a producer. The caller closes it. Without a spool the
// cluster must answer; with one, events can be kept before it does.
func (c *Client) NewProducer(ctx context.Context, o ProducerOptions) (*Producer, error) {
	o = o.withDefaults()
	checker := newChecker(c, o)
	kafka, err := c.producerClient(ctx, o, checker.batchLimit)
	if err != nil {
		if o.Spool != nil {
			err = errors.Join(err, o.Spool.Close())
		}
		return nil, err
	}
	p := &Producer{client: c, opts: o, kafka: kafka, checker: checker, buffer: newBuffer(o), stop: make(chan struct{})}
	p.wakeUp = make(chan struct{}, 1)
	p.sender.start(p)
	if o.Spool != nil {
		p.checker.patience = c.cfg.DialTimeout
		p.load()
		p.running.Go(p.keepUntilStopped)
		p.running.Go(p.drainUntilStopped)
	}
	return p, nil
}

// Check reports what [Producer.Produce] would reject before it is sent, as a
// [*RejectedError]; nothing is produced.
func (p *Producer) Check(ctx context.Context, r Record) error {
	return p.checker.check(ctx, &r).err
}

// Produce sends one record and waits for its outcome: nil, a [*RejectedError],
// an [*UnknownOutcomeError], a [*NotSentError], or another error when it was
// not judged. When ctx ends during the wait the outcome is unknown. It waits at
// most the acknowledgement timeout three times: for room in the buffer, for the
// acknowledgement, and for that of a dead letter.
func (p *Producer) Produce(ctx context.Context, r Record) (Ack, error) {
	type outcome struct {
		ack Ack
		err error
	}
	outcomes := make(chan outcome, 1)
	c, ok := p.admit(ctx, new(sending), &r, p.checker.check(ctx, &r), 0, func(_ int, ack Ack, err error) { outcomes <- outcome{ack, err} })
	if ok {
		p.send(ctx, p.opts.AckTimeout, []candidate{c})
		stop := context.AfterFunc(ctx, func() { p.giveUp(ctx, c.sending) })
		defer stop()
	}
	o := <-outcomes
	return o.ack, o.err
}

// Send sends a record and calls done with its outcome, as [Producer.Produce]
// returns it, exactly once, from any goroutine, maybe before Send returns; done
// must not block. Send blocks while the buffer is full, until ctx ends. Records
// of one key keep the order in which Send was called.
func (p *Producer) Send(ctx context.Context, r Record, done func(Ack, error)) {
	c, ok := p.admit(ctx, new(sending), &r, p.checker.check(ctx, &r), 0, func(_ int, ack Ack, err error) { done(ack, err) })
	if ok {
		p.send(ctx, 0, []candidate{c})
	}
}

// SendAll is [Producer.Send] for each of the records in their order, at a lower
// price: other goroutines, as many as there are processors, check the records
// ahead of it. Done is called for each, with its index.
func (p *Producer) SendAll(ctx context.Context, records []Record, done func(i int, ack Ack, err error)) {
	all := make([]candidate, 0, partRecords)
	for part := range p.checker.checkAll(ctx, records) {
		next := p.room(len(part.verdicts))
		for i, v := range part.verdicts {
			at := part.from + i
			if c, ok := p.admit(ctx, next(), &records[at], v, at, done); ok {
				all = append(all, c)
			}
		}
		p.send(ctx, 0, all)
		clear(all)
		all = all[:0]
	}
}

// UnflushedError is returned by [Producer.Close] when something remains.
type UnflushedError struct {
	// Records is how many were given up: their outcome is unknown, and was
	// reported so to each of their callers.
	Records int
	// Spooled is how many events remain in the spool, and Spool its folder.
	Spooled int
	Spool   string
	// Err is why the wait ended; nil when it did not.
	Err error
}

func (e *UnflushedError) Error() string {
	text := ""
	if e.Records > 0 {
		text = fmt.Sprintf("%d events were not acknowledged: they may be stored or not (%v)", e.Records, e.Err)
	}
	if e.Spooled > 0 {
		if text != "" {
			text += "; "
		}
		text += fmt.Sprintf("%d events remain in the spool %s", e.Spooled, e.Spool)
	}
	return text
}

// Unwrap returns why the wait ended.
func (e *UnflushedError) Unwrap() error { return e.Err }

// Close waits until every record has its outcome or ctx ends, and disconnects.
// It takes no more records, and sends no more of what is in the spool. The
// error is an [*UnflushedError] when something remains, or the spool's. Only
// the first call does something.
func (p *Producer) Close(ctx context.Context) error {
	closed := false
	p.locked(func() { closed, p.closed = p.closed, true })
	if closed {
		return nil
	}
	p.awaitOutcomes(ctx)
	close(p.stop)
	p.running.Wait()
	reason := context.Cause(ctx)
	left := p.expireAll(reason)
	p.keep()
	p.kafka.Close()
	p.renewing.Wait()
	for p.busy() { // what landed meanwhile
		p.expireAll(reason)
		p.keep()
	}
	p.timer.Stop()
	unflushed := &UnflushedError{Records: left, Err: reason}
	var err error
	if s := p.opts.Spool; s != nil {
		unflushed.Spooled, unflushed.Spool = s.Stats().Entries, s.Dir()
		err = s.Close()
	}
	if unflushed.Records+unflushed.Spooled > 0 {
		return errors.Join(unflushed, err)
	}
	return err
}

// awaitOutcomes waits until no caller waits any more, and, as long as an
// acknowledgement may take, for what was sent from the spool.
func (p *Producer) awaitOutcomes(ctx context.Context) {
	patience := time.NewTimer(p.opts.AckTimeout)
	defer patience.Stop()
	drained := patience.C
	for {
		changed := p.watch()
		if !p.busy() && (drained == nil || !p.draining()) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-drained:
			drained = nil
		case <-changed:
		}
	}
}
