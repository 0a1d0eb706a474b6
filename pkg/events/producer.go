package events

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/spec"
)

// maxRetryBackoff bounds the wait between two tries of a produce request,
// which starts at [spec.ProducerRetryBackoff] and doubles.
const maxRetryBackoff = time.Second

// Record is a record to produce.
type Record struct {
	Topic string
	// Key orders: records with one key stay in order, on one partition. Nil is
	// no key, which is not the same as an empty one.
	Key []byte
	// Value is the event's text.
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

// ProducerOptions tune a [Producer]. The zero value is the specification's.
type ProducerOptions struct {
	// Validate checks values further. Default: the envelope only.
	Validate Validator
	// AckTimeout is how long an acknowledgement is awaited. Default
	// [spec.ProducerAckTimeout].
	AckTimeout time.Duration
	// Linger is how long a record waits for others to share its request.
	// Default 0, which is right for one event at a time; 5 to 10 ms is for bulk.
	Linger time.Duration
}

// Producer sends events (K3): idempotent, acknowledged by all in-sync
// replicas, in order per key, and validated before they are sent. It may be
// used by several goroutines.
type Producer struct {
	kafka   *kgo.Client
	checker *checker
	pending *pending
}

// NewProducer connects a producer. The caller closes it.
func (c *Client) NewProducer(ctx context.Context, o ProducerOptions) (*Producer, error) {
	if o.AckTimeout == 0 {
		o.AckTimeout = spec.ProducerAckTimeout
	}
	kafka, err := c.Open(ctx,
		kgo.ProducerLinger(o.Linger),
		// A record that no broker took is failed a little before its wait
		// ends, so that "not sent" is not mistaken for "unknown".
		kgo.RecordDeliveryTimeout(max(o.AckTimeout*4/5, time.Second)),
		kgo.ProduceRequestTimeout(o.AckTimeout),
		kgo.RetryBackoffFn(retryBackoff),
	)
	if err != nil {
		return nil, err
	}
	return &Producer{kafka: kafka, checker: newChecker(c, o.Validate), pending: newPending(o.AckTimeout)}, nil
}

func retryBackoff(tries int) time.Duration {
	return min(spec.ProducerRetryBackoff<<min(tries-1, 5), maxRetryBackoff)
}

// Check reports what [Producer.Produce] would reject before it is sent, as a
// [*RejectedError]; nothing is produced.
func (p *Producer) Check(ctx context.Context, r Record) error { return p.checker.check(ctx, r) }

// Produce sends one record and waits for its outcome: nil, a [*RejectedError],
// an [*UnknownOutcomeError], or another error when it was not sent. When ctx
// ends during the wait the outcome is unknown.
func (p *Producer) Produce(ctx context.Context, r Record) (Ack, error) {
	type outcome struct {
		ack Ack
		err error
	}
	outcomes := make(chan outcome, 1)
	s := p.send(ctx, r, func(ack Ack, err error) { outcomes <- outcome{ack, err} })
	stop := context.AfterFunc(ctx, func() { p.giveUp(ctx, s) })
	defer stop()
	o := <-outcomes
	return o.ack, o.err
}

// giveUp ends the wait for a record that is on its way.
func (p *Producer) giveUp(ctx context.Context, s *sending) {
	if s != nil {
		p.pending.settle(s, Ack{}, &UnknownOutcomeError{Topic: s.topic, Waited: time.Since(s.since), Err: context.Cause(ctx)})
	}
}

// Send sends a record and calls done with its outcome, as [Producer.Produce]
// returns it, exactly once, from any goroutine, maybe before Send returns; done
// must not block. Send blocks while ten thousand records are on their way.
// Records of one key keep the order in which Send was called.
func (p *Producer) Send(ctx context.Context, r Record, done func(Ack, error)) {
	p.send(ctx, r, done)
}

// send returns nil when the outcome is known already.
func (p *Producer) send(ctx context.Context, r Record, done func(Ack, error)) *sending {
	if err := p.checker.check(ctx, r); err != nil {
		done(Ack{}, err)
		return nil
	}
	if err := ctx.Err(); err != nil {
		done(Ack{}, fmt.Errorf("produce to %s: %w: %w", r.Topic, ErrNotSent, context.Cause(ctx)))
		return nil
	}
	s := p.pending.add(r.Topic, done)
	record := &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Headers: r.Headers}
	p.kafka.Produce(ctx, record, func(stored *kgo.Record, err error) {
		if err != nil {
			p.pending.settle(s, Ack{}, failure(r.Topic, time.Since(s.since), err))
			return
		}
		p.pending.settle(s, Ack{Topic: r.Topic, Partition: stored.Partition, Offset: stored.Offset}, nil)
	})
	return s
}

// UnflushedError is returned by [Producer.Close] when it left records behind.
// Their outcome is unknown; each was reported to its own caller as well.
type UnflushedError struct {
	Records int
	Err     error
}

func (e *UnflushedError) Error() string {
	return fmt.Sprintf("%d events were not acknowledged: they may be stored or not (%v)", e.Records, e.Err)
}

// Unwrap returns why the wait ended.
func (e *UnflushedError) Unwrap() error { return e.Err }

// Close waits until every record has its outcome or ctx ends, and disconnects.
// The error is an [*UnflushedError].
func (p *Producer) Close(ctx context.Context) error {
	defer p.kafka.Close()
	err := p.kafka.Flush(ctx)
	if left := p.pending.drop(context.Cause(ctx)); left > 0 {
		return &UnflushedError{Records: left, Err: err}
	}
	return nil
}
