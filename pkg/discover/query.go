package discover

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Query narrows the instances of a service. The zero value wants every passing one.
type Query struct {
	Version string   // wanted Meta["version"]; empty is any, also none
	Tags    []string // all of them are wanted; compared without regard to case, as Consul does
	// Meta are keys with the values that are wanted, compared exactly. The labels of an Istio subset go here.
	Meta       map[string]string
	Health     Health // Passing (default), Warning (passing or warning) or Any
	Datacenter string // default the client's
	Near       string // a node's name, or "_agent": sort by the estimated round trip from it
	// Filter is an expression that Consul itself applies, over Node, Service and Checks, such as
	// `Service.Port == 50051`: https://developer.hashicorp.com/consul/api-docs/features/filtering.
	Filter string
}

func (q Query) level() Health {
	if q.Health == "" {
		return Passing
	}
	return q.Health
}

// Instances returns the instances that the query lets in, in a stable order. It never returns an empty list without
// an error: that is a *NoInstanceError, which says why each known instance was left out, or an *UnknownServiceError.
// Other errors are *RequestError.
func (c *Client) Instances(ctx context.Context, name string, q Query) ([]Instance, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	known, _, err := c.read(ctx, name, q, 0)
	if err != nil {
		return nil, err
	}
	c.remember(name, q, known, false)
	if in := q.filter(known); len(in) > 0 {
		return in, nil
	}
	all, err := c.explain(ctx, name, known, q)
	if err != nil {
		return nil, err
	}
	return nil, &NoInstanceError{Service: name, Query: q, Known: all}
}

// errDots is a name that Consul's HTTP server would resolve to another path.
var errDots = errors.New("a name with . or .. between slashes cannot be asked for")

// read asks for every instance of the service, and returns them with the index to wait on. It waits itself for a
// change when it is given an index. Beside an error that is ErrFiltered it returns what is not hidden.
func (c *Client) read(ctx context.Context, name string, q Query, after uint64) ([]Instance, uint64, error) {
	if slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return part == "." || part == ".." }) {
		return nil, 0, c.failed(errDots, "list the instances of %s", name)
	}
	options := c.options(ctx, q)
	options.Filter = q.Filter
	if after > 0 {
		options.WaitIndex, options.WaitTime = after, waitTime()
	}
	var entries []entry
	meta, err := c.consul.Raw().Query("/v1/health/service/"+name, &entries, options)
	if err != nil {
		return nil, 0, c.failed(err, "list the instances of %s", name)
	}
	list := make([]Instance, len(entries))
	for i := range entries {
		if list[i], err = entries[i].instance(); err != nil {
			return nil, 0, c.failed(err, "list the instances of %s", name)
		}
	}
	return sortInstances(list, q), meta.LastIndex, c.hidden(meta, len(entries), "list the instances of %s", name)
}

// Admits tells whether the query lets the instance in, as far as that can be seen from the instance: where it is asked
// for, and the filter, are up to Consul.
func (q Query) Admits(i Instance) bool {
	if q.Version != "" && q.Version != i.Version || q.level() != Any && i.Health.rank() > q.level().rank() {
		return false
	}
	for _, tag := range q.Tags {
		if !containsFold(i.Tags, tag) {
			return false
		}
	}
	for key, wanted := range q.Meta {
		if has, ok := i.Meta[key]; !ok || has != wanted {
			return false
		}
	}
	return true
}

// filter returns the instances that the query lets in.
func (q Query) filter(known []Instance) []Instance {
	in := make([]Instance, 0, len(known))
	for _, instance := range known {
		if q.Admits(instance) {
			in = append(in, instance)
		}
	}
	return in
}
