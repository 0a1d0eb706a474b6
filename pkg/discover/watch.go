package discover

import (
	"context"
	"iter"
	"maps"
	"slices"
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

// Watch tells the instances of a service now and after each change, until ctx ends or the caller stops. What only
// changes the text of a check is no change. While Consul cannot be asked, or hides a part of its reply, one update
// per new error carries it beside the last good set, which at first is what Config.CacheDir remembers; Consul is asked
// again after 1 s to 30 s, with jitter. A wait that was merely cut short is begun again and no error.
//
// It waits for changes on a connection of its own. When Config.MaxWaiting others do, it asks every 10 s instead.
//
// The sequence runs in the caller's goroutine and may be used once.
func (c *Client) Watch(ctx context.Context, name string, q Query) iter.Seq[Update] {
	kept := rememberer{client: c, name: name, query: q}
	p := &poll[[]Instance]{
		client: c,
		read: func(ctx context.Context, after uint64) ([]Instance, uint64, error) {
			known, index, err := c.read(ctx, name, q, after)
			if err != nil {
				return nil, 0, err
			}
			kept.keep(known, after > 0)
			return q.filter(known), index, nil
		},
		same: func(a, b []Instance) bool { return slices.EqualFunc(a, b, sameForCallers) },
		recall: func() ([]Instance, time.Time) {
			remembered, _ := c.recall(name, q)
			return q.filter(remembered.Instances), remembered.Read
		},
	}
	return func(yield func(Update) bool) {
		for r := range p.readings(ctx) {
			if !yield(Update{Instances: r.value, Err: r.err, Read: r.at}) {
				return
			}
		}
	}
}

// sameForCallers compares all but what the checks say.
func sameForCallers(a, b Instance) bool {
	return a.key() == b.key() && a.HostPort() == b.HostPort() && a.Health == b.Health && a.Weights == b.Weights &&
		a.Locality == b.Locality && slices.Equal(a.Tags, b.Tags) && maps.Equal(a.Meta, b.Meta)
}
