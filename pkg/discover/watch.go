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

// Watch tells the instances of a service now and after each change, until ctx ends or the caller stops. What only
// changes the text of a check is no change. While Consul cannot be asked, or hides a part of its reply, one update
// per new error carries it beside the last good set; Consul is asked again after 1 s to 30 s, with jitter.
//
// It reads by Consul's rules for blocking queries (https://developer.hashicorp.com/consul/api-docs/features/blocking):
// an index that goes backwards is thrown away, as the state that it counted was lost.
//
// The sequence runs in the caller's goroutine and may be used once.
func (c *Client) Watch(ctx context.Context, name string, q Query) iter.Seq[Update] {
	p := &poll[[]Instance]{
		client: c,
		read: func(ctx context.Context, after uint64) ([]Instance, uint64, error) {
			known, index, err := c.read(ctx, name, q, after)
			return q.filter(known), index, err
		},
		same: func(a, b []Instance) bool { return slices.EqualFunc(a, b, sameForCallers) },
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
	return a.ID == b.ID && a.Node == b.Node && a.HostPort() == b.HostPort() && a.Health == b.Health &&
		slices.Equal(a.Tags, b.Tags) && maps.Equal(a.Meta, b.Meta)
}
