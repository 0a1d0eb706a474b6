package discover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"
)

// DefaultDeregisterAfter is how long an instance stays critical before Consul deregisters it.
const DefaultDeregisterAfter = 10 * time.Minute

// DefaultInterval is how often a check is run that says nothing of it.
const DefaultInterval = 10 * time.Second

// Registration says what a service registers of itself (D1).
type Registration struct {
	Name    string // required
	Version string // goes to Meta["version"]: Consul has no field for it
	Address string // required: where the service listens, as its callers see it
	Port    int    // required
	Tags    []string
	Meta    map[string]string // such as api_version and team
	Checks  []CheckConfig
	// DeregisterAfter is how long the instance may stay critical before Consul forgets it. Zero is
	// DefaultDeregisterAfter, negative is never; Consul's least is a minute.
	DeregisterAfter time.Duration
}

// CheckConfig is one health check. Exactly one of HTTP, GRPC and TTL is given.
type CheckConfig struct {
	HTTP string        // URL to GET: 2xx passes, 429 warns, anything else is critical
	GRPC string        // host:port of a grpc.health.v1 server, or host:port/service
	TTL  time.Duration // the service reports itself with Client.Report at least this often

	Interval time.Duration // how often Consul asks; default DefaultInterval; not for TTL
	Timeout  time.Duration // default Consul's 10 s; not for TTL
	TLS      bool          // GRPC is asked with TLS
}

// ID is the instance's id: name, address and port, so that registering again replaces and never doubles (D1).
func (r Registration) ID() string { return fmt.Sprintf("%s-%s-%d", r.Name, r.Address, r.Port) }

func (r Registration) validate() error {
	switch {
	case r.Name == "":
		return errors.New("a registration needs a name")
	case r.Address == "":
		return fmt.Errorf("registration of %s needs the address at which callers reach it", r.Name)
	case net.ParseIP(r.Address).IsUnspecified():
		return fmt.Errorf("registration of %s: %s is every address of this machine; name the one callers reach", r.Name, r.Address)
	case r.Port <= 0 || r.Port > 65535:
		return fmt.Errorf("registration of %s: port %d is not in 1 to 65535", r.Name, r.Port)
	}
	for i, check := range r.Checks {
		if err := check.validate(); err != nil {
			return fmt.Errorf("registration of %s: check %d: %w", r.Name, i+1, err)
		}
	}
	return nil
}

func (c CheckConfig) validate() error {
	kinds := 0
	for _, given := range []bool{c.HTTP != "", c.GRPC != "", c.TTL != 0} {
		if given {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return errors.New("exactly one of HTTP, GRPC and TTL is needed")
	case c.TTL < 0 || c.Interval < 0 || c.Timeout < 0:
		return errors.New("a duration is negative")
	}
	return nil
}

// Register registers the instance with the agent, or replaces what is registered under its id, and returns the id.
// Checks that are registered already keep their status. Errors are *RequestError, or say what is missing.
func (c *Client) Register(ctx context.Context, r Registration) (id string, err error) {
	if err := r.validate(); err != nil {
		return "", err
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	options := api.ServiceRegisterOpts{ReplaceExistingChecks: true}.WithContext(ctx)
	err = c.consul.Agent().ServiceRegisterOpts(r.forAgent(), options)
	return r.ID(), c.failed(err, "register %s", r.ID())
}

func (r Registration) forAgent() *api.AgentServiceRegistration {
	meta := maps.Clone(r.Meta)
	if r.Version != "" {
		if meta == nil {
			meta = map[string]string{}
		}
		meta[versionKey] = r.Version
	}
	out := &api.AgentServiceRegistration{
		ID: r.ID(), Name: r.Name, Address: r.Address, Port: r.Port, Tags: r.Tags, Meta: meta,
	}
	for i, check := range r.Checks {
		out.Checks = append(out.Checks, check.forAgent(CheckID(r.ID(), i), r.deregisterAfter()))
	}
	return out
}

func (r Registration) deregisterAfter() string {
	switch {
	case r.DeregisterAfter < 0:
		return ""
	case r.DeregisterAfter == 0:
		return DefaultDeregisterAfter.String()
	}
	return r.DeregisterAfter.String()
}

// CheckID is the id of an instance's check, counted from 0 as in Registration.Checks.
func CheckID(instance string, check int) string {
	return "service:" + instance + ":" + strconv.Itoa(check+1)
}

func (c CheckConfig) forAgent(id, deregisterAfter string) *api.AgentServiceCheck {
	out := &api.AgentServiceCheck{
		CheckID: id, HTTP: c.HTTP, GRPC: c.GRPC, GRPCUseTLS: c.TLS, DeregisterCriticalServiceAfter: deregisterAfter,
	}
	if c.TTL > 0 {
		out.TTL = c.TTL.String()
		return out
	}
	out.Interval = DefaultInterval.String()
	if c.Interval > 0 {
		out.Interval = c.Interval.String()
	}
	if c.Timeout > 0 {
		out.Timeout = c.Timeout.String()
	}
	return out
}

// Report is the heartbeat of a TTL check: it says how the instance is, with a note for people. An agent that does not
// know the check, because it lost its state, answers with a *RequestError; register again then.
func (c *Client) Report(ctx context.Context, checkID string, status Health, note string) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	options := (&api.QueryOptions{}).WithContext(ctx)
	err := c.consul.Agent().UpdateTTLOpts(checkID, note, string(status), options)
	return c.failed(err, "report %s as %s", checkID, status)
}

// Deregister removes an instance and its checks from the agent. An id that the agent does not know is a
// *RequestError.
func (c *Client) Deregister(ctx context.Context, id string) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	err := c.consul.Agent().ServiceDeregisterOpts(id, (&api.QueryOptions{}).WithContext(ctx))
	return c.failed(err, "deregister %s", id)
}
