package discover

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/consul/api"
)

// ConflictError says that the id of a registration is taken by something else. Registering goes through all the same:
// where it is taken at this agent the other is replaced, where it is taken at another node callers are given both.
type ConflictError struct {
	ID      string
	Service string // the other's name
	At      string // host:port at which callers reach the other
	Node    string // where the other is registered
	Here    bool   // at the agent that was asked
	Health  Health // the other's; empty when it is here
}

// Error says where the id is taken and what to do.
func (e *ConflictError) Error() string {
	if e.Here {
		return fmt.Sprintf("%s is taken at this agent by %s at %s, which would be replaced; deregister that first, or replace it",
			e.ID, e.Service, e.At)
	}
	return fmt.Sprintf("%s is registered at node %s too (%s, %s), and callers would be given both; deregister it at that node's agent, or replace it",
		e.ID, e.Node, e.At, e.Health)
}

// Conflict returns a *ConflictError when the registration's id is taken: at another node, or at this agent by what has
// another name, address or port. Other errors are *RequestError; they say that it could not be found out, as for a
// token that may not read the agent.
func (c *Client) Conflict(ctx context.Context, r Registration) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	here, err := c.local(ctx, r.ID())
	if err != nil {
		return err
	}
	if here != nil && (here.Service != r.Name || here.Address != r.Address || here.Port != r.Port) {
		other := Registration{Address: here.Address, Port: here.Port}
		return &ConflictError{ID: r.ID(), Service: here.Service, At: other.HostPort(), Here: true}
	}
	known, _, err := c.read(ctx, r.Name, Query{}, 0)
	if err != nil {
		return err
	}
	same := slices.DeleteFunc(known, func(i Instance) bool { return i.ID != r.ID() })
	if len(same) == 0 {
		return nil
	}
	self, err := c.self(ctx)
	if err != nil {
		return err
	}
	for _, other := range same {
		if other.Node != self.Config.NodeName {
			return &ConflictError{ID: r.ID(), Service: other.Name, At: other.HostPort(), Node: other.Node, Health: other.Health}
		}
	}
	return nil
}

// Evict takes the instance that a ConflictError tells of out of the catalogue, when it is another node's. It is for
// nodes that are gone: the agent of a living one puts it back within minutes. Errors are *RequestError.
func (c *Client) Evict(ctx context.Context, conflict *ConflictError) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	entry := &api.CatalogDeregistration{Node: conflict.Node, ServiceID: conflict.ID}
	_, err := c.consul.Catalog().Deregister(entry, (&api.WriteOptions{}).WithContext(ctx))
	return c.failed(err, "deregister %s of node %s", conflict.ID, conflict.Node)
}
