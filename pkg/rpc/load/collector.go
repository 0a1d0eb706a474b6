package load

import (
	"sync"
	"time"

	"google.golang.org/grpc/codes"
)

const (
	// batchSize is how many samples a caller keeps to itself, flushAfter how long,
	// as far as a call under way lets it.
	batchSize  = 64
	flushAfter = 100 * time.Millisecond
	// progressEvery is between two reports of progress.
	progressEvery = 500 * time.Millisecond
)

// sample is one call, or one that never began. Its times count from the
// beginning of the run.
type sample struct {
	start, sent, ended       time.Duration // start is the intended one
	late                     bool          // nobody was free at the intended start
	missed, aborted          bool
	code                     codes.Code
	message                  string
	instance                 string
	bytesSent, bytesReceived int
}

type batch struct{ samples []sample }

// add reports whether the batch is to be handed over.
func (b *batch) add(s sample) bool {
	b.samples = append(b.samples, s)
	return len(b.samples) == batchSize || s.ended-b.samples[0].ended > flushAfter
}

// Progress is how a run goes.
type Progress struct {
	// Elapsed counts from the beginning, the warm-up included, which lasts while
	// Warming is true.
	Elapsed time.Duration
	Warming bool
	// Calls have been counted, of which Failed did not end with OK. Missed could
	// not start in time.
	Calls, Failed, Missed int
	// Rate is in calls a second, and P50 and P99 are latencies, all since the
	// report before.
	Rate     float64
	P50, P99 time.Duration
}

// collector is the goroutine that owns all counts and histograms.
type collector struct {
	full    chan *batch
	free    sync.Pool
	tally   *tally
	running sync.WaitGroup
}

func newCollector(r *run) *collector {
	c := &collector{full: make(chan *batch, 64), tally: newTally(r.config)}
	c.free.New = func() any { return &batch{samples: make([]sample, 0, batchSize)} }
	reports := make(chan Progress, 1)
	c.running.Go(func() { c.collect(r, reports) })
	c.running.Go(func() {
		for p := range reports {
			r.config.OnProgress(p)
		}
	})
	return c
}

func (c *collector) batch() *batch {
	b := c.free.Get().(*batch)
	b.samples = b.samples[:0]
	return b
}

func (c *collector) take(b *batch) { c.full <- b }

// missed counts a call that nobody began.
func (c *collector) missed(start time.Duration) {
	b := c.batch()
	b.add(sample{start: start, ended: start, missed: true})
	c.take(b)
}

func (c *collector) collect(r *run, reports chan<- Progress) {
	defer close(reports)
	var tick <-chan time.Time
	if r.config.OnProgress != nil {
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case b, ok := <-c.full:
			if !ok {
				return
			}
			for i := range b.samples {
				c.tally.add(&b.samples[i])
			}
			c.free.Put(b)
		case <-tick:
			select {
			case reports <- c.tally.progress(r.now()):
			default: // the one before has not been read
			}
		}
	}
}

// close waits for the counts of all samples, when no more come.
func (c *collector) close(begin time.Time, until time.Duration) *Result {
	close(c.full)
	c.running.Wait()
	c.tally.last = max(c.tally.last, until)
	return c.tally.result(begin)
}
