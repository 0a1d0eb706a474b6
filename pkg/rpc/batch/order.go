package batch

import (
	"bufio"
	"context"
	"io"
	"sync"
)

// The bounds of what waits for an earlier line to end.
const (
	maxWindow = 4096     // lines
	maxHeld   = 64 << 20 // bytes of their results
)

// order writes results in the order in which their places were reserved. No place
// is given away while too much waits.
type order struct {
	mu       sync.Mutex
	moved    *sync.Cond
	out      *bufio.Writer
	window   int
	reserved int            // places
	written  int            // and those before which all is written
	waiting  map[int][]byte // results by place
	held     int            // their bytes
	err      error          // of out
}

func newOrder(out io.Writer, window int) *order {
	o := &order{out: bufio.NewWriterSize(out, 64<<10), window: window, waiting: map[int][]byte{}}
	o.moved = sync.NewCond(&o.mu)
	return o
}

// reserve returns the next place; not ok when ctx ends before there is one.
func (o *order) reserve(ctx context.Context) (place int, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.full() {
		stop := context.AfterFunc(ctx, func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.moved.Broadcast()
		})
		defer stop()
	}
	for o.full() && ctx.Err() == nil {
		o.moved.Wait()
	}
	o.reserved++
	return o.reserved - 1, ctx.Err() == nil
}

func (o *order) full() bool { return o.reserved-o.written >= o.window || o.held > maxHeld }

// put takes the result of a place, and returns the first error of writing.
func (o *order) put(place int, text []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if place != o.written {
		o.waiting[place] = text
		o.held += len(text)
		return o.err
	}
	for ok := true; ok; text, ok = o.take(o.written) {
		o.write(text)
		o.written++
	}
	o.moved.Signal()
	return o.err
}

func (o *order) take(place int) ([]byte, bool) {
	text, ok := o.waiting[place]
	if ok {
		delete(o.waiting, place)
		o.held -= len(text)
	}
	return text, ok
}

func (o *order) write(text []byte) {
	if o.err == nil {
		_, o.err = o.out.Write(text)
	}
}

// flush shows what has been written so far.
func (o *order) flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = o.out.Flush()
	}
	return o.err
}

// finish writes what is left, although lines before it have no result.
func (o *order) finish() error {
	o.mu.Lock()
	for ; o.written < o.reserved; o.written++ {
		if text, ok := o.take(o.written); ok {
			o.write(text)
		}
	}
	o.mu.Unlock()
	return o.flush()
}
