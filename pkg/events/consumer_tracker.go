package events

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// tracker knows which of a partition's delivered records are done, and so how
// far may be committed: up to the first that is not. It goes by what was
// delivered and not by offsets, since compaction and transaction markers leave
// gaps.
type tracker struct {
	entries []entry // as delivered; the first is not done
	first   uint64  // the number of entries[0]
	bytes   int     // of the records of all entries
	next    kgo.EpochOffset
	moved   bool // next has not been committed yet
}

type entry struct {
	offset int64
	epoch  int32
	size   uint32
	done   bool
}

// expect makes room for n records.
func (t *tracker) expect(n int) { t.entries = slices.Grow(t.entries, n) }

// deliver takes in the next record and returns its number.
func (t *tracker) deliver(r *kgo.Record) uint64 {
	size := len(r.Key) + len(r.Value)
	t.entries = append(t.entries, entry{offset: r.Offset, epoch: r.LeaderEpoch, size: uint32(size)})
	t.bytes += size
	return t.first + uint64(len(t.entries)) - 1
}

// finish notes that a record is done.
func (t *tracker) finish(number uint64) {
	t.entries[number-t.first].done = true
	n := 0
	for n < len(t.entries) && t.entries[n].done {
		t.bytes -= int(t.entries[n].size)
		n++
	}
	if n == 0 {
		return
	}
	last := t.entries[n-1]
	t.next, t.moved = kgo.EpochOffset{Epoch: last.epoch, Offset: last.offset + 1}, true
	t.entries, t.first = t.entries[n:], t.first+uint64(n)
}

// span is how many records lie between the first that is not done and the last
// that was delivered: what would be handled again after a crash.
func (t *tracker) span() int { return len(t.entries) }
