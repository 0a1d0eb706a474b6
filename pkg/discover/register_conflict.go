package discover

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"
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
	node, err := c.node(ctx)
	if err != nil {
		return err
	}
	for _, other := range same {
		if other.Node != node {
			return &ConflictError{ID: r.ID(), Service: other.Name, At: other.HostPort(), Node: other.Node, Health: other.Health}
		}
	}
	return nil
}

// node returns the name of the agent's own node.
func (c *Client) node(ctx context.Context) (string, error) {
	var self struct{ Config struct{ NodeName string } }
	err := c.ask(ctx, "/v1/agent/self", &self)
	return self.Config.NodeName, c.failed(err, "ask the agent for its node")
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
	var mu sync.Mutex
	var nodes []string
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, name := range names {
		group.Go(func() error {
			known, _, err := c.read(ctx, name, Query{}, 0)
			mu.Lock()
			defer mu.Unlock()
			for _, instance := range known {
				if instance.ID == id {
					nodes = append(nodes, instance.Node)
				}
			}
			return err
		})
	}
	_ = group.Wait() // what was found is told all the same
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// LocalhostError is a finding: a registration at an agent of another machine names this one by a loopback address,
// which means that machine there.
type LocalhostError struct {
	Service string
	Field   string // "address" or "check 1"
	Value   string // what names the machine
	Agent   string // the agent's address
}

// Error says what would happen.
func (e *LocalhostError) Error() string {
	if e.Field == "address" {
		return fmt.Sprintf("registration of %s: callers on other machines would look for %s on their own", e.Service, e.Value)
	}
	return fmt.Sprintf("registration of %s: %s (%s) would run on the machine of the agent at %s, and ask that one; name this machine's address",
		e.Service, e.Field, e.Value, e.Agent)
}

// Localhost returns a finding for the address and for each check that name a loopback address, when the agent is not
// on this machine as far as its address tells.
func (c *Client) Localhost(r Registration) []*LocalhostError {
	if onThisMachine(c.address) {
		return nil
	}
	var found []*LocalhostError
	add := func(field, host, value string) {
		if isLoopback(host) {
			found = append(found, &LocalhostError{Service: r.Name, Field: field, Value: value, Agent: c.address})
		}
	}
	add("address", r.Address, r.Address)
	for i, check := range r.Checks {
		add(fmt.Sprintf("check %d", i+1), check.host(), check.HTTP+check.GRPC)
	}
	return found
}

// onThisMachine tells whether an address of Consul is of this machine. It looks nothing up.
func onThisMachine(text string) bool {
	where, err := parseAddress(text)
	if err != nil {
		return false
	}
	host, _, err := net.SplitHostPort(where.host)
	if err != nil {
		host = where.host
	}
	if name, err := os.Hostname(); where.socket != "" || isLoopback(host) || err == nil && strings.EqualFold(name, host) {
		return true
	}
	own, err := net.InterfaceAddrs()
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return err == nil && ip != nil && slices.ContainsFunc(own, func(a net.Addr) bool {
		network, ok := a.(*net.IPNet)
		return ok && network.IP.Equal(ip)
	})
}

func isLoopback(host string) bool {
	host = strings.Trim(host, "[]")
	return strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") || net.ParseIP(host).IsLoopback()
}
