package events

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrBufferFull is wrapped by the [NotSentError] of a record for which no room
// was found in time.
var ErrBufferFull = errors.New("the producer's buffer is full")

// buffer bounds the records in memory, by number and by bytes, first come first
// served. It belongs to the sender's lock.
type buffer struct {
	records    int   // that there is room for
	bytes      int64 // likewise
	maxRecords int
	maxBytes   int64
	queue      []*place
}

// roomy is the part of the buffer that is free again when those who wait for room
// are woken.
const roomy = 8

// place is where one stands in the queue for room.
type place struct {
	weight int64
	given  chan struct{} // closed when there is room
}

func newBuffer(o ProducerOptions) *buffer {
	return &buffer{records: o.BufferRecords, bytes: o.BufferBytes, maxRecords: o.BufferRecords, maxBytes: o.BufferBytes}
}

// weight is what a record takes; one that is larger than all takes all.
func (b *buffer) weight(r *kgo.Record) int64 {
	n := len(r.Topic) + len(r.Key) + len(r.Value) + 256
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return min(int64(n), b.maxBytes)
}

// take takes room, or a place in the queue for it.
func (b *buffer) take(weight int64) *place {
	if len(b.queue) > 0 || !b.has(weight) {
		at := &place{weight: weight, given: make(chan struct{})}
		b.queue = append(b.queue, at)
		return at
	}
	b.records--
	b.bytes -= weight
	return nil
}

func (b *buffer) has(weight int64) bool { return b.records > 0 && b.bytes >= weight }

// release gives room back. Those who wait are not woken for the first that there
// is, only to wait again for more.
func (b *buffer) release(weight int64) {
	b.records++
	b.bytes += weight
	if b.records < b.maxRecords/roomy || b.bytes < b.maxBytes/roomy {
		return
	}
	for len(b.queue) > 0 && b.has(b.queue[0].weight) {
		first := b.queue[0]
		b.queue = b.queue[1:]
		b.records--
		b.bytes -= first.weight
		close(first.given)
	}
}

// leave leaves the queue, or gives back the room that came too late.
func (b *buffer) leave(at *place) {
	if i := slices.Index(b.queue, at); i >= 0 {
		b.queue = slices.Delete(b.queue, i, i+1)
		return
	}
	b.release(at.weight)
}

// awaitRoom waits in the queue until ctx ends, or for a time that is not 0.
func (x *sender) awaitRoom(ctx context.Context, wait time.Duration, at *place) error {
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, wait, ErrBufferFull)
		defer cancel()
	}
	select {
	case <-at.given:
		return nil
	case <-ctx.Done():
	}
	x.locked(func() { x.p.buffer.leave(at) })
	return context.Cause(ctx)
}
