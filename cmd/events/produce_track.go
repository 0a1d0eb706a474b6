package events

import (
	"strconv"
	"strings"

	"github.com/suokelife/suokectl/cmd/events/intake"
)

// tracker knows up to where in the input all records are settled.
type tracker struct {
	done  intake.Position // everything before it is settled
	first int             // the sequence of open[0]
	open  []openRecord    // from the first that is not settled
	all   []openRecord    // the memory of open, from its beginning
}

type openRecord struct {
	next    intake.Position
	settled bool
}

// begin takes the next records, and returns the sequence of the first.
func (t *tracker) begin(items []intake.Item) (first int) {
	first = t.first + len(t.open)
	if len(t.open)+len(items) > cap(t.open) && len(t.open) <= cap(t.all)/2 {
		t.open = append(t.all[:0], t.open...) // there is room enough in front
	}
	for i := range items {
		t.open = append(t.open, openRecord{next: items[i].Next})
	}
	if cap(t.open) > cap(t.all) {
		t.all = t.open
	}
	return first
}

func (t *tracker) settle(sequence int) {
	t.open[sequence-t.first].settled = true
	n := 0
	for n < len(t.open) && t.open[n].settled {
		n++
	}
	if n == 0 {
		return
	}
	t.done = t.open[n-1].next
	t.first += n
	t.open = t.open[n:]
}

// settled reports that every record is.
func (t *tracker) settled() bool { return len(t.open) == 0 }

// lineSet is a set of line numbers, kept as a bitmap.
type lineSet struct{ words []uint64 }

func (s *lineSet) add(line int) {
	for len(s.words) <= line/64 {
		s.words = append(s.words, 0)
	}
	s.words[line/64] |= 1 << (line % 64)
}

func (s *lineSet) has(line int) bool {
	return line/64 < len(s.words) && s.words[line/64]&(1<<(line%64)) != 0
}

// String names the lines as ranges: 1-3,5.
func (s *lineSet) String() string {
	var ranges []string
	for line := 0; line < len(s.words)*64; line++ {
		if !s.has(line) {
			continue
		}
		first := line
		for s.has(line + 1) {
			line++
		}
		text := strconv.Itoa(first)
		if line > first {
			text += "-" + strconv.Itoa(line)
		}
		ranges = append(ranges, text)
	}
	return strings.Join(ranges, ",")
}
