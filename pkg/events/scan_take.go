package events

import (
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/suokelife/suokectl/pkg/events/internal/batch"
	"github.com/suokelife/suokectl/pkg/events/internal/lent"
)

// take hands on what a broker answers for a partition. It reports whether the
// cursor has moved.
func (l *scanLane) take(ctx context.Context, c *cursor, answer *kmsg.FetchResponseTopicPartition, loan *lent.Loan, filled bool) (moved bool, err error) {
	switch err := kerr.ErrorForCode(answer.ErrorCode); {
	case err == nil:
	case errors.Is(err, kerr.OffsetOutOfRange):
		return l.skipExpired(ctx, c)
	case kerr.IsRetriable(err), errors.Is(err, kerr.InconsistentTopicID):
		l.lose([]*cursor{c}, err)
		return false, nil
	default:
		return false, err
	}
	before := c.fetch
	if err := l.cut(c, answer, loan); err != nil {
		return false, err
	}
	// Nothing follows where the broker answers with nothing and has read to the
	// end: the rest was compacted away.
	if !filled && len(answer.RecordBatches) == 0 && l.readable(answer) >= c.until {
		l.add(&chunk{cursor: c, next: c.until})
	}
	return c.fetch > before, nil
}

// cut parts the batches of an answer into chunks, without those that nobody is
// to see.
func (l *scanLane) cut(c *cursor, answer *kmsg.FetchResponseTopicPartition, loan *lent.Loan) error {
	aborted := newAborted(answer)
	ch, size := &chunk{cursor: c, loan: loan}, 0
	for in := answer.RecordBatches; ; {
		b, rest, ok, err := batch.Cut(in)
		if err != nil {
			return err
		}
		if in = rest; !ok || b.First >= c.until {
			if ok {
				ch.next = c.until
			}
			break
		}
		if b.Last < c.fetch || b.Last < ch.next {
			continue
		}
		ch.next = min(b.Last+1, c.until)
		if hidden := aborted.hides(&b) && !l.o.Uncommitted; b.IsControl() || hidden {
			continue
		}
		ch.batches = append(ch.batches, b)
		if size += len(b.Raw()); size >= chunkBytes {
			l.add(ch)
			ch, size = &chunk{cursor: c, loan: loan}, 0
		}
	}
	if ch.next > c.fetch {
		l.add(ch)
	}
	return nil
}

// add puts a chunk among those to be handed on; what follows it is asked for from
// then on.
func (l *scanLane) add(ch *chunk) {
	c := ch.cursor
	ch.from = c.fetch
	if ch.err == nil {
		c.fetch = ch.next
	}
	if len(ch.batches) > 0 {
		ch.done = make(chan struct{})
		ch.loan.Share()
	}
	c.queued.Add(1)
	l.chunks = append(l.chunks, ch)
}

// handOn gives away what was added, until ctx ends.
func (l *scanLane) handOn(ctx context.Context) {
	for _, ch := range l.chunks {
		select {
		case l.ready <- ch:
		case <-ctx.Done():
			return
		}
		if !ch.hasRecords() {
			continue
		}
		select {
		case l.todo <- ch:
		case <-ctx.Done():
			return
		}
	}
	clear(l.chunks)
	l.chunks = l.chunks[:0]
}

// readable is where the log ends for this scan's isolation.
func (l *scanLane) readable(answer *kmsg.FetchResponseTopicPartition) int64 {
	if l.o.Uncommitted {
		return answer.HighWatermark
	}
	return answer.LastStableOffset
}

// skipExpired moves a cursor to the start of a log that begins behind it.
func (l *scanLane) skipExpired(ctx context.Context, c *cursor) (moved bool, err error) {
	listed, err := l.admin.ListStartOffsets(ctx, l.o.Topic)
	start, ok := listed.Lookup(l.o.Topic, c.id)
	switch {
	case err != nil || !ok || start.Err != nil:
		l.lose([]*cursor{c}, kerr.OffsetOutOfRange)
		return false, nil
	case start.Offset <= c.fetch:
		l.lose([]*cursor{c}, errBehind)
		return false, nil
	}
	next := min(start.Offset, c.until)
	l.add(&chunk{cursor: c, next: next, expired: next - c.fetch})
	return true, nil
}

// aborted knows which batches of an answer belong to transactions that were
// aborted. The broker lists those transactions by producer and first offset;
// each ends with its marker.
type aborted struct {
	coming []kmsg.FetchResponseTopicPartitionAbortedTransaction // by their first offset
	open   map[int64]bool                                       // by producer
}

func newAborted(answer *kmsg.FetchResponseTopicPartition) *aborted {
	a := &aborted{coming: answer.AbortedTransactions}
	if len(a.coming) > 0 {
		a.open = make(map[int64]bool)
		slices.SortFunc(a.coming, func(x, y kmsg.FetchResponseTopicPartitionAbortedTransaction) int {
			return int(min(max(x.FirstOffset-y.FirstOffset, -1), 1))
		})
	}
	return a
}

// hides is asked about each batch in its turn.
func (a *aborted) hides(b *batch.Batch) bool {
	for len(a.coming) > 0 && a.coming[0].FirstOffset <= b.Last {
		a.open[a.coming[0].ProducerID] = true
		a.coming = a.coming[1:]
	}
	if len(a.open) == 0 || !b.IsTransactional() {
		return false
	}
	if b.IsAbort() {
		delete(a.open, b.ProducerID())
	}
	return a.open[b.ProducerID()]
}
