package transact

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
)

// Timeout is after how long the broker aborts a transaction.
const Timeout = 10 * time.Second

// Producer produces in transactions. One goroutine uses it.
type Producer struct {
	kafka  *kgo.Client
	broken bool
}

// Open opens the producer of an id and fences the others. The caller closes it.
func Open(ctx context.Context, client *events.Client, id string, opts ...kgo.Opt) (*Producer, error) {
	kafka, err := client.Open(ctx, append([]kgo.Opt{
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(Timeout),
		kgo.RecordPartitioner(partitioner{kgo.StickyKeyPartitioner(nil)}),
		kgo.ProducerLinger(5 * time.Millisecond),
	}, opts...)...)
	if err != nil {
		return nil, err
	}
	if _, _, err := kafka.ProducerID(ctx); err != nil {
		kafka.Close()
		return nil, fmt.Errorf("initialise the transactional id: %w", err)
	}
	return &Producer{kafka: kafka}, nil
}

// Close closes the producer. Between transactions nothing is open.
func (p *Producer) Close() { p.kafka.Close() }

// Broken reports that a transaction failed. The client might initialise its id
// again, and go on with what is no longer true, so that the producer is of no
// more use.
func (p *Producer) Broken() bool { return p.broken }

// Tx is a transaction under way. It collects the outcome of what is produced.
type Tx struct {
	ctx   context.Context //nolint:containedctx // it lives as long as the transaction
	kafka *kgo.Client
	noted func(*kgo.Record, error) // note, bound once and not for each record

	mu  sync.Mutex
	err error // the first
}

// Produce sends a record to its partition, or by its key where that is
// [AnyPartition]; how it went is known after [Tx.Flush].
func (tx *Tx) Produce(r *kgo.Record) { tx.kafka.Produce(tx.ctx, r, tx.noted) }

func (tx *Tx) note(r *kgo.Record, err error) {
	if err == nil {
		return
	}
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.err == nil {
		tx.err = fmt.Errorf("to %s partition %d: %w", r.Topic, r.Partition, err)
	}
}

// Flush awaits every record that was produced, and returns the first error of any.
func (tx *Tx) Flush() error {
	err := tx.kafka.Flush(tx.ctx)
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.err != nil {
		return tx.err
	}
	return err
}

// Do runs fill in a transaction and commits it, or aborts it when anything
// failed. It has the transaction's own timeout: an interrupted run ends what it
// began, which is a matter of milliseconds. An error for which [IsFenced] holds
// says that another has opened the id. Whether a commit that failed was one is
// for the log to tell.
func (p *Producer) Do(ctx context.Context, fill func(*Tx) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := p.attempt(ctx, fill)
	p.broken = p.broken || err != nil
	return err
}

func (p *Producer) attempt(ctx context.Context, fill func(*Tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Timeout)
	defer cancel()
	if err := p.kafka.BeginTransaction(); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	tx := &Tx{ctx: ctx, kafka: p.kafka}
	tx.noted = tx.note
	err := fill(tx)
	if err == nil {
		err = tx.Flush()
	}
	if err == nil {
		err = p.settled(ctx)
	}
	if err != nil {
		return p.abort(err)
	}
	if err := p.kafka.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit (whether it was, the next run will see): %w", err)
	}
	return nil
}

// settled waits, after a flush, until the client has noted the partitions of topics that it produced to for the first
// time. The client (kgo 1.22.2) sends their first records before it notes them; in between, EndTransaction finds no
// partition in the transaction, aborts it although it was told to commit, and returns nil. It holds a lock meanwhile
// that AbortBufferedRecords takes too; after a flush there is nothing to abort.
func (p *Producer) settled(ctx context.Context) error { return p.kafka.AbortBufferedRecords(ctx) }

// abort gives up the transaction that failed with err. Who was fenced leaves that to the broker.
func (p *Producer) abort(err error) error {
	if IsFenced(err) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	failed := p.kafka.AbortBufferedRecords(ctx)
	if failed == nil {
		failed = p.kafka.EndTransaction(ctx, kgo.TryAbort)
	}
	if failed != nil { // the broker aborts it after its timeout
		return fmt.Errorf("abort what could not be produced (%w): %w", err, failed)
	}
	return fmt.Errorf("produce: %w", err)
}

// IsFenced reports the errors with which brokers answer a producer that was replaced.
func IsFenced(err error) bool {
	for _, fence := range []error{kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.InvalidProducerIDMapping, kerr.UnknownProducerID} {
		if errors.Is(err, fence) {
			return true
		}
	}
	return false
}
