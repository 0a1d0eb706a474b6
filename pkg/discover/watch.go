package discover

import (
	"context"
	"errors"
	"iter"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync/atomic"
	"time"
)

// Update is what a watch tells.
type Update struct {
	// Instances are those that the query lets in. Empty means that there is none now, which is told at once.
	Instances []Instance
	// Err is set while Consul cannot be asked; Instances are then the last that were known.
	Err error
	// Read is when Instances were read from Consul; zero when they never were.
	Read time.Time
}

// Stale tells that Instances are what was known at Read, and that Consul cannot be asked whether they still are.
func (u Update) Stale() bool { return u.Err != nil }

// Age is how long ago Instances were read; 0 when they never were.
func (u Update) Age() time.Duration {
	if u.Read.IsZero() {
		return 0
	}
	return max(0, time.Since(u.Read)) // below 0 when the clock was set back since another process read them
}

const (
	watchWait  = 5 * time.Minute  // how long one read may block
	watchGrace = 10 * time.Second // by how much its reply may be late
	minBackoff = time.Second
	maxBackoff = 30 * time.Second
)

// Watch tells the instances of a service now and after each change, until ctx ends or the caller stops. What only
// changes the text of a check is no change. While Consul cannot be asked, or hides a part of its reply, one update
// per new error carries it beside the last good set; Consul is asked again after 1 s to 30 s, with jitter.
//
// It reads by Consul's rules for blocking queries (https://developer.hashicorp.com/consul/api-docs/features/blocking):
// an index that goes backwards is thrown away, as the state that it counted was lost.
//
// The sequence runs in the caller's goroutine and may be used once.
func (c *Client) Watch(ctx context.Context, name string, q Query) iter.Seq[Update] {
	return func(yield func(Update) bool) {
		w := &watch{client: c, name: name, query: q}
		connection := c.transport.Clone() // the watch's own, so that it knows when it is a new one
		connection.DialContext = w.dial
		defer connection.CloseIdleConnections()
		ctx := context.WithValue(ctx, ownTransport{}, connection)
		for ctx.Err() == nil {
			if update, news := w.next(ctx); news && (ctx.Err() != nil || !yield(update)) {
				return
			}
		}
	}
}

// watch is the state of one watch between its reads.
type watch struct {
	client *Client
	name   string
	query  Query

	index    uint64
	waiting  atomic.Bool // the read under way waits on an index
	last     Update
	told     bool // whether a set was ever told
	failures int
}

// next reads once, waiting for a change, and tells whether there is anything new.
func (w *watch) next(ctx context.Context) (Update, bool) {
	if w.failures > 0 {
		pause(ctx, backoff(w.failures-1))
	}
	known, index, err := w.read(ctx)
	if err != nil {
		w.index = 0 // ask for the state as it is when Consul is back
		w.failures++
		news := w.last.Err == nil || w.last.Err.Error() != err.Error()
		w.last.Err = err
		return w.last, news
	}
	recovered := w.last.Err != nil
	w.failures, w.last.Err, w.last.Read = 0, nil, time.Now()
	w.wait(ctx, index)
	in := w.query.filter(known)
	if w.told && !recovered && slices.EqualFunc(in, w.last.Instances, sameForCallers) {
		return w.last, false
	}
	w.last.Instances, w.told = in, true
	return w.last, true
}

// wait takes the index of a reply as the one to wait on.
func (w *watch) wait(ctx context.Context, index uint64) {
	switch {
	case index == 0: // something between here and Consul drops its headers: ask from time to time
		pause(ctx, backoff(0))
	case index < w.index:
		index = 0
	}
	w.index = index
}

// read waits for a change after the index. A new connection may lead to an agent that lost its state, on which an old
// index would wait in vain for minutes: then, as at first, the state is read as it is.
func (w *watch) read(ctx context.Context) ([]Instance, uint64, error) {
	known, index, err := w.ask(ctx, w.index)
	if errors.Is(err, errNewConnection) {
		w.index = 0
		known, index, err = w.ask(ctx, 0)
	}
	return known, index, err
}

func (w *watch) ask(ctx context.Context, after uint64) ([]Instance, uint64, error) {
	limit := w.client.timeout
	if after > 0 {
		limit = watchWait + watchWait/16 + watchGrace
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	w.waiting.Store(after > 0)
	return w.client.read(ctx, w.name, w.query, after)
}

var errNewConnection = errors.New("a new connection is needed")

// dial refuses to connect for a read that waits on an index.
func (w *watch) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if w.waiting.Load() {
		return nil, errNewConnection
	}
	return w.client.transport.DialContext(ctx, network, address)
}

// sameForCallers compares all but what the checks say.
func sameForCallers(a, b Instance) bool {
	return a.ID == b.ID && a.Node == b.Node && a.HostPort() == b.HostPort() && a.Health == b.Health &&
		slices.Equal(a.Tags, b.Tags) && maps.Equal(a.Meta, b.Meta)
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
