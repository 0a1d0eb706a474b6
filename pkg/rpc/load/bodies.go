package load

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/mem"
)

// ahead is how many generated bodies may wait to be sent.
const ahead = 4096

// Bodies are the encoded messages that calls send. They serve one run.
type Bodies struct {
	fixed    []request
	turn     atomic.Uint64
	generate func(n uint64) ([]byte, error)
	queue    chan request
}

// request is a message as gRPC takes it, made once for all calls that send it.
type request struct {
	data mem.BufferSlice
	size int
}

func newRequest(body []byte) request {
	return request{data: mem.BufferSlice{mem.SliceBuffer(body)}, size: len(body)}
}

// Fixed bodies are sent in turn. They must not be changed any more.
func Fixed(bodies ...[]byte) *Bodies {
	b := &Bodies{fixed: make([]request, len(bodies))}
	for i, body := range bodies {
		b.fixed[i] = newRequest(body)
	}
	if len(bodies) == 0 {
		b.fixed = []request{newRequest(nil)}
	}
	return b
}

// Generated bodies are made ahead of the calls by several goroutines. Body n,
// counted from 0, should depend on n alone, so that every run sends the same
// ones; they are sent in about that order. An error ends the run.
func Generated(generate func(n uint64) ([]byte, error)) *Bodies {
	return &Bodies{generate: generate, queue: make(chan request, ahead)}
}

// start makes bodies until ctx ends, and returns once the first are there. The
// number of those wanted is 0 when it is not known. wait waits for the end of all
// goroutines.
func (b *Bodies) start(ctx context.Context, wanted int, fail func(error)) (wait func()) {
	if b.generate == nil {
		return func() {}
	}
	var next atomic.Uint64
	var running sync.WaitGroup
	ready := make(chan struct{})
	first := uint64(ahead)
	if wanted > 0 {
		first = min(first, uint64(wanted))
	}
	var made atomic.Uint64
	for range max(1, runtime.GOMAXPROCS(0)-1) {
		running.Go(func() {
			for ctx.Err() == nil {
				n := next.Add(1) - 1
				body, err := b.generate(n)
				if err != nil {
					fail(fmt.Errorf("make request %d: %w", n+1, err))
					return
				}
				select {
				case b.queue <- newRequest(body):
				case <-ctx.Done():
					return
				}
				if made.Add(1) == first {
					close(ready)
				}
			}
		})
	}
	select {
	case <-ready:
	case <-ctx.Done():
	}
	return running.Wait
}

// take returns the next body; it is not ok when ctx ended.
func (b *Bodies) take(ctx context.Context) (body *request, ok bool) {
	if b.generate == nil {
		if len(b.fixed) == 1 {
			return &b.fixed[0], true
		}
		n := uint64(len(b.fixed))
		return &b.fixed[(b.turn.Add(1)-1)%n], true
	}
	select {
	case made := <-b.queue:
		return &made, true
	case <-ctx.Done():
		return nil, false
	}
}
