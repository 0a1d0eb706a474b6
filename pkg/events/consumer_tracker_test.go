package events

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// TestTrackerAgreesWithItsModel: whatever is delivered and done in whatever
// order, the position is behind the last record before the first that is not
// done.
func TestTrackerAgreesWithItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tr tracker
		var offsets []int64 // as delivered
		var done []bool
		offset := int64(0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			var undone []int
			for i := range done {
				if !done[i] {
					undone = append(undone, i)
				}
			}
			if len(undone) == 0 || rapid.Bool().Draw(t, "deliver") {
				offset += rapid.Int64Range(1, 5).Draw(t, "gap") // compaction and markers leave them
				number := tr.deliver(&kgo.Record{Offset: offset, LeaderEpoch: int32(offset % 7), Value: make([]byte, offset%3)})
				if number != uint64(len(offsets)) {
					t.Fatalf("record %d has the number %d", len(offsets), number)
				}
				offsets, done = append(offsets, offset), append(done, false)
			} else {
				i := rapid.SampledFrom(undone).Draw(t, "done")
				tr.finish(uint64(i))
				done[i] = true
			}
			first := slices.Index(done, false)
			if first < 0 {
				first = len(done)
			}
			want, bytes := kgo.EpochOffset{}, 0
			if first > 0 {
				want = kgo.EpochOffset{Epoch: int32(offsets[first-1] % 7), Offset: offsets[first-1] + 1}
			}
			for _, o := range offsets[first:] {
				bytes += int(o % 3)
			}
			if tr.next != want || tr.moved != (first > 0) || tr.span() != len(offsets)-first || tr.bytes != bytes {
				t.Fatalf("at %+v with %d records of %d bytes open, want %+v, %d, %d", tr.next, tr.span(), tr.bytes, want, len(offsets)-first, bytes)
			}
		}
	})
}

// TestTrackerHoldsNoMemoryOfWhatIsDone: its room is that of what is open, though
// a million went through.
func TestTrackerHoldsNoMemoryOfWhatIsDone(t *testing.T) {
	var tr tracker
	const open = 100
	for i := range uint64(1_000_000) {
		tr.deliver(&kgo.Record{Offset: int64(i)})
		if i >= open {
			tr.finish(i - open)
		}
	}
	if n := cap(tr.entries); n > 10*open {
		t.Fatalf("%d open records take the room of %d", open, n)
	}
}

// TestWindowRemembersTheLastIDs, each once, and no others.
func TestWindowRemembersTheLastIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "size")
		w := newWindow(n)
		var last []string
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			id := fmt.Sprint(rapid.IntRange(0, 15).Draw(t, "id"))
			if w.has(id) != slices.Contains(last, id) {
				t.Fatalf("of %v it says %t of %s", last, w.has(id), id)
			}
			w.add(id)
			if !slices.Contains(last, id) {
				last = append(last, id)
				last = last[max(0, len(last)-n):]
			}
		}
		if len(w.ids) != len(last) {
			t.Fatalf("it holds %d ids, want %v", len(w.ids), last)
		}
	})
}
