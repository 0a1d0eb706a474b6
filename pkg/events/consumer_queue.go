package events

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/spec"
)

// What may be in memory before no more is fetched: of all partitions, which have
// equal shares of it, and of one. It is counted over the span from the first
// record that is not done to the last that was fetched, for that is what a crash
// repeats, and what a record holds in memory is the whole batch that it came in.
const (
	mostRecords          = 50_000
	mostBytes            = 32 << 20
	mostPartitionRecords = 20_000
	// mostHeldBytes is with those of the partitions that are paused, each of which
	// a single batch may have made much fuller than its share: they hold up the
	// others only when that is too much.
	mostHeldBytes = 4 * mostBytes
	// fewReady is how many lines are waiting for a worker when more is fetched.
	fewReady = spec.ConsumerMaxPoll / 2
	// pausePatience is how long a partition may be full before its fetching is
	// paused, which throws away what the client has fetched ahead.
	pausePatience = 100 * time.Millisecond
)

// queue is what a member has fetched and not done. It gives the lines of all
// partitions to workers, first come first served, and knows how far each
// partition may be committed.
type queue struct {
	ctx   context.Context //nolint:containedctx // above those of the handlers
	kafka *kgo.Client     // set before the first poll
	// promised is what the names of topics say of their events, as far as it is
	// held against them: an event of another version is not what a handler is for.
	promised map[string]spec.Topic

	mu       sync.Mutex
	work     sync.Cond     // a line is ready for an idle worker, or the queue was stopped
	room     chan struct{} // told when the poll loop should look again
	ready    fifo
	idle     int  // workers
	held     bool // by Consumer.Pause
	stopped  bool
	assigned map[topicPartition]*assignment
	records  int // of all spans
	bytes    int
	stats    Stats
}

type topicPartition struct {
	topic     string
	partition int32
}

func newQueue(conventions spec.Conventions, topics []string) *queue {
	promised := map[string]spec.Topic{}
	for _, topic := range topics {
		if parts, err := conventions.ParseTopic(topic); err == nil {
			promised[topic] = spec.Topic{Version: parts.Version}
		}
	}
	q := &queue{promised: promised, room: make(chan struct{}, 1), assigned: map[topicPartition]*assignment{}}
	q.work.L = &q.mu
	return q
}

// look has the poll loop look again.
func (q *queue) look() {
	select {
	case q.room <- struct{}{}:
	default:
	}
}

// deliver takes in what was fetched of a partition, which is this member's: no
// rebalance comes between a poll and what is done with it. It returns what was
// deleted before it could be fetched.
func (q *queue) deliver(p kgo.FetchTopicPartition) *LostError {
	if len(p.Records) == 0 {
		return nil
	}
	tasks := make([]task, len(p.Records))
	q.mu.Lock()
	defer q.mu.Unlock()
	of := topicPartition{p.Topic, p.Partition}
	a := q.assigned[of]
	if a == nil {
		a = newAssignment(q.ctx, p.Topic, p.Partition, q.promised[p.Topic])
		q.assigned[of] = a
	}
	a.high = p.HighWatermark
	lost := q.lost(a, p)
	q.measured(a, func() { a.deliver(p.Records, tasks, q.begin) })
	return lost
}

// begin puts a line at the end of those that wait for a worker.
func (q *queue) begin(l *line) {
	q.ready.push(l)
	if q.idle > 0 && !q.held {
		q.work.Signal()
	}
}

// measured changes an assignment and keeps count of what is held in memory.
func (q *queue) measured(a *assignment, change func()) {
	if a.forgotten {
		change()
		return
	}
	records, bytes := a.tracker.span(), a.tracker.bytes
	change()
	q.records += a.tracker.span() - records
	q.bytes += a.tracker.bytes - bytes
	mayRecords, mayBytes := min(mostPartitionRecords, mostRecords/len(q.assigned)), mostBytes/len(q.assigned)
	switch records, bytes := a.tracker.span(), a.tracker.bytes; {
	case (records >= mayRecords || bytes >= mayBytes) && a.full.IsZero():
		a.full = time.Now()
	case records <= mayRecords/2 && bytes <= mayBytes/2 && !a.full.IsZero():
		a.full = time.Time{}
		q.resume(a)
		q.look()
	}
}

func (q *queue) resume(a *assignment) {
	if a.paused {
		a.paused = false
		q.kafka.ResumeFetchPartitions(a.name())
	}
}

// wanted reports whether more is to be fetched. If not, it says how long that is
// so at least, unless the poll loop is told to look earlier; 0 is until it is.
func (q *queue) wanted() (yes bool, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held || q.ready.size > fewReady {
		return false, 0
	}
	paused := 0 // bytes
	for _, a := range q.assigned {
		if a.paused {
			paused += a.tracker.bytes
		}
		if a.full.IsZero() || a.paused {
			continue
		}
		if wait = pausePatience - time.Since(a.full); wait > 0 {
			return false, wait
		}
		a.paused = true
		paused += a.tracker.bytes
		q.kafka.PauseFetchPartitions(a.name())
	}
	if q.records >= mostRecords || q.bytes-paused >= mostBytes || q.bytes >= mostHeldBytes {
		return false, pausePatience
	}
	return true, 0
}

