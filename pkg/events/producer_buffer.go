package events

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/semaphore"
)

// ErrBufferFull is wrapped by the [NotSentError] of a record for which no room
// was found in time.
var ErrBufferFull = errors.New("the producer's buffer is full")

// buffer bounds the records in memory, by number and by bytes, first come first
// served.
type buffer struct {
	records  *semaphore.Weighted
	bytes    *semaphore.Weighted
	maxBytes int64
}

func newBuffer(o ProducerOptions) *buffer {
	return &buffer{
		records:  semaphore.NewWeighted(int64(o.BufferRecords)),
		bytes:    semaphore.NewWeighted(o.BufferBytes),
		maxBytes: o.BufferBytes,
	}
}

// weight is what a record takes; one that is larger than all takes all.
func (b *buffer) weight(r Record) int64 {
	n := len(r.Topic) + len(r.Key) + len(r.Value) + 256
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return min(int64(n), b.maxBytes)
}

// acquire waits for room until ctx ends, or for a time that is not 0.
func (b *buffer) acquire(ctx context.Context, wait time.Duration, weight int64) error {
	if b.records.TryAcquire(1) {
		if b.bytes.TryAcquire(weight) {
			return nil
		}
		b.records.Release(1)
	}
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, wait, ErrBufferFull)
		defer cancel()
	}
	if err := b.records.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	if err := b.bytes.Acquire(ctx, weight); err != nil {
		b.records.Release(1)
		return context.Cause(ctx)
	}
	return nil
}

func (b *buffer) release(weight int64) {
	b.bytes.Release(weight)
	b.records.Release(1)
}
