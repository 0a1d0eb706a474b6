package discover

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"
)

// Register registers the instance with the agent, or replaces what is registered under its id, and returns the id.
// Checks that are registered already keep their status; those that the registration no longer names are gone. An
// instance that somebody put into maintenance stays there. Errors are *RegistrationError and *RequestError.
//
// Nothing keeps the instance registered after that: see [Client.Keep].
func (c *Client) Register(ctx context.Context, r Registration) (id string, err error) {
	if err := r.Validate(); err != nil {
		return "", err
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	return r.ID(), c.register(ctx, r, "")
}

// register registers an instance whose TTL checks, when the agent does not know them yet, begin with a health.
func (c *Client) register(ctx context.Context, r Registration, health Health) error {
	body := r.forAgent()
	for _, check := range body.Checks {
		if check.TTL != "" {
			check.Status = string(health)
		}
	}
	checks, err := c.localChecks(ctx, body.ID)
	// To replace checks takes away the one that stands for maintenance, too.
	replace := err == nil && !slices.ContainsFunc(checks, foreignMaintenance)
	options := api.ServiceRegisterOpts{ReplaceExistingChecks: replace}.WithContext(ctx)
	if err := c.consul.Agent().ServiceRegisterOpts(body, options); err != nil {
		return c.failed(err, "register %s", body.ID)
	}
	if replace {
		return nil
	}
	return c.dropChecks(ctx, body, checks)
}

// dropChecks removes the instance's checks that the registration does not name, but not its maintenance.
func (c *Client) dropChecks(ctx context.Context, body *api.AgentServiceRegistration, has []*api.AgentCheck) error {
	for _, check := range has {
		named := func(own *api.AgentServiceCheck) bool { return own.CheckID == check.CheckID }
		if foreignMaintenance(check) || slices.ContainsFunc(body.Checks, named) {
			continue
		}
		err := c.consul.Agent().CheckDeregisterOpts(check.CheckID, (&api.QueryOptions{}).WithContext(ctx))
		if err != nil && !isNotFound(err) {
			return c.failed(err, "remove check %s of %s", check.CheckID, body.ID)
		}
	}
	return nil
}

// drainReason is the reason of the maintenance that Keep's drain puts up. A process that starts again lifts it.
const drainReason = "shutting down"

// foreignMaintenance tells whether the check stands for a maintenance of the instance that somebody else put up.
func foreignMaintenance(check *api.AgentCheck) bool {
	return strings.HasPrefix(check.CheckID, api.ServiceMaintPrefix) && check.Notes != drainReason
}

// localChecks returns the checks that the agent itself knows for the instance, sorted by id.
func (c *Client) localChecks(ctx context.Context, id string) ([]*api.AgentCheck, error) {
	known, err := c.consul.Agent().ChecksWithFilterOpts("ServiceID == "+strconv.Quote(id), (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return nil, c.failed(err, "read the checks of %s", cmp.Or(id, "the agent's node"))
	}
	var checks []*api.AgentCheck
	for _, check := range known {
		if check != nil && check.ServiceID == id {
			checks = append(checks, check)
		}
	}
	slices.SortFunc(checks, func(a, b *api.AgentCheck) int { return cmp.Compare(a.CheckID, b.CheckID) })
	return checks, nil
}

// local returns what the agent itself has registered under the id, or nil.
func (c *Client) local(ctx context.Context, id string) (*api.AgentService, error) {
	service, _, err := c.consul.Agent().Service(id, (&api.QueryOptions{}).WithContext(ctx))
	if isNotFound(err) {
		return nil, nil
	}
	return service, c.failed(err, "read the registration of %s", id)
}

// Registered returns what the agent itself has registered under the id, with its newest checks but those of the node.
// An id that this agent has not registered is an *UnknownIDError; other errors are *RequestError.
func (c *Client) Registered(ctx context.Context, id string) (Instance, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	service, err := c.local(ctx, id)
	if err != nil {
		return Instance{}, err
	}
	if service == nil {
		return Instance{}, c.unknownID(ctx, id, nil)
	}
	checks, err := c.localChecks(ctx, id)
	if err != nil {
		return Instance{}, err
	}
	wire := &wireService{
		ID: service.ID, Service: service.Service, Address: service.Address, Port: service.Port,
		Namespace: service.Namespace, Partition: service.Partition,
		Tags: service.Tags, Meta: service.Meta, Weights: Weights(service.Weights), Locality: (*Locality)(service.Locality),
	}
	node := &wireNode{Datacenter: service.Datacenter}
	if len(checks) > 0 {
		node.Node = checks[0].Node
	}
	instance := wire.on(node)
	for _, check := range checks {
		instance.add(Check{
			ID: check.CheckID, Name: check.Name, Kind: check.Type, Status: Health(check.Status), Output: check.Output,
			Notes: check.Notes,
		})
	}
	return instance, nil
}

// isNotFound tells whether the agent answered that it does not know an id.
func isNotFound(err error) bool {
	var status api.StatusError
	return errors.As(err, &status) && unknownID(status)
}

// unknownID tells a 404 of an agent's from one of whatever else may listen on the port.
func unknownID(status api.StatusError) bool {
	said := strings.ToLower(status.Body)
	return status.Code == http.StatusNotFound && (strings.Contains(said, "unknown ") || strings.Contains(said, "does not exist"))
}

// Report is the heartbeat of a TTL check: it says how the instance is, with a note for people. An agent that does not
// know the check, because it lost its state, answers with a *RequestError; register again then, as Keep does.
func (c *Client) Report(ctx context.Context, checkID string, status Health, note string) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	options := (&api.QueryOptions{}).WithContext(ctx)
	err := c.consul.Agent().UpdateTTLOpts(checkID, note, string(status), options)
	return c.failed(err, "report %s as %s", checkID, status)
}

// Deregister removes an instance and its checks from the agent. An id that this agent has not registered is an
// *UnknownIDError, which says where it is registered instead; other errors are *RequestError.
func (c *Client) Deregister(ctx context.Context, id string) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	err := c.deregister(ctx, id)
	if isNotFound(err) {
		return c.unknownID(ctx, id, err)
	}
	return err
}

func (c *Client) deregister(ctx context.Context, id string) error {
	err := c.consul.Agent().ServiceDeregisterOpts(id, (&api.QueryOptions{}).WithContext(ctx))
	return c.failed(err, "deregister %s", id)
}
