package dlq

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// transaction collects the outcome of what is produced in it.
type transaction struct {
	ctx   context.Context //nolint:containedctx // it lives as long as the transaction
	kafka *kgo.Client

	mu  sync.Mutex
	err error // the first
}

// produce sends a record; how it went is known after flush.
func (tx *transaction) produce(r *kgo.Record) {
	tx.kafka.Produce(tx.ctx, r, func(r *kgo.Record, err error) {
		tx.mu.Lock()
		defer tx.mu.Unlock()
		if err != nil && tx.err == nil {
			tx.err = fmt.Errorf("to %s partition %d: %w", r.Topic, r.Partition, err)
		}
	})
}

// flush awaits every record that was produced, and returns the first error of any.
func (tx *transaction) flush() error {
	err := tx.kafka.Flush(tx.ctx)
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.err != nil {
		return tx.err
	}
	return err
}

// transact runs fill in a transaction and commits it, or aborts it when anything failed. It has the transaction's own
// timeout: an interrupted run ends what it began, which is a matter of milliseconds. After any error the worker is broken: the client might
// initialise its id again, and go on with a book that is no longer true.
func (w *worker) transact(ctx context.Context, fill func(*transaction) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := w.attempt(ctx, fill)
	w.broken = w.broken || err != nil
	return err
}

func (w *worker) attempt(ctx context.Context, fill func(*transaction) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionTimeout)
	defer cancel()
	if err := w.kafka.BeginTransaction(); err != nil {
		return w.fencedOr("begin a transaction", err)
	}
	tx := &transaction{ctx: ctx, kafka: w.kafka}
	err := fill(tx)
	if err == nil {
		err = tx.flush()
	}
	if err == nil {
		err = w.settled(ctx)
	}
	if err != nil {
		return w.abort(err)
	}
	if err := w.kafka.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return w.fencedOr("commit (whether it was, the ledger will tell: run again)", err)
	}
	return nil
}

// settled waits, after a flush, until the client has noted the partitions of topics that it produced to for the first
// time. The client (kgo 1.22.2) sends their first records before it notes them; in between, EndTransaction finds no
// partition in the transaction, aborts it although it was told to commit, and returns nil. It holds a lock meanwhile
// that AbortBufferedRecords takes too; after a flush there is nothing to abort.
func (w *worker) settled(ctx context.Context) error { return w.kafka.AbortBufferedRecords(ctx) }

// abort gives up the transaction that failed with err. Who was fenced leaves that to the broker.
func (w *worker) abort(err error) error {
	if isFenced(err) {
		return w.fencedOr("", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), transactionTimeout)
	defer cancel()
	failed := w.kafka.AbortBufferedRecords(ctx)
	if failed == nil {
		failed = w.kafka.EndTransaction(ctx, kgo.TryAbort)
	}
	if failed != nil { // the broker aborts it after its timeout
		return w.fencedOr("abort what could not be produced ("+err.Error()+")", failed)
	}
	return fmt.Errorf("produce: %w", err)
}

// fencedOr gives an error its type: fenced, with the name of whose claim stands in the ledger now, or what failed.
func (w *worker) fencedOr(what string, err error) error {
	if !isFenced(err) {
		return fmt.Errorf("%s: %w", what, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), transactionTimeout)
	defer cancel()
	fenced := &FencedError{Topic: w.run.topic.name, Partition: w.partition, Err: err}
	books, failed := w.run.client.books(ctx, w.run.topic)
	if failed == nil && books[w.partition].claim != nil && books[w.partition].claim.Owner != w.run.opts.Owner {
		fenced.Owner = books[w.partition].claim.Owner
	}
	return fenced
}

// knownPartitioner obeys a record's partition where it is known and leaves the rest to another partitioner.
type knownPartitioner struct{ kgo.Partitioner }

func (p knownPartitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return knownTopicPartitioner{p.Partitioner.ForTopic(topic)}
}

type knownTopicPartitioner struct{ kgo.TopicPartitioner }

func (p knownTopicPartitioner) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition != Unknown || p.TopicPartitioner.RequiresConsistency(r)
}

func (p knownTopicPartitioner) Partition(r *kgo.Record, n int) int {
	if r.Partition != Unknown {
		return int(r.Partition)
	}
	return p.TopicPartitioner.Partition(r, n)
}

// OnNewBatch lets keyless records go to another partition with each batch.
func (p knownTopicPartitioner) OnNewBatch() {
	if sticky, ok := p.TopicPartitioner.(kgo.TopicPartitionerOnNewBatch); ok {
		sticky.OnNewBatch()
	}
}
