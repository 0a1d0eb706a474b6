package events

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/suokelife/suokectl/pkg/events/internal/batch"
	"github.com/suokelife/suokectl/pkg/events/internal/lent"
)

// chunkBytes is how much is read at a time, as it is stored; batches are not
// parted.
const chunkBytes = 128 << 10

// chunk is a run of offsets of one partition on its way.
type chunk struct {
	cursor     *cursor
	batches    []batch.Batch
	loan       *lent.Loan // of their memory
	from, next int64
	expired    int64

	// Done is nil when there is nothing to be read. The fields that follow are
	// the worker's until it is closed.
	done     chan struct{}
	out      any
	read     int64
	unwanted int64
	err      error
}

// compressed reports that none of its records lies in the answer itself.
func (c *chunk) compressed() bool {
	for i := range c.batches {
		if !c.batches[i].Compressed() {
			return false
		}
	}
	return true
}

func (c *chunk) hasRecords() bool { return c.done != nil }

// wait returns when the chunk is read.
func (c *chunk) wait(ctx context.Context) error {
	if !c.hasRecords() {
		return nil
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// scanWorker reads chunks.
type scanWorker struct {
	*scan
	decompressor *batch.Decompressor
	reader       batch.Reader
}

func newScanWorker(s *scan) *scanWorker {
	return &scanWorker{scan: s, decompressor: batch.NewDecompressor(s.keep), reader: batch.Reader{Topic: s.o.Topic, Keep: s.keep}}
}

func (w *scanWorker) run(ctx context.Context) {
	for {
		select {
		case ch := <-w.todo:
			w.read(ch)
			close(ch.done)
		case <-ctx.Done():
			return
		}
	}
}

func (w *scanWorker) read(ch *chunk) {
	w.reader.Partition = ch.cursor.id
	ch.out = w.work(func(yield func(*kgo.Record) bool) {
		for i := range ch.batches {
			more, err := w.readBatch(ch, &ch.batches[i], yield)
			if err != nil {
				ch.err = fmt.Errorf("read %s partition %d: %w", w.o.Topic, ch.cursor.id, err)
			}
			if err != nil || !more {
				return
			}
		}
	})
	if !w.keep || ch.compressed() {
		ch.loan.Return()
	}
	ch.batches, ch.loan = nil, nil // their bytes may go
}

// readBatch hands on the records of a batch, and reports false when no more are
// asked for.
func (w *scanWorker) readBatch(ch *chunk, b *batch.Batch, yield func(*kgo.Record) bool) (bool, error) {
	if b.Legacy() {
		return w.readLegacy(ch, b, yield)
	}
	payload, err := w.decompressor.Payload(b)
	if err != nil {
		return false, fmt.Errorf("offset %d: %w", b.First, err)
	}
	whole := b.First >= ch.from && b.Last < ch.next
	if w.o.Wanted != nil && !w.o.Wanted(payload) {
		if whole {
			ch.unwanted += int64(b.Count)
			return true, nil
		}
		_, err := w.reader.Each(b, payload, ch.from, ch.next, func(*kgo.Record) bool { ch.unwanted++; return true })
		return true, err
	}
	return w.reader.Each(b, payload, ch.from, ch.next, func(r *kgo.Record) bool {
		ch.read++
		return yield(r)
	})
}

// readLegacy hands on the records of a message of the formats before Kafka 0.11.
func (w *scanWorker) readLegacy(ch *chunk, b *batch.Batch, yield func(*kgo.Record) bool) (bool, error) {
	answer := kmsg.NewFetchResponseTopicPartition()
	answer.Partition, answer.RecordBatches = ch.cursor.id, b.Raw()
	fetched, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: ch.from, Topic: w.o.Topic, Partition: ch.cursor.id,
	}, &answer, kgo.DefaultDecompressor(), nil)
	for _, r := range fetched.Records {
		if r.Offset < ch.next {
			if ch.read++; !yield(r) {
				return false, nil
			}
		}
	}
	return true, fetched.Err
}
