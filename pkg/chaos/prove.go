package chaos

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

const (
	// confidence that a real fault is seen at least once in a sample.
	confidence = 0.99
	// maxSample bounds how many calls a proof may want.
	maxSample = 1000
	// maxRounds bounds how many samples are taken of a fault of which a part is not seen.
	maxRounds = 4
	// proofPause is the wait before more calls, while a mesh may still be taking the fault over.
	proofPause = 250 * time.Millisecond
)

// A Probe makes one harmless call to the faulted service by the way its clients go, and reports whether the call was
// aborted by the mesh. An error means that the call could not be made at all; an answer of the service, whatever its status, is none.
type Probe func(ctx context.Context) (aborted bool, err error)

// A Proof says what live calls felt of a fault.
type Proof struct {
	// Proved: each part of the fault was seen at least once.
	Proved bool `json:"proved"`
	// Calls that count, made while the fault was in force, and how many of them were aborted and delayed.
	Calls   int `json:"calls"`
	Aborted int `json:"aborted"`
	Delayed int `json:"delayed"`
	// AbortPercent and DelayPercent are the observed rates.
	AbortPercent float64 `json:"abort_percent"`
	DelayPercent float64 `json:"delay_percent"`
	// Reason tells why the fault is not proved, empty when it is.
	Reason string `json:"reason,omitempty"`
}

// Sample returns how many calls show the rarer part of a fault at least once with 99 % confidence.
func (f Fault) Sample() int {
	rarest := 100.0
	for _, percent := range []float64{f.DelayPercent, f.AbortPercent} {
		if percent > 0 {
			rarest = min(rarest, percent)
		}
	}
	if rarest == 100 {
		return 1
	}
	return int(math.Ceil(math.Log(1-confidence) / math.Log(1-rarest/100)))
}

// Prove makes calls, at most parallel at once, until the fault is seen, and then as many as [Fault.Sample] says, which
// alone are counted: a mesh takes up to 10 s to take a change over, and what was called before would falsify the rates.
// It goes on until each part of the fault was seen, in four such samples at most, or ctx ends. It never fails; what it could not see it says.
func Prove(ctx context.Context, f Fault, probe Probe, parallel int) Proof {
	n := f.Sample()
	if n > maxSample {
		return Proof{Reason: fmt.Sprintf("so rare a fault would take %d calls to see; at most %d are made", n, maxSample)}
	}
	var counted, ignored []call
	for live := false; ; {
		calls, err := observe(ctx, f, probe, n-len(counted)%n, parallel)
		if !live {
			ignored = append(ignored, calls...)
			calls, live = afterFirstHit(calls)
		}
		counted = append(counted, calls...)
		proof := f.conclude(counted, ignored, err)
		enough := proof.Proved && len(counted) > 0 && len(counted)%n == 0
		if enough || len(counted) >= maxRounds*n || ctx.Err() != nil || (err != nil || !live) && !pause(ctx, proofPause) {
			return proof
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// call is one call that was answered.
type call struct {
	start            time.Time
	aborted, delayed bool
}

// afterFirstHit returns the calls that began after the first that felt the fault, and whether there was one.
func afterFirstHit(calls []call) ([]call, bool) {
	slices.SortFunc(calls, func(a, b call) int { return a.start.Compare(b.start) })
	first := slices.IndexFunc(calls, func(c call) bool { return c.aborted || c.delayed })
	if first < 0 {
		return nil, false
	}
	return calls[first+1:], true
}

// observe makes n calls and returns those that were answered, and the last error of those that were not. What the end
// of ctx cuts short is neither.
func observe(ctx context.Context, f Fault, probe Probe, n, parallel int) (calls []call, failed error) {
	var (
		mu      sync.Mutex
		running sync.WaitGroup
	)
	slots := make(chan struct{}, max(1, parallel))
	for range n {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		running.Go(func() {
			defer func() { <-slots }()
			c := call{start: time.Now()}
			aborted, err := probe(ctx)
			c.aborted, c.delayed = aborted, f.Delay > 0 && time.Since(c.start) >= f.Delay
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				calls = append(calls, c)
			case ctx.Err() == nil:
				failed = err
			}
		})
	}
	running.Wait()
	return calls, failed
}

// conclude sums up the calls that count, or says of those that do not that none felt the fault.
func (f Fault) conclude(counted, ignored []call, failed error) Proof {
	p := Proof{Calls: len(counted)}
	for _, c := range counted {
		if c.aborted {
			p.Aborted++
		}
		if c.delayed {
			p.Delayed++
		}
	}
	if p.Calls > 0 {
		p.AbortPercent = 100 * float64(p.Aborted) / float64(p.Calls)
		p.DelayPercent = 100 * float64(p.Delayed) / float64(p.Calls)
	}
	switch {
	case failed != nil:
		p.Reason = failed.Error()
	case p.Calls == 0:
		p.Calls = len(ignored)
		p.Reason = fmt.Sprintf("no call of %d felt it", p.Calls)
	case f.AbortPercent > 0 && p.Aborted == 0:
		p.Reason = fmt.Sprintf("no call of %d was aborted", p.Calls)
	case f.DelayPercent > 0 && p.Delayed == 0:
		p.Reason = fmt.Sprintf("no call of %d was delayed", p.Calls)
	default:
		p.Proved = true
	}
	return p
}
