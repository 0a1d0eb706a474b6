package copier

import (
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// batchTime is how long records are gathered for a transaction.
	batchTime = 150 * time.Millisecond
	// firstBytes and maxBytes bound what a transaction holds; it is adapted to
	// how long transactions take.
	firstBytes = 16 << 20
	minBytes   = 256 << 10
	maxBytes   = 32 << 20
	// slow is when a transaction is too large for the target, quick when it may
	// be larger.
	slow  = time.Second
	quick = 300 * time.Millisecond
)

// gatherer collects what is read until it is a transaction's worth. One
// goroutine adds while another takes: nothing is read into an open transaction.
type gatherer struct {
	mu      sync.Mutex
	room    sync.Cond     // there is some
	full    chan struct{} // the batch is
	limit   int
	batch   batch
	stopped error // why nobody takes any more
}

// batch is the records of a transaction, and the positions behind them.
type batch struct {
	records []*kgo.Record
	bytes   int
	next    map[int32]int64
	read    int64
}

func newGatherer() *gatherer {
	g := &gatherer{full: make(chan struct{}, 1), limit: firstBytes, batch: batch{next: make(map[int32]int64)}}
	g.room.L = &g.mu
	return g
}

// add takes a record that was read, and waits while there is no room. The error
// is why it waits in vain.
func (g *gatherer) add(r *kgo.Record, wanted bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.batch.bytes >= g.limit && g.stopped == nil {
		g.room.Wait()
	}
	if g.stopped != nil {
		return g.stopped
	}
	g.batch.next[r.Partition] = r.Offset + 1
	g.batch.read++
	if !wanted {
		return nil
	}
	g.batch.records = append(g.batch.records, r)
	if g.batch.bytes += weight(r); g.batch.bytes >= g.limit {
		select {
		case g.full <- struct{}{}:
		default:
		}
	}
	return nil
}

// weight is what a record takes in memory, roughly.
func weight(r *kgo.Record) int {
	n := len(r.Key) + len(r.Value) + 256
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value) + 40
	}
	return n
}

// take returns what was gathered.
func (g *gatherer) take() batch {
	g.mu.Lock()
	defer g.mu.Unlock()
	taken := g.batch
	g.batch = batch{records: make([]*kgo.Record, 0, len(taken.records)), next: maps.Clone(taken.next)}
	g.room.Signal()
	return taken
}

// took adapts the limit to how long a transaction has taken.
func (g *gatherer) took(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case d > slow:
		g.limit = max(g.limit/2, minBytes)
	case d < quick:
		g.limit = min(g.limit*2, maxBytes)
	}
}

// stop lets add return an error.
func (g *gatherer) stop(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = err
	g.room.Signal()
}
