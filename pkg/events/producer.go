package events

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events/spool"
	"github.com/suokelife/suokectl/pkg/spec"
)

// maxRetryBackoff bounds the wait between two tries of a produce request,
// which starts at [spec.ProducerRetryBackoff] and doubles.
const maxRetryBackoff = time.Second

// Defaults of [ProducerOptions].
const (
	DefaultBufferRecords = 10_000
	DefaultBufferBytes   = 64 << 20
)

// Record is a record to produce.
type Record struct {
	Topic string
	// Key orders: records with one key stay in order, on one partition. Nil is
	// no key, which is not the same as an empty one.
	Key []byte
	// Value is the event's text. It must not be changed before the outcome.
	Value   []byte
	Headers []Header
}

// Header is a header of a record. Names may be there more than once.
type Header = kgo.RecordHeader

// Validator checks a value before it is produced, beyond its envelope, for
// instance against the schema of its topic. A value is rejected with the error,
// unless that wraps [ErrNotValidated]: then the value was not judged, and is not
// sent. It is called by several goroutines.
type Validator func(ctx context.Context, topic string, value []byte) error

// DeadLetters says which rejected events a [Producer] writes to the dead-letter
// topic of theirs (K4).
type DeadLetters int

const (
	// DeadLetterNone hands rejected events back to the caller.
	DeadLetterNone DeadLetters = iota
	// DeadLetterRefused writes those that the broker refuses.
	DeadLetterRefused
	// DeadLetterRejected writes those as well that are not valid. An event
	// whose topic is not named by the conventions has no dead-letter topic and
	// is handed back.
	DeadLetterRejected
)

// ProducerOptions tune a [Producer]. The zero value is the specification's,
// without dead letters and spool.
type ProducerOptions struct {
	// Validate checks values further. Default: the envelope only.
	Validate Validator
	// AckTimeout is how long an acknowledgement is awaited. Default
	// [spec.ProducerAckTimeout].
	AckTimeout time.Duration
	// Linger is how long a record waits for others to share its request.
	// Default 0, which is right for one event at a time; 5 to 10 ms is for bulk.
	Linger time.Duration
	// DeadLetter is which rejected events are dead-lettered. A letter that
	// cannot be written goes to the spool, where there is one.
	DeadLetter DeadLetters
	// Spool keeps on disk what was valid and not acknowledged, and sends it
	// when it can. The producer closes it, also when NewProducer fails. A spool
	// belongs to one cluster.
	Spool *spool.Spool
	// OnSpool is told what becomes of events in the spool, for logs and
	// metrics. It is called by several goroutines and must not block.
	OnSpool func(SpoolChange)
	// BufferRecords and BufferBytes bound what is on its way and in memory.
	// Defaults [DefaultBufferRecords] and [DefaultBufferBytes].
	BufferRecords int
	BufferBytes   int64
}

func (o ProducerOptions) withDefaults() ProducerOptions {
	if o.AckTimeout == 0 {
		o.AckTimeout = spec.ProducerAckTimeout
	}
	if o.BufferRecords == 0 {
		o.BufferRecords = DefaultBufferRecords
	}
	if o.BufferBytes == 0 {
		o.BufferBytes = DefaultBufferBytes
	}
	if o.OnSpool == nil {
		o.OnSpool = func(SpoolChange) {}
	}
	return o
}

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
	checker := newChecker(c, o.Validate)
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

func (c *Client) producerClient(ctx context.Context, o ProducerOptions, batchLimit func(topic string) int32) (*kgo.Client, error) {
	opts := []kgo.Opt{
		kgo.ProducerLinger(o.Linger),
		kgo.ProduceRequestTimeout(o.AckTimeout),
		kgo.RetryBackoffFn(retryBackoff),
		kgo.ProducerBatchMaxBytesFn(batchLimit),
		kgo.MaxBufferedRecords(math.MaxInt32), // the producer's own buffer bounds them
	}
	if o.Spool != nil {
		// The client never gives a record up by itself: so it cannot happen
		// that a later one of the key overtakes it.
		return c.open(opts...)
	}
	// A record that no broker took is failed a little before its wait ends, so
	// that "not sent" is not mistaken for "unknown".
	return c.Open(ctx, append(opts, kgo.RecordDeliveryTimeout(max(o.AckTimeout*4/5, time.Second)))...)
}

func retryBackoff(tries int) time.Duration {
	return min(spec.ProducerRetryBackoff<<min(tries-1, 5), maxRetryBackoff)
}

// Check reports what [Producer.Produce] would reject before it is sent, as a
// [*RejectedError]; nothing is produced.
func (p *Producer) Check(ctx context.Context, r Record) error { return p.checker.check(ctx, r) }

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
	s := p.send(ctx, p.opts.AckTimeout, r, func(ack Ack, err error) { outcomes <- outcome{ack, err} })
	stop := context.AfterFunc(ctx, func() { p.giveUp(ctx, s) })
	defer stop()
	o := <-outcomes
	return o.ack, o.err
}

// Send sends a record and calls done with its outcome, as [Producer.Produce]
// returns it, exactly once, from any goroutine, maybe before Send returns; done
// must not block. Send blocks while the buffer is full, until ctx ends. Records
// of one key keep the order in which Send was called.
func (p *Producer) Send(ctx context.Context, r Record, done func(Ack, error)) {
	p.send(ctx, 0, r, done)
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
