package discover

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
)

// Node is a machine in the catalogue: an agent's, or one that was registered from outside.
type Node struct {
	Name       string            `json:"name"`
	Address    string            `json:"address"`
	Datacenter string            `json:"datacenter"`
	Health     Health            `json:"health"`   // of its worst check, those of its instances not counted
	Services   int               `json:"services"` // how many different services have instances on it
	Instances  int               `json:"instances"`
	Critical   int               `json:"critical"` // of its instances, in maintenance included
	Locality   Locality          `json:"locality,omitzero"`
	Meta       map[string]string `json:"meta"`
	Checks     []Check           `json:"checks"` // the node's own
}

// Nodes returns every node with what runs on it, by name; nearest first when the query says Near. Of the query
// Datacenter, Near and Filter are used: the filter's selectors are Node, Address, Meta and the like
// (https://developer.hashicorp.com/consul/api-docs/catalog#filtering-1).
func (c *Client) Nodes(ctx context.Context, q Query) ([]Node, error) {
	var known []wireNode
	var checks []wireCheck
	var instances []Instance
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		known, err = c.nodes(ctx, q)
		return err
	})
	group.Go(func() (err error) {
		checks, err = c.checks(ctx, Query{Datacenter: q.Datacenter, Filter: `ServiceID == ""`})
		return err
	})
	group.Go(func() (err error) {
		instances, err = c.everything(ctx, Query{Datacenter: q.Datacenter})
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return describe(known, checks, instances), nil
}

// NodeNames returns the names of all nodes, sorted, in one request.
func (c *Client) NodeNames(ctx context.Context) ([]string, error) {
	known, err := c.nodes(ctx, Query{})
	names := make([]string, len(known))
	for i, node := range known {
		names[i] = node.Node
	}
	slices.Sort(names)
	return names, err
}

func describe(known []wireNode, checks []wireCheck, instances []Instance) []Node {
	list := make([]Node, len(known))
	at := map[string]*Node{}
	for i, node := range known {
		list[i] = Node{
			Name: node.Node, Address: node.Address, Datacenter: node.Datacenter, Health: Passing,
			Meta: node.Meta, Checks: []Check{},
		}
		if node.Locality != nil {
			list[i].Locality = *node.Locality
		}
		if node.Meta == nil {
			list[i].Meta = map[string]string{}
		}
		at[node.Node] = &list[i]
	}
	for i := range checks {
		if node := at[checks[i].Node]; node != nil {
			node.add(checks[i].check())
		}
	}
	services := map[[2]string]bool{}
	for _, instance := range instances {
		if node := at[instance.Node]; node != nil {
			node.count(instance, !services[[2]string{instance.Node, instance.Name}])
			services[[2]string{instance.Node, instance.Name}] = true
		}
	}
	return list
}

func (n *Node) add(c Check) {
	n.Checks = append(n.Checks, c)
	n.Health = worse(n.Health, c.state())
}

func (n *Node) count(instance Instance, first bool) {
	n.Instances++
	if first {
		n.Services++
	}
	if instance.Health.rank() >= Critical.rank() {
		n.Critical++
	}
}

// nodes asks for the nodes, by name or, when the query says so, the nearest first.
func (c *Client) nodes(ctx context.Context, q Query) ([]wireNode, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	options := c.options(ctx, q)
	options.Filter = q.Filter
	var list []wireNode
	meta, err := c.consul.Raw().Query("/v1/catalog/nodes", &list, options)
	if err != nil {
		return nil, c.failed(err, "list the nodes")
	}
	return list, c.hidden(meta, len(list), "list the nodes")
}

// checks asks for the checks that the query's filter lets in.
func (c *Client) checks(ctx context.Context, q Query) ([]wireCheck, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	options := c.options(ctx, q)
	options.Filter = q.Filter
	var list []wireCheck
	meta, err := c.consul.Raw().Query("/v1/health/state/any", &list, options)
	if err != nil {
		return nil, c.failed(err, "list the checks")
	}
	return list, c.hidden(meta, len(list), "list the checks")
}

// everything returns the instances of all services, in as few requests as Consul allows: it tells what instances there
// are by node or by service only. An expression to filter by means the instances of a service.
func (c *Client) everything(ctx context.Context, q Query) ([]Instance, error) {
	names, err := c.names(ctx, Query{Datacenter: q.Datacenter})
	if err != nil || q.Filter != "" || len(names) < 2 {
		return c.byService(ctx, names, q, err)
	}
	nodes, err := c.nodes(ctx, Query{Datacenter: q.Datacenter})
	if err != nil || len(nodes) >= len(names) {
		return c.byService(ctx, names, q, err)
	}
	return c.byNode(ctx, nodes, q)
}

// byService asks for the instances of each service, unless an error is there already.
func (c *Client) byService(ctx context.Context, names []string, q Query, err error) ([]Instance, error) {
	if err != nil {
		return nil, err
	}
	lists, err := inParallel(ctx, names, func(ctx context.Context, name string) ([]Instance, error) {
		ctx, cancel := c.bounded(ctx)
		defer cancel()
		list, _, err := c.read(ctx, name, q, 0)
		return slices.DeleteFunc(list, func(i Instance) bool { return i.Name != name }), err // Consul disregards case
	})
	return slices.Concat(lists...), err
}

// byNode asks for what is registered on each node, and then for all checks: so that none is missing of an instance
// that is registered meanwhile.
func (c *Client) byNode(ctx context.Context, nodes []wireNode, q Query) ([]Instance, error) {
	q = Query{Datacenter: q.Datacenter}
	lists, err := inParallel(ctx, nodes, func(ctx context.Context, node wireNode) ([]Instance, error) {
		return c.onNode(ctx, node.Node, q)
	})
	if err != nil {
		return nil, err
	}
	checks, err := c.checks(ctx, q)
	if err != nil {
		return nil, err
	}
	of := map[[2]string][]Check{}
	for i := range checks {
		key := [2]string{checks[i].Node, checks[i].ServiceID}
		of[key] = append(of[key], checks[i].check())
	}
	all := slices.Concat(lists...)
	for i := range all {
		for _, check := range slices.Concat(of[[2]string{all[i].Node, ""}], of[all[i].key()]) {
			all[i].add(check)
		}
	}
	return all, nil
}

// onNode asks for the instances on a node, without their checks; one that is gone has none.
func (c *Client) onNode(ctx context.Context, name string, q Query) ([]Instance, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	var reply struct {
		Node     *wireNode
		Services []*wireService
	}
	meta, err := c.consul.Raw().Query("/v1/catalog/node-services/"+name, &reply, c.options(ctx, q))
	if err != nil {
		return nil, c.failed(err, "list the services of node %s", name)
	}
	if err := c.hidden(meta, len(reply.Services), "list the services of node %s", name); err != nil || reply.Node == nil {
		return nil, err
	}
	list := make([]Instance, len(reply.Services))
	for i, service := range reply.Services {
		if service == nil {
			return nil, c.failed(errIncomplete, "list the services of node %s", name)
		}
		list[i] = service.on(reply.Node)
	}
	return list, nil
}

// inParallel asks for each of the items, some at a time, and returns the answers in their order.
func inParallel[T, R any](ctx context.Context, items []T, ask func(context.Context, T) (R, error)) ([]R, error) {
	answers := make([]R, len(items))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, item := range items {
		group.Go(func() (err error) {
			answers[i], err = ask(ctx, item)
			return err
		})
	}
	return answers, group.Wait()
}
