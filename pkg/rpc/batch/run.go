package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/suokelife/suokectl/pkg/rpc"
)

// Config describes a run. Call is required.
type Config struct {
	// Call makes the call of a line. Its error, as opposed to the call's, says that
	// no call could be made.
	Call func(context.Context, Entry) (*rpc.Call, error)
	// Bare says that a line is the message itself, in place of an object with
	// target, method, data, headers, request_id and id.
	Bare bool
	// Concurrency is how many calls are made at a time. The default is
	// [Concurrency].
	Concurrency int
	// Rate bounds the calls that are begun in a second. 0 sets no bound.
	Rate float64
	// StopOnError begins no call after a line whose outcome is not ok.
	StopOnError bool
	// Journal lets a later run go on where this one ends. Nil keeps none.
	Journal *Journal
	// ResendUnknown sends again what was in flight when an earlier run ended.
	ResendUnknown bool
	// MaxLine bounds a line, in bytes. The default is [MaxLine].
	MaxLine int
	// Drain is how long calls in flight may take to end after the run's context
	// has. The default is [Drain].
	Drain time.Duration
	// OnProgress is told every 100 ms of how far the run has come, on a goroutine
	// that is not the caller's, and not after Run has returned. Nil tells nobody.
	OnProgress func(Summary)
}

// The defaults of a [Config].
const (
	Concurrency = 50
	Drain       = 5 * time.Second
)

// patience is how long a run without a success waits for open breakers.
const patience = time.Minute

// ErrStopped says that a run ended with the first line whose outcome was not ok.
var ErrStopped = errors.New("stopped at the first error")

// Run makes the calls of in and writes their results to out. It returns when all
// have ended, or early, with the calls in flight given their time to end: when ctx
// ends, with its cause; with [ErrStopped]; when out or the journal cannot be
// written; and when in cannot be read or is not what the journal saw
// ([ErrOtherInput]). A reader that never ends is left behind in its Read.
func Run(ctx context.Context, c Config, in io.Reader, out io.Writer) (Summary, error) {
	c.Concurrency = cmp.Or(c.Concurrency, Concurrency)
	beginning, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	r := &run{
		Config: c, beginning: beginning, stop: stop, tally: newTally(),
		order: newOrder(out, max(maxWindow, 2*c.Concurrency)), jobs: make(chan job, c.Concurrency),
	}
	r.succeeded()
	lines := read(beginning, newLineReader(in, cmp.Or(c.MaxLine, MaxLine)))
	release := context.AfterFunc(beginning, func() {
		timer := time.NewTimer(cmp.Or(c.Drain, Drain))
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-calls.Done():
		}
	})
	defer release()
	var workers, flusher sync.WaitGroup
	for range c.Concurrency {
		workers.Go(func() { r.work(calls) })
	}
	idle := make(chan struct{})
	flusher.Go(func() { r.flush(idle) })
	r.begin(lines)
	close(r.jobs)
	workers.Wait()
	close(idle)
	flusher.Wait()
	if err := r.order.finish(); err != nil {
		stop(fmt.Errorf("write the results: %w", err))
	}
	return r.tally.soFar(), context.Cause(beginning)
}

// job is a line and its place in the output.
type job struct {
	line
	place int
}

type run struct {
	Config
	beginning context.Context //nolint:containedctx // its end is that of the beginning of calls
	stop      context.CancelCauseFunc
	order     *order
	tally     *tally
	jobs      chan job
	success   atomic.Int64 // when a call succeeded last, in nanoseconds
}

// chunk is some lines at once, since handing over costs more than reading.
type chunk struct {
	lines []line
	err   error
}

const maxChunk = 32

// read reads ahead, by a few chunks, until ctx ends.
func read(ctx context.Context, reader *lineReader) <-chan chunk {
	chunks := make(chan chunk, 1)
	go func() {
		defer close(chunks)
		for ctx.Err() == nil {
			next := readChunk(reader)
			select {
			case chunks <- next:
			case <-ctx.Done():
			}
			if next.err != nil {
				return
			}
		}
	}()
	return chunks
}

func readChunk(reader *lineReader) chunk {
	var c chunk
	for size := 0; len(c.lines) < maxChunk && size < maxHeld; {
		l, err := reader.next()
		if err != nil {
			c.err = err
			return c
		}
		c.lines = append(c.lines, l)
		if size += len(l.text); reader.waits() {
			return c
		}
	}
	return c
}

// begin hands the lines to the workers, until there are no more or the run stops.
func (r *run) begin(chunks <-chan chunk) {
	pace := pacer{rate: r.Rate}
	for {
		var next chunk
		select {
		case next = <-chunks:
		case <-r.beginning.Done():
			return
		}
		for _, l := range next.lines {
			if !r.beginLine(l, &pace) {
				return
			}
		}
		switch {
		case errors.Is(next.err, io.EOF):
			return
		case next.err != nil:
			r.stop(fmt.Errorf("read the input: %w", next.err))
			return
		}
	}
}

// beginLine takes a line's result from the journal, or hands it to the workers.
func (r *run) beginLine(l line, pace *pacer) bool {
	place, ok := r.order.reserve(r.beginning)
	if !ok {
		return false
	}
	if known, err := r.replay(l, place); known || err != nil {
		if err != nil {
			r.stop(err)
		}
		return err == nil
	}
	if !pace.wait(r.beginning) {
		return false
	}
	select {
	case r.jobs <- job{l, place}:
		return true
	case <-r.beginning.Done():
		return false
	}
}

// replay writes what an earlier run left of a line, if it did.
func (r *run) replay(l line, place int) (known bool, err error) {
	if r.Journal == nil {
		return false, nil
	}
	past, begun := r.Journal.past[l.number]
	switch {
	case !begun:
		return false, nil
	case past.sum != l.sum():
		return false, fmt.Errorf("%w: line %d was another one", ErrOtherInput, l.number)
	case past.size == 0:
		e, wrong := parse(l, r.Bare)
		if r.ResendUnknown || wrong != nil { // which cannot have been sent
			return false, nil
		}
		r.tally.count("", OutcomeUnknown, 0)
		return true, r.put(place, unknown(l.number, e).append(nil))
	}
	text, err := r.Journal.result(past)
	if err == nil {
		err = r.tally.replay(text)
	}
	if err != nil {
		return false, err
	}
	return true, r.put(place, text)
}

func (r *run) put(place int, text []byte) error {
	if err := r.order.put(place, text); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return nil
}

// flushEvery is how soon a result is seen, at the latest, and progress told.
const flushEvery = 100 * time.Millisecond

func (r *run) flush(idle <-chan struct{}) {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := r.order.flush(); err != nil {
				r.stop(fmt.Errorf("write the results: %w", err))
			}
			if r.OnProgress != nil {
				r.OnProgress(r.tally.soFar())
			}
		case <-idle:
			return
		}
	}
}

// pacer spreads the beginnings of calls evenly.
type pacer struct {
	rate float64
	next time.Time
}

func (p *pacer) wait(ctx context.Context) bool {
	if p.rate <= 0 {
		return true
	}
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	delay := p.next.Sub(now)
	p.next = p.next.Add(time.Duration(float64(time.Second) / p.rate))
	return sleep(ctx, delay)
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
