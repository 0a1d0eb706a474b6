package events

import (
	"container/heap"
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// merge visits the records of all partitions in the order of their timestamps.
// It holds the next records of each; a lane asks for more of a partition when
// those that it brought last are being visited.
func (s *scan) merge(ctx context.Context) error {
	m := &merger{scan: s, sources: make(map[*cursor]*source)}
	for _, c := range s.cursors {
		if !c.done() {
			m.sources[c] = &source{}
		}
	}
	for s.open > 0 {
		var err error
		if m.ready.Len() < s.open {
			err = m.receive(ctx)
		} else {
			err = m.visitNext(ctx)
		}
		if err != nil {
			return err
		}
	}
	return s.flush()
}

type merger struct {
	*scan
	sources map[*cursor]*source
	ready   sourceHeap // those whose next record is known
}

// source is a partition. Chunk is the one whose records are being visited.
type source struct {
	queue   []*chunk
	chunk   *chunk
	records []*kgo.Record
}

// receive takes in one chunk.
func (m *merger) receive(ctx context.Context) error {
	ch, err := m.scan.receive(ctx, nil)
	if err != nil {
		return err
	}
	if !ch.hasRecords() && ch.err != nil { // its lane has ended, for which no partition can wait
		return ch.err
	}
	src := m.sources[ch.cursor]
	src.queue = append(src.queue, ch)
	if src.chunk == nil {
		return m.advance(ctx, src)
	}
	return nil
}

// advance goes on to the next chunk of a source that has a record.
func (m *merger) advance(ctx context.Context, src *source) error {
	for len(src.queue) > 0 {
		ch := src.queue[0]
		src.queue = src.queue[1:]
		if err := ch.wait(ctx); err != nil {
			return err
		}
		if ch.err != nil {
			return ch.err
		}
		m.more(ch.cursor)
		if src.records, _ = ch.out.([]*kgo.Record); len(src.records) > 0 {
			src.chunk = ch
			heap.Push(&m.ready, src)
			return nil
		}
		m.pass(ch)
	}
	return nil
}

// more lets the lane of a cursor ask for more when no chunk of it waits.
func (m *merger) more(c *cursor) {
	if c.queued.Add(-1) > 0 {
		return
	}
	select {
	case c.lane.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// visitNext visits the earliest record.
func (m *merger) visitNext(ctx context.Context) error {
	src := m.ready[0]
	r := src.records[0]
	src.records = src.records[1:]
	src.chunk.cursor.next = r.Offset + 1
	m.records++
	if err := m.visit(r); err != nil {
		return err
	}
	if len(src.records) > 0 {
		heap.Fix(&m.ready, 0)
		return nil
	}
	heap.Pop(&m.ready)
	m.pass(src.chunk)
	src.chunk = nil
	return m.advance(ctx, src)
}

// sourceHeap has the source with the earliest record first; of equal ones that
// of the lower partition.
type sourceHeap []*source

func (h sourceHeap) Len() int { return len(h) }

func (h sourceHeap) Less(i, j int) bool {
	a, b := h[i].records[0], h[j].records[0]
	if order := a.Timestamp.Compare(b.Timestamp); order != 0 {
		return order < 0
	}
	return a.Partition < b.Partition
}

func (h sourceHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *sourceHeap) Push(x any) { *h = append(*h, x.(*source)) }

func (h *sourceHeap) Pop() any {
	last := len(*h) - 1
	src := (*h)[last]
	*h = (*h)[:last]
	return src
}
