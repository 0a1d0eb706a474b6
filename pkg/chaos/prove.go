package chaos

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"
)

const (
	// confidence that a real fault is seen at least once in a sample.
	confidence = 0.99
	// maxSample bounds how many calls a proof makes in one round.
	maxSample = 1000
	// proofPause is the wait before another round, while a mesh may still be taking the fault over.
	proofPause = 250 * time.Millisecond
)

// A Probe makes one harmless call to the faulted service by the way its clients go, and reports whether the call was
// aborted by the mesh. An error means that the call could not be made at all; an answer of the service, whatever its status, is none.
type Probe func(ctx context.Context) (aborted bool, err error)

// A Proof says what live calls felt of a fault.
type Proof struct {
	// Proved: each part of the fault was seen at least once.
	Proved bool `json:"proved"`
	// Calls made in the last round, and how many of them were aborted and delayed.
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

// Prove makes rounds of calls, as many a round as [Fault.Sample] says and at most parallel at once, until the fault
// is seen or ctx ends: a mesh takes up to 10 s to take a change over. It never fails; what it could not see it says.
func Prove(ctx context.Context, f Fault, probe Probe, parallel int) Proof {
	n := f.Sample()
	if n > maxSample {
		return Proof{Reason: fmt.Sprintf("so rare a fault would take %d calls to see; at most %d are made", n, maxSample)}
	}
	var proof Proof
	for {
		round := f.observe(ctx, probe, n, parallel)
		if round.Calls > 0 || proof.Calls == 0 {
			proof = round
		}
		if proof.Proved || !pause(ctx, proofPause) {
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

// observe makes one round of calls. Calls that the end of ctx cuts short do not count.
func (f Fault) observe(ctx context.Context, probe Probe, n, parallel int) Proof {
	var (
		mu     sync.Mutex
		proof  Proof
		failed error
		calls  sync.WaitGroup
	)
	slots := make(chan struct{}, max(1, parallel))
	for range n {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		calls.Go(func() {
			defer func() { <-slots }()
			start := time.Now()
			aborted, err := probe(ctx)
			took := time.Since(start)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil && ctx.Err() == nil:
				failed = err
			case err == nil:
				proof.count(aborted, f.Delay > 0 && took >= f.Delay)
			}
		})
	}
	calls.Wait()
	proof.conclude(f, failed)
	return proof
}

func (p *Proof) count(aborted, delayed bool) {
	p.Calls++
	if aborted {
		p.Aborted++
	}
	if delayed {
		p.Delayed++
	}
}

func (p *Proof) conclude(f Fault, failed error) {
	if p.Calls > 0 {
		p.AbortPercent = 100 * float64(p.Aborted) / float64(p.Calls)
		p.DelayPercent = 100 * float64(p.Delayed) / float64(p.Calls)
	}
	switch {
	case failed != nil:
		p.Reason = failed.Error()
	case f.AbortPercent > 0 && p.Aborted == 0:
		p.Reason = fmt.Sprintf("no call of %d was aborted", p.Calls)
	case f.DelayPercent > 0 && p.Delayed == 0:
		p.Reason = fmt.Sprintf("no call of %d was delayed", p.Calls)
	default:
		p.Proved = true
	}
}
