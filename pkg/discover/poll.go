package discover

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"
)

const (
	watchWait  = 5 * time.Minute  // how long one read may block
	watchGrace = 10 * time.Second // by how much its reply may be late
	minBackoff = time.Second
	maxBackoff = 30 * time.Second
)

// poll reads one thing again and again by Consul's rules for blocking queries
// (https://developer.hashicorp.com/consul/api-docs/features/blocking), over a connection of its own. Every watch is
// one.
type poll[T any] struct {
	client *Client
	// read asks once. Given an index it waits for a change after it, and it returns the index to wait on next.
	read func(ctx context.Context, after uint64) (T, uint64, error)
	// same tells whether the caller would see no difference.
	same func(a, b T) bool

	index    uint64
	waiting  atomic.Bool // the read under way waits on an index
	last     reading[T]
	told     bool // whether a value was ever told
	failures int
}

// reading is what a poll tells: the last good value, when it was read, and why it could not be read again.
type reading[T any] struct {
	value T
	err   error
	at    time.Time // zero when nothing was ever read
}

// readings tells the value now and after each change, and each new error beside the last good value, until ctx ends
// or the caller stops. It may be used once.
func (p *poll[T]) readings(ctx context.Context) iter.Seq[reading[T]] {
	return func(yield func(reading[T]) bool) {
		connection := p.client.transport.Clone() // the poll's own, so that it knows when it is a new one
		connection.DialContext = p.dial
		defer connection.CloseIdleConnections()
		ctx := context.WithValue(ctx, ownTransport{}, connection)
		for ctx.Err() == nil {
			if r, news := p.next(ctx); news && (ctx.Err() != nil || !yield(r)) {
				return
			}
		}
	}
}

// next reads once, waiting for a change, and tells whether there is anything new.
func (p *poll[T]) next(ctx context.Context) (reading[T], bool) {
	if p.failures > 0 {
		pause(ctx, backoff(p.failures-1))
	}
	value, index, err := p.fresh(ctx)
	if err != nil {
		p.index = 0 // ask for the state as it is when Consul is back
		p.failures++
		news := p.last.err == nil || p.last.err.Error() != err.Error()
		p.last.err = err
		return p.last, news
	}
	recovered := p.last.err != nil
	p.failures, p.last.err, p.last.at = 0, nil, time.Now()
	p.wait(ctx, index)
	if p.told && !recovered && p.same(value, p.last.value) {
		return p.last, false
	}
	p.last.value, p.told = value, true
	return p.last, true
}

// wait takes the index of a reply as the one to wait on.
func (p *poll[T]) wait(ctx context.Context, index uint64) {
	switch {
	case index == 0: // something between here and Consul drops its headers: ask from time to time
		pause(ctx, backoff(0))
	case index < p.index:
		index = 0
	}
	p.index = index
}

// fresh waits for a change after the index. A new connection may lead to an agent that lost its state, on which an old
// index would wait in vain for minutes: then, as at first, the state is read as it is.
func (p *poll[T]) fresh(ctx context.Context) (T, uint64, error) {
	value, index, err := p.ask(ctx, p.index)
	if errors.Is(err, errNewConnection) {
		p.index = 0
		value, index, err = p.ask(ctx, 0)
	}
	return value, index, err
}

func (p *poll[T]) ask(ctx context.Context, after uint64) (T, uint64, error) {
	limit := p.client.timeout
	if after > 0 {
		limit = watchWait + watchWait/16 + watchGrace
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	p.waiting.Store(after > 0)
	return p.read(ctx, after)
}

var errNewConnection = errors.New("a new connection is needed")

// dial refuses to connect for a read that waits on an index.
func (p *poll[T]) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if p.waiting.Load() {
		return nil, errNewConnection
	}
	return p.client.transport.DialContext(ctx, network, address)
}

// backoff is the wait after that many failures beyond the first: it doubles, with jitter of half either way.
func backoff(failures int) time.Duration {
	wait := min(minBackoff<<min(failures, 10), maxBackoff)
	return wait/2 + rand.N(wait) //nolint:gosec // no secret is made of it
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