// outcome is what became of a try of a line's first record.
type outcome struct {
	verdict fate
	wait    time.Duration // before the next try
}

type fate int

const (
	dropped fate = iota // it is not done, and nobody here tries it again
	retried             // it is to be tried again, after a wait
	handled             // and so done, like the following
	skipped
	duplicate
	deadLettered
)

// count returns the number that a fate adds to; nil for none.
func (v fate) count(s *Stats) *int64 {
	switch v {
	case retried:
		return &s.Retried
	case handled:
		return &s.Handled
	case skipped:
		return &s.Skipped
	case duplicate:
		return &s.Duplicates
	case deadLettered:
		return &s.DeadLettered
	}
	return nil
}

// next ends a worker's turn at a line, if it had one, and returns the line of
// its next turn; nil when the queue was stopped.
func (q *queue) next(l *line, o outcome) *line {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l != nil {
		q.end(l, o)
	}
	for !q.stopped {
		if l := q.pop(); l != nil {
			l.assignment.running++
			return l
		}
		q.idle++
		q.work.Wait()
		q.idle--
	}
	return nil
}

func (q *queue) pop() *line {
	if q.held {
		return nil
	}
	for l := q.ready.pop(); l != nil; l = q.ready.pop() {
		if q.ready.size == fewReady {
			q.look()
		}
		if !l.assignment.closed {
			return l
		}
	}
	return nil
}

func (q *queue) end(l *line, o outcome) {
	a := l.assignment
	if n := o.verdict.count(&q.stats); n != nil {
		*n++
	}
	switch {
	case o.verdict >= handled:
		more := false
		q.measured(a, func() { more = a.remove(l) })
		if more {
			q.begin(l)
		}
	case o.verdict == retried && !a.closed:
		a.parked[l] = struct{}{}
		l.timer = time.AfterFunc(o.wait, func() { q.unpark(l) })
	}
	if a.running--; a.closed && a.running == 0 {
		close(a.quiet)
	}
}

// unpark makes a line ready whose wait is over.
func (q *queue) unpark(l *line) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, parked := l.assignment.parked[l]; parked {
		delete(l.assignment.parked, l)
		q.begin(l)
	}
}

// hold keeps workers from beginning anything, or lets them.
func (q *queue) hold(held bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held = held
	if !held {
		q.work.Broadcast()
		q.look()
	}
}

// close lets nothing more begin of partitions, which stay this member's.
func (q *queue) close(of []*assignment) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, a := range of {
		a.close()
	}
}

// stop lets nothing more begin of any partition, and ends the workers.
func (q *queue) stop() []*assignment {
	all := q.all()
	q.close(all)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	q.work.Broadcast()
	return all
}

func (q *queue) all() []*assignment {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := make([]*assignment, 0, len(q.assigned))
	for _, a := range q.assigned {
		all = append(all, a)
	}
	return all
}

// of returns those of partitions that anything was fetched from.
func (q *queue) of(partitions map[string][]int32) []*assignment {
	q.mu.Lock()
	defer q.mu.Unlock()
	var some []*assignment
	for topic, numbers := range partitions {
		for _, partition := range numbers {
			if a := q.assigned[topicPartition{topic, partition}]; a != nil {
				some = append(some, a)
			}
		}
	}
	return some
}

// forget removes partitions that are not this member's any more.
func (q *queue) forget(gone []*assignment) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, a := range gone {
		of := topicPartition{a.topic, a.partition}
		if q.assigned[of] != a {
			continue
		}
		a.forgotten = true
		q.records -= a.tracker.span()
		q.bytes -= a.tracker.bytes
		delete(q.assigned, of)
		q.resume(a) // whoever gets it back begins anew
	}
	q.look()
}

// positions returns how far partitions may be committed, where that has changed.
func (q *queue) positions(of []*assignment) map[*assignment]kgo.EpochOffset {
	q.mu.Lock()
	defer q.mu.Unlock()
	moved := map[*assignment]kgo.EpochOffset{}
	for _, a := range of {
		if a.tracker.moved {
			moved[a] = a.tracker.next
		}
	}
	return moved
}

// committed notes that positions were.
func (q *queue) committed(positions map[*assignment]kgo.EpochOffset) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for a, at := range positions {
		if a.tracker.next == at {
			a.tracker.moved = false
		}
	}
}

// rebalanced counts.
func (q *queue) rebalanced() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Rebalances++
}

func (q *queue) numbers() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	for _, a := range q.assigned {
		s.InFlight += int64(a.open)
		s.Lag += a.lag()
	}
	return s
}
