package events

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// task is a record on its way to its end.
type task struct {
	record   *kgo.Record
	number   uint64 // of the record in the assignment's tracker
	attempts int    // of its handler
	unread   int    // how often its value could not be decoded for now
	next     *task  // behind it in its line
}

// line is the records of a key in a partition that are not done, in their order.
// It is in one place at a time: ready, at a worker, or parked until its first
// record is tried again. A record without a key is a line of its own.
type line struct {
	assignment *assignment
	key        string
	keyed      bool
	head, tail *task
	timer      *time.Timer // while it is parked
}

// fifo is a queue of lines that grows as it must.
type fifo struct {
	ring     []*line
	at, size int
}

func (f *fifo) push(l *line) {
	if f.size == len(f.ring) {
		grown := make([]*line, max(64, 2*f.size))
		n := copy(grown, f.ring[f.at:])
		copy(grown[n:], f.ring[:f.at])
		f.ring, f.at = grown, 0
	}
	f.ring[(f.at+f.size)%len(f.ring)] = l
	f.size++
}

// pop returns the first line, or nil.
func (f *fifo) pop() *line {
	if f.size == 0 {
		return nil
	}
	l := f.ring[f.at]
	f.ring[f.at] = nil
	f.at = (f.at + 1) % len(f.ring)
	f.size--
	return l
}
