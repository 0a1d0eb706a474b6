package dlq

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events/internal/transact"
)

const (
	// A batch becomes one transaction. It is gathered for so long, or until it has so many bytes or letters.
	batchTime    = 150 * time.Millisecond
	batchBytes   = 4 << 20
	batchLetters = 20_000
)

// worker replays one partition under its claim.
type worker struct {
	run       *run
	partition int32
	producer  *transact.Producer
	book      *book
	beat      time.Time // of the last claim that was written
	replayed  int64
}

// claim fences all others on the partition, says so in the ledger, and reads what was replayed.
func (r *run) claim(ctx context.Context, p int32) (*worker, error) {
	c := r.client
	producer, err := transact.Open(ctx, c.events, "suokectl.replay."+r.topic.name+"."+strconv.Itoa(int(p)),
		kgo.MaxBufferedRecords(2*batchLetters))
	if err != nil {
		return nil, err
	}
	w := &worker{run: r, partition: p, producer: producer}
	if err := w.begin(ctx); err != nil {
		w.release()
		return nil, err
	}
	return w, nil
}

func (w *worker) begin(ctx context.Context) error {
	c, t := w.run.client, w.run.topic
	if err := w.announce(ctx, false); err != nil {
		return err
	}
	span, err := c.settle(ctx, t.ledger(), w.partition)
	if err != nil {
		return err
	}
	books, err := c.readBooks(ctx, t, span, w.run.letters)
	if err != nil {
		return err
	}
	w.book = books[w.partition]
	return w.forget(ctx)
}

// forget tombstones the entries of letters that expired, so that the ledger does not grow for ever.
func (w *worker) forget(ctx context.Context) error {
	for stale := w.book.stale; len(stale) > 0; {
		n := min(len(stale), batchLetters)
		err := w.transact(ctx, func(tx *transact.Tx) error {
			for _, offset := range stale[:n] {
				tx.Produce(&kgo.Record{Topic: w.run.topic.ledger(), Partition: w.partition, Key: strconv.AppendInt(nil, offset, 10)})
			}
			return nil
		})
		if err != nil {
			return err
		}
		stale = stale[n:]
	}
	return nil
}

func (w *worker) heartbeat(tx *transact.Tx, released bool) {
	w.beat = time.Now()
	tx.Produce(claim{Owner: w.run.opts.Owner, Released: released}.record(w.run.topic.ledger(), w.partition))
}

// announce writes the claim in a transaction of its own.
func (w *worker) announce(ctx context.Context, released bool) error {
	return w.transact(ctx, func(tx *transact.Tx) error {
		w.heartbeat(tx, released)
		return nil
	})
}

// replay reads the letters in batches and commits each with its part of the ledger. What is left moves behind each.
func (w *worker) replay(ctx context.Context, left *span) error {
	letters, err := w.run.client.open(ctx, w.run.topic.name, map[int32]span{w.partition: *left})
	if err != nil {
		return err
	}
	defer letters.close()
	for {
		batch, count, err := w.gather(ctx, letters)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if failed := w.commit(ctx, batch, &count); failed != nil {
			return failed
		}
		w.run.add(count)
		if err != nil {
			return nil
		}
		left.start = letters.position(w.partition, left.end)
	}
}

// gather reads until a batch is full or its time is over; at the end of the partition the error is io.EOF.
func (w *worker) gather(ctx context.Context, letters *reader) ([]outgoing, tally, error) {
	var batch []outgoing
	count := tally{skipped: map[string]int64{}, targets: map[string]int64{}}
	bytes := 0
	wait := idle
	for began := time.Now(); bytes < batchBytes && len(batch) < batchLetters && time.Since(began) < batchTime; {
		records, err := letters.next(ctx, wait)
		if err != nil {
			return batch, count, err
		}
		for _, record := range records {
			l := w.run.client.letterOf(record)
			if out, ok := w.wanted(&l, &count); ok {
				batch = append(batch, out)
				bytes += len(out.record.Key) + len(out.record.Value)
			}
		}
		wait = max(time.Millisecond, batchTime-time.Since(began))
	}
	return batch, count, nil
}

// outgoing is a letter on its way: its offset, and the record as it was before it failed.
type outgoing struct {
	letter int64
	record *kgo.Record
}

// wanted sorts a letter into its count, and gives the record to produce when it is to be replayed.
func (w *worker) wanted(l *Letter, count *tally) (outgoing, bool) {
	count.read++
	if !w.run.opts.Selection.Has(l) {
		count.unselected++
		return outgoing{}, false
	}
	if w.book.done.has(l.Offset) {
		count.already++
		return outgoing{}, false
	}
	record := w.run.client.restore(l)
	record.Partition = w.run.targets.partition(l)
	if why := w.run.targets.refuse(record); why != "" {
		count.skipped[why]++
		return outgoing{}, false
	}
	return outgoing{l.Offset, record}, true
}

// commit produces the letters and their entries in one transaction. With no letters it keeps the claim alive.
func (w *worker) commit(ctx context.Context, batch []outgoing, count *tally) error {
	due := time.Since(w.beat) > heartbeatEvery
	if len(batch) == 0 && !due {
		return nil
	}
	if err := w.run.sameTopic(ctx); err != nil {
		return err
	}
	err := w.transact(ctx, func(tx *transact.Tx) error {
		if due {
			w.heartbeat(tx, false)
		}
		return w.produce(tx, batch)
	})
	if err != nil {
		return err
	}
	for i := range batch {
		w.book.done.set(batch[i].letter, true)
		count.targets[batch[i].record.Topic]++
	}
	count.replayed = int64(len(batch))
	w.replayed += count.replayed
	return nil
}

// produce awaits the letters' offsets in their targets before it writes the entries that name them.
func (w *worker) produce(tx *transact.Tx, batch []outgoing) error {
	for _, out := range batch {
		tx.Produce(out.record)
	}
	if err := tx.Flush(); err != nil {
		return err
	}
	for _, out := range batch {
		r := out.record
		entry := Entry{Letter: out.letter, Outcome: OutcomeReplayed, Target: r.Topic, Partition: r.Partition, Offset: r.Offset}
		tx.Produce(entry.record(w.run.topic.ledger(), w.partition))
	}
	return nil
}

// release gives the claim back, also when the run was interrupted. A broken worker leaves it to die.
func (w *worker) release() {
	defer w.producer.Close()
	if w.producer.Broken() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), transact.Timeout)
	defer cancel()
	_ = w.announce(ctx, true) // it dies by itself otherwise
}

// transact runs a transaction. An error is a *FencedError, with the name of whose claim stands in the ledger now, or
// what failed.
func (w *worker) transact(ctx context.Context, fill func(*transact.Tx) error) error {
	err := w.producer.Do(ctx, fill)
	if !transact.IsFenced(err) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), transact.Timeout)
	defer cancel()
	fenced := &FencedError{Topic: w.run.topic.name, Partition: w.partition, Err: err}
	books, failed := w.run.client.books(ctx, w.run.topic)
	if failed == nil && books[w.partition].claim != nil && books[w.partition].claim.Owner != w.run.opts.Owner {
		fenced.Owner = books[w.partition].claim.Owner
	}
	return fenced
}
