package events

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What a partition may have open before its fetching is paused. The span holds
// what is done behind a record that is not, and is what a crash repeats.
const (
	openRecords = 2_000
	openBytes   = 16 << 20
	openSpan    = 20_000
)

// assignment is a partition that this member owns.
type assignment struct {
	topic     string
	partition int32
	ctx       context.Context //nolint:containedctx // of the handlers of its records
	cancel    context.CancelFunc

	mu      sync.Mutex
	tracker tracker
	open    int // records that are not done
	bytes   int // of their values
	running int // handlers under way
	closed  bool
	quiet   chan struct{} // closed when nothing runs any more after close
	paused  bool
	high    int64 // the end of the partition when it was last fetched
}

func newAssignment(ctx context.Context, topic string, partition int32) *assignment {
	ctx, cancel := context.WithCancel(ctx)
	return &assignment{topic: topic, partition: partition, ctx: ctx, cancel: cancel, quiet: make(chan struct{})}
}

// deliver takes in fetched records and reports whether fetching must pause.
func (a *assignment) deliver(records []*kgo.Record, high int64, take func(r *kgo.Record, number uint64)) (pause bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.high = high
	for _, r := range records {
		take(r, a.tracker.deliver(r))
		a.bytes += len(r.Value)
	}
	a.open += len(records)
	full := a.open >= openRecords || a.bytes >= openBytes || a.tracker.span() >= openSpan
	pause = full && !a.paused
	a.paused = a.paused || full
	return pause
}

// begin reports whether a record may still be handled.
func (a *assignment) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	a.running++
	return true
}

// end notes that a handler has returned, and whether its record is done. It
// reports whether fetching may go on.
func (a *assignment) end(t *task, done bool) (resume bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running--
	if done {
		a.tracker.finish(t.number)
		a.open--
		a.bytes -= len(t.record.Value)
	}
	if a.closed && a.running == 0 {
		close(a.quiet)
	}
	if a.paused && a.open <= openRecords/2 && a.bytes <= openBytes/2 && a.tracker.span() <= openSpan/2 {
		a.paused = false
		return true
	}
	return false
}

// close lets no further record begin.
func (a *assignment) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.closed = true
	if a.running == 0 {
		close(a.quiet)
	}
}

// drain waits for the handlers under way. At the deadline their contexts end,
// and they are waited for no longer.
func (a *assignment) drain(deadline <-chan time.Time) {
	select {
	case <-a.quiet:
	case <-deadline:
	}
	a.cancel()
}

// position returns how far may be committed; ok is false when that has been
// done.
func (a *assignment) position() (at kgo.EpochOffset, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tracker.next, a.tracker.moved
}

// committed notes that a position was.
func (a *assignment) committed(at kgo.EpochOffset) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tracker.next == at {
		a.tracker.moved = false
	}
}

// load returns the records that are not done, and those behind them that were
// not fetched yet.
func (a *assignment) load() (open int, lag int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.tracker.entries); n > 0 {
		return a.open, a.high - a.tracker.entries[n-1].offset - 1 + int64(a.open)
	}
	return a.open, max(0, a.high-a.tracker.next.Offset)
}
