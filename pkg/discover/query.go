package discover

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"
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
	if in := q.filter(known); len(in) > 0 {
		return in, nil
	}
	all, err := c.explain(ctx, name, known, q)
	if err != nil {
		return nil, err
	}
	return nil, &NoInstanceError{Service: name, Query: q, Known: all}
}

// Explain returns every known instance of the service with the reasons that keep it out of the query; an instance
// without reasons is in. A service that nobody has registered is an *UnknownServiceError.
func (c *Client) Explain(ctx context.Context, name string, q Query) ([]Explanation, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	known, _, err := c.read(ctx, name, q, 0)
	if err != nil {
		return nil, err
	}
	return c.explain(ctx, name, known, q)
}

// explain says what keeps each instance of the service out. Those in selected are let in by the query's filter, which
// only Consul can apply: the others are asked for, when there is one.
func (c *Client) explain(ctx context.Context, name string, selected []Instance, q Query) ([]Explanation, error) {
	known, filter := selected, q.Filter
	if filter != "" {
		var err error
		q.Filter = ""
		if known, _, err = c.read(ctx, name, q, 0); err != nil {
			return nil, err
		}
	}
	if len(known) == 0 {
		return nil, c.unknown(ctx, name, q)
	}
	c.fillOutputs(ctx, known)
	passed := map[[2]string]bool{}
	for _, instance := range selected {
		passed[instance.key()] = true
	}
	all := make([]Explanation, len(known))
	for i, instance := range known {
		causes := q.causes(instance)
		if filter != "" && !passed[instance.key()] {
			causes = append(causes, Cause{Kind: FilterMismatch, Wanted: filter})
		}
		all[i] = Explanation{Instance: instance, Causes: causes}
	}
	return all, nil
}

// read asks for every instance of the service, and returns them with the index to wait on. It waits itself for a
// change when it is given an index.
func (c *Client) read(ctx context.Context, name string, q Query, after uint64) ([]Instance, uint64, error) {
	options := c.options(ctx, q)
	options.Filter = q.Filter
	if after > 0 {
		options.WaitIndex, options.WaitTime = after, watchWait
	}
	entries, meta, err := c.consul.Health().Service(name, "", false, options)
	if err != nil {
		return nil, 0, c.failed(err, "list the instances of %s", name)
	}
	if err := c.hidden(meta, len(entries), "list the instances of %s", name); err != nil {
		return nil, 0, err
	}
	list := make([]Instance, len(entries))
	for i, entry := range entries {
		if list[i], err = fromEntry(entry); err != nil {
			return nil, 0, c.failed(err, "list the instances of %s", name)
		}
	}
	return sortInstances(list, q), meta.LastIndex, nil
}

// fillOutputs asks the agent itself what the failing checks said when the catalogue does not tell: output that came
// without a change of status reaches the catalogue minutes late. The agent knows the checks of its own node only, and
// may refuse; then they stay as they are.
func (c *Client) fillOutputs(ctx context.Context, list []Instance) {
	silent := func(check Check) bool {
		return check.Status != Passing && check.Output == "" && check.state() != Maintenance
	}
	if !slices.ContainsFunc(list, func(i Instance) bool { return slices.ContainsFunc(i.Checks, silent) }) {
		return
	}
	local, err := c.consul.Agent().ChecksWithFilterOpts("", (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return
	}
	for _, instance := range list {
		for i, check := range instance.Checks {
			if known := local[check.ID]; known != nil && silent(check) && known.Node == instance.Node {
				instance.Checks[i].Output = known.Output
			}
		}
	}
}

func (q Query) causes(instance Instance) []Cause {
	causes := []Cause{}
	switch {
	case q.Version == "" || q.Version == instance.Version:
	case instance.Version == "":
		causes = append(causes, Cause{Kind: VersionMissing, Wanted: q.Version})
	default:
		causes = append(causes, Cause{Kind: VersionMismatch, Wanted: q.Version})
	}
	for _, tag := range q.Tags {
		if !slices.ContainsFunc(instance.Tags, func(has string) bool { return strings.EqualFold(has, tag) }) {
			causes = append(causes, Cause{Kind: TagMissing, Wanted: tag})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(q.Meta)) {
		wanted := key + "=" + q.Meta[key]
		switch has, ok := instance.Meta[key]; {
		case !ok:
			causes = append(causes, Cause{Kind: MetaMissing, Wanted: wanted})
		case has != q.Meta[key]:
			causes = append(causes, Cause{Kind: MetaMismatch, Wanted: wanted})
		}
	}
	return append(causes, q.healthCauses(instance)...)
}

func (q Query) healthCauses(instance Instance) []Cause {
	if q.level() == Any {
		return nil
	}
	var causes []Cause
	for _, check := range instance.Checks {
		if state := check.state(); state.rank() > q.level().rank() {
			causes = append(causes, Cause{Kind: kindOf(state), Wanted: string(q.level()), Check: &check})
		}
	}
	return causes
}

func kindOf(state Health) CauseKind {
	switch state {
	case Maintenance:
		return InMaintenance
	case Warning:
		return CheckWarning
	default:
		return CheckCritical
	}
}

// filter returns the instances that the query lets in.
func (q Query) filter(known []Instance) []Instance {
	in := []Instance{}
	for _, instance := range known {
		if len(q.causes(instance)) == 0 {
			in = append(in, instance)
		}
	}
	return in
}
