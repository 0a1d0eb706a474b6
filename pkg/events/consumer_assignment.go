package events

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/spec"
)

// assignment is a partition that this member owns, and what of it is not done.
// It is guarded by its queue.
type assignment struct {
	topic     string
	partition int32
	promised  spec.Topic      // what events must agree with
	ctx       context.Context //nolint:containedctx // of the handlers of its records
	cancel    context.CancelCauseFunc

	tracker tracker
	lines   map[string]*line // by key
	parked  map[*line]struct{}
	next    int64         // the offset behind the last that was fetched; 0 before the first
	open    int           // records that are not done
	running int           // handlers under way
	high    int64         // the end of the partition when it was last fetched
	full    time.Time     // since when it is; zero when it is not
	paused  bool          // it is not fetched from
	closed  bool          // nothing of it begins any more
	quiet   chan struct{} // closed once it is closed and nothing runs
	// forgotten is that it is not this member's any more.
	forgotten bool
}

func newAssignment(ctx context.Context, topic string, partition int32, promised spec.Topic) *assignment {
	ctx, cancel := context.WithCancelCause(ctx)
	return &assignment{
		topic: topic, partition: partition, promised: promised, ctx: ctx, cancel: cancel,
		lines: map[string]*line{}, parked: map[*line]struct{}{}, quiet: make(chan struct{}),
	}
}

func (a *assignment) name() map[string][]int32 { return map[string][]int32{a.topic: {a.partition}} }

// add puts a record at the end of its key's line, and returns that if it is new.
func (a *assignment) add(t *task) *line {
	key := t.record.Key
	if l := a.lines[string(key)]; l != nil && key != nil {
		l.tail.next = t
		l.tail = t
		return nil
	}
	l := &line{assignment: a, keyed: key != nil, head: t, tail: t}
	if l.keyed {
		l.key = string(key)
		a.lines[l.key] = l
	}
	return l
}

// remove takes the first record, which is done, out of its line, and reports
// whether there are more.
func (a *assignment) remove(l *line) (more bool) {
	a.tracker.finish(l.head.number)
	a.open--
	l.head = l.head.next
	if l.head == nil && l.keyed {
		delete(a.lines, l.key)
	}
	return l.head != nil
}

// close lets no further record begin.
func (a *assignment) close() {
	if a.closed {
		return
	}
	a.closed = true
	for l := range a.parked {
		l.timer.Stop()
	}
	a.lines, a.parked = nil, nil
	if a.running == 0 {
		close(a.quiet)
	}
}

// lag is how many records are not done, those that were not fetched included.
func (a *assignment) lag() int64 {
	fetched := a.tracker.next.Offset
	if n := len(a.tracker.entries); n > 0 {
		fetched = a.tracker.entries[n-1].offset + 1
	}
	return max(0, a.high-fetched) + int64(a.open)
}

// deliver takes in fetched records and returns the lines that they begin.
func (a *assignment) deliver(records []*kgo.Record, tasks []task, begin func(*line)) {
	a.tracker.expect(len(records))
	for i, r := range records {
		tasks[i] = task{record: r, number: a.tracker.deliver(r)}
		if l := a.add(&tasks[i]); l != nil {
			begin(l)
		}
	}
	a.open += len(records)
}
