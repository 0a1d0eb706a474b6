package resilience

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/suokelife/suokectl/pkg/spec"
)

// Backoff says how long to wait between tries. The zero value does not wait.
type Backoff struct {
	// First is the wait after the first try.
	First time.Duration
	// Factor multiplies the wait after each further try; below 1 it counts as 1.
	Factor float64
	// Max bounds every wait, jitter included; 0 is no bound.
	Max time.Duration
	// Jitter is the part of a wait, between 0 and 1, by which it is shortened or
	// lengthened at random, so that clients do not retry in step.
	Jitter float64
}

// CallBackoff returns the waits of the specification's calls (G3): min(2ⁿ s,
// 10 s) after the n-th try, ±20 %.
func CallBackoff() Backoff {
	return Backoff{
		First:  spec.CallBackoffBase * time.Second,
		Factor: spec.CallBackoffBase,
		Max:    spec.CallMaxBackoff,
		Jitter: spec.BackoffJitter,
	}
}

// RetryBackoff returns the waits between retries of any function (E2):
// min(2ⁿ s, 30 s) after the n-th try, ±20 %.
func RetryBackoff() Backoff {
	return Backoff{
		First:  spec.RetryBackoff * time.Second,
		Factor: spec.RetryBackoff,
		Max:    spec.RetryMaxBackoff,
		Jitter: spec.BackoffJitter,
	}
}

// Wait returns how long to wait after the n-th try failed; n counts from 1. At
// the bound waits are spread below it, not cut off at it: those would be in step
// again.
func (b Backoff) Wait(n int) time.Duration {
	wait := float64(b.First) * math.Pow(max(b.Factor, 1), float64(n-1))
	if b.Max > 0 {
		wait = min(wait, float64(b.Max)/(1+b.Jitter))
	}
	wait *= 1 + b.Jitter*(2*rand.Float64()-1) //nolint:gosec // jitter is no secret
	return time.Duration(min(wait, math.MaxInt64/2))
}
