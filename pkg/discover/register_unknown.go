package discover

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"
)

// UnknownIDError says that the agent has no instance registered under an id. An agent changes only what was registered
// with it.
type UnknownIDError struct {
	ID      string
	Address string   // the agent's
	Nodes   []string // nodes with which the id is registered instead
	Similar []string // ids of this agent that may have been meant, the most similar first
	Err     error    // the agent's own words; may be nil
}

// Error names the id, and where it is registered or what may have been meant.
func (e *UnknownIDError) Error() string {
	text := fmt.Sprintf("the agent at %s has no instance %s", e.Address, e.ID)
	switch {
	case len(e.Nodes) > 0:
		return fmt.Sprintf("%s: it is registered at node %s, and only the agent there can change it", text, strings.Join(e.Nodes, ", "))
	case len(e.Similar) > 0:
		return text + "; did you mean " + listOr(e.Similar, "") + "?"
	}
	return text
}

// Unwrap returns the agent's own words.
func (e *UnknownIDError) Unwrap() error { return e.Err }

// unknownID makes the error for an id that the agent does not know. What cannot be found out is left out.
func (c *Client) unknownID(ctx context.Context, id string, met error) error {
	unknown := &UnknownIDError{ID: id, Address: c.address, Err: met}
	if ids, err := c.IDs(ctx); err == nil {
		unknown.Similar = similar(id, ids)
	}
	unknown.Nodes = c.nodesOf(ctx, id)
	return unknown
}

// IDs returns the ids of the instances that are registered with this agent, sorted. Errors are *RequestError.
func (c *Client) IDs(ctx context.Context) ([]string, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	services, err := c.consul.Agent().ServicesWithFilterOpts("", (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return nil, c.failed(err, "list what is registered with the agent")
	}
	ids := make([]string, 0, len(services))
	for id := range services {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, nil
}

// nodesOf looks for the id among the instances of every service, those first whose name it begins with: the catalogue
// cannot be asked for an id.
func (c *Client) nodesOf(ctx context.Context, id string) []string {
	names, err := c.names(ctx, Query{})
	if err != nil {
		return nil
	}
	begins := func(name string) bool { return strings.HasPrefix(id, name) }
	likely := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !begins(name) })
	if nodes := c.nodesAmong(ctx, id, likely); len(nodes) > 0 {
		return nodes
	}
	return c.nodesAmong(ctx, id, slices.DeleteFunc(names, begins))
}

func (c *Client) nodesAmong(ctx context.Context, id string, names []string) []string {
	known, _ := inParallel(ctx, names, func(ctx context.Context, name string) ([]Instance, error) {
		list, _, err := c.read(ctx, name, Query{}, 0)
		return list, err
	}) // what was found is told, whatever else fails
	var nodes []string
	for _, instance := range slices.Concat(known...) {
		if instance.ID == id {
			nodes = append(nodes, instance.Node)
		}
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}
