package resilience

import "sync"

// Budget keeps retries from multiplying the load on a service that is down: a
// bucket of tokens that every failure empties by one and every success fills a
// little. Retries are allowed while it is more than half full. The rule is
// gRPC's own (gRFC A6, retry throttling). A Budget is shared by the callers of
// one service and is safe for concurrent use; a nil Budget allows everything.
type Budget struct {
	mu     sync.Mutex
	tokens float64
	full   float64
	refill float64
}

// NewBudget returns a full bucket of size tokens, to which each success adds
// refill. gRPC's documentation uses 10 and 0.1.
func NewBudget(size, refill float64) *Budget {
	return &Budget{tokens: size, full: size, refill: refill}
}

// Success gives a little back.
func (b *Budget) Success() { b.add(+1) }

// Failure takes one token.
func (b *Budget) Failure() { b.add(-1) }

func (b *Budget) add(sign float64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if sign > 0 {
		b.tokens = min(b.tokens+b.refill, b.full)
	} else {
		b.tokens = max(b.tokens-1, 0)
	}
}

// Allows reports whether a retry may be made now.
func (b *Budget) Allows() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tokens > b.full/2
}
