package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Run makes the calls, and returns when the last of them has ended. When ctx ends
// before, the calls in flight are given up and the result, of what was till then,
// says that it is partial: that is no error. Errors are those of the
// configuration, which wrap [ErrConfig], and of generated bodies. How calls end is
// told by the result alone.
func Run(ctx context.Context, c Config) (*Result, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	// The calls do not know the deadline of ctx, or some would end with it as if it
	// were theirs.
	calls, fail := context.WithCancelCause(context.WithoutCancel(ctx))
	defer fail(nil)
	defer context.AfterFunc(ctx, func() { fail(errEnded) })()
	launch, stop := context.WithCancel(calls)
	defer stop()
	r := &run{config: c, method: "/" + c.Method, calls: calls, launch: launch, stop: stop, end: forever}
	generated := c.Bodies.start(launch, c.Requests, fail)
	if c.Duration > 0 {
		r.end = c.Warmup + c.Duration
	}
	if c.Rate > 0 {
		r.arrivals = newSchedule(c, r.end)
	}
	r.left.Store(int64(c.Requests))
	r.begin = time.Now()
	r.collector = newCollector(r)
	r.work()
	stop()
	generated()
	result := r.collector.close(r.begin, r.counted())
	result.Partial = errors.Is(context.Cause(calls), errEnded)
	if cause := context.Cause(calls); cause != nil && !result.Partial {
		return nil, cause
	}
	return result, nil
}

// errEnded says that the caller of Run has ended it.
var errEnded = errors.New("the run was ended")

// run is one run under way. Its times count from begin.
type run struct {
	config    Config
	method    string
	calls     context.Context //nolint:containedctx // of all calls
	launch    context.Context //nolint:containedctx // which ends when no call is to begin any more
	stop      func()
	begin     time.Time
	end       time.Duration // after which no call begins
	arrivals  *schedule     // nil in the closed model
	left      atomic.Int64  // calls to be counted in the closed model, when that is bounded
	collector *collector
}

func (r *run) now() time.Duration { return time.Since(r.begin) }

// work runs the callers until there is nothing left to do.
func (r *run) work() {
	var working sync.WaitGroup
	for i := range r.config.Concurrency {
		working.Go(func() { newCaller(r, i).work() })
	}
	working.Wait()
	if r.arrivals == nil || r.launch.Err() == nil {
		return
	}
	now := r.now() // of an end before its time
	for due, ok := r.arrivals.next(); ok && due <= now; due, ok = r.arrivals.next() {
		r.collector.missed(due)
	}
}

// counted returns until when calls were to be counted, which in the open model is
// later than the last of them; 0 when that is not known.
func (r *run) counted() time.Duration {
	if r.arrivals != nil && r.arrivals.reached {
		return r.end
	}
	return 0
}
