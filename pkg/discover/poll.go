package discover

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	watchWait  = 5 * time.Minute  // how long one read may block at most
	watchGrace = 10 * time.Second // by how much its reply may be late
	pollPause  = 10 * time.Second // between two reads that cannot block
	parallel   = 16               // how many reads that do not block are under way at a time
	minBackoff = time.Second
	maxBackoff = 30 * time.Second
)

// poll reads one thing again and again by Consul's rules for blocking queries
// (https://developer.hashicorp.com/consul/api-docs/features/blocking): an index that goes backwards is thrown away, as
// the state that it counted was lost. Every watch is one.
//
// It waits for changes on a connection of its own, so that it knows when it is a new one. While the client has none
// left to give, it asks from time to time instead.
type poll[T any] struct {
	client *Client
	// read asks once. Given an index it waits for a change after it, and it returns the index to wait on next.
	read func(ctx context.Context, after uint64) (T, uint64, error)
	// same tells whether the caller would see no difference.
	same func(a, b T) bool
	// recall is what another process read, and when, for as long as nothing was read; nil has nothing.
	recall func() (T, time.Time)

	own      *http.Transport // nil: none was left
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
		defer p.giveBack()
		for ctx.Err() == nil {
			if r, news := p.next(ctx); news && (ctx.Err() != nil || !yield(r)) {
				return
			}
		}
	}
}

// next reads once, waiting for a change, and tells whether there is anything new.
func (p *poll[T]) next(ctx context.Context) (reading[T], bool) {
	p.takeConnection()
	switch {
	case p.failures > 0:
		pause(ctx, backoff(p.failures-1))
	case p.own == nil && p.told:
		pause(ctx, jittered(pollPause))
	}
	value, index, err := p.fresh(ctx)
	if err != nil {
		return p.failed(err)
	}
	recovered := p.last.err != nil
	p.failures, p.last.err, p.last.at = 0, nil, time.Now()
	p.wait(ctx, index)
	news := !p.told || recovered || !p.same(value, p.last.value)
	p.last.value, p.told = value, true
	return p.last, news
}

// failed keeps the last good value, which at first may be one that is recalled, beside the error.
func (p *poll[T]) failed(err error) (reading[T], bool) {
	if p.last.at.IsZero() && p.recall != nil {
		p.last.value, p.last.at = p.recall()
	}
	p.index = 0 // ask for the state as it is when Consul is back
	p.failures++
	news := p.last.err == nil || p.last.err.Error() != err.Error()
	p.last.err = err
	return p.last, news
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
// index would wait in vain for minutes: then, as at first and when a wait was cut, the state is read as it is.
func (p *poll[T]) fresh(ctx context.Context) (T, uint64, error) {
	if p.own == nil {
		return p.inTurn(ctx)
	}
	start := time.Now()
	value, index, err := p.ask(ctx, p.index)
	if err == nil || p.index == 0 || ctx.Err() != nil || !wasCut(err) {
		return value, index, err
	}
	if !errors.Is(err, errNewConnection) && time.Since(start) < minBackoff {
		pause(ctx, backoff(0)) // what cuts at once would be asked without an end
	}
	p.index = 0
	return p.ask(ctx, 0)
}

func (p *poll[T]) ask(ctx context.Context, after uint64) (T, uint64, error) {
	limit := p.client.timeout
	if after > 0 {
		limit = watchWait + watchWait/16 + watchGrace
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	p.waiting.Store(after > 0)
	return p.read(context.WithValue(ctx, ownTransport{}, p.own), after)
}

// inTurn reads the state as it is over the connections that all requests share.
func (p *poll[T]) inTurn(ctx context.Context) (T, uint64, error) {
	select {
	case p.client.turns <- struct{}{}:
		defer func() { <-p.client.turns }()
	case <-ctx.Done():
		var none T
		return none, 0, ctx.Err()
	}
	ctx, cancel := p.client.bounded(ctx)
	defer cancel()
	return p.read(ctx, 0)
}

// takeConnection takes a connection to wait on when it has none and one is left.
func (p *poll[T]) takeConnection() {
	if p.own != nil {
		return
	}
	select {
	case p.client.waiting <- struct{}{}:
		p.own = p.client.transport.Clone()
		p.own.DialContext = p.dial
		p.index = 0
	default:
	}
}

func (p *poll[T]) giveBack() {
	if p.own != nil {
		p.own.CloseIdleConnections()
		<-p.client.waiting
	}
}

var errNewConnection = errors.New("a new connection is needed")

// dial refuses to connect for a read that waits on an index.
func (p *poll[T]) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if p.waiting.Load() {
		return nil, errNewConnection
	}
	return p.client.transport.DialContext(ctx, network, address)
}

// wasCut tells whether a wait ended without an answer of Consul's: the connection went, or a proxy had enough.
func wasCut(err error) bool {
	return errors.Is(err, ErrUnreachable) || errors.Is(err, errNewConnection)
}

// backoff is the wait after that many failures beyond the first: it doubles, with jitter.
func backoff(failures int) time.Duration {
	return jittered(min(minBackoff<<min(failures, 10), maxBackoff))
}

// jittered is between a half of d and one and a half.
func jittered(d time.Duration) time.Duration {
	return d/2 + rand.N(d) //nolint:gosec // no secret is made of it
}

// waitTime is how long a read is to block: a different time for reads that began together.
func waitTime() time.Duration {
	return watchWait - rand.N(watchWait/8) //nolint:gosec // no secret is made of it
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
