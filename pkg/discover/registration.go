package discover

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// DefaultDeregisterAfter is how long an instance stays critical before Consul deregisters it.
const DefaultDeregisterAfter = 10 * time.Minute

// DefaultInterval is how often a check is run that says nothing of it.
const DefaultInterval = 10 * time.Second

// Registration says what a service registers of itself (D1). The package discover/definition reads one from the
// YAML of the specification.
type Registration struct {
	Name     string // required
	Version  string // goes to Meta["version"]: Consul has no field for it
	Address  string // required: where the service listens, as its callers see it
	Port     int    // required
	Tags     []string
	Meta     map[string]string // such as api_version and team
	Weights  Weights           // a zero is Consul's default, 1
	Locality Locality          // default the node's
	Checks   []CheckConfig
	// DeregisterAfter is how long the instance may stay critical before Consul forgets it. Zero is
	// DefaultDeregisterAfter, negative is never; Consul's least is a minute.
	DeregisterAfter time.Duration
}

// CheckConfig is one health check. Exactly one of HTTP, GRPC and TTL is given.
type CheckConfig struct {
	HTTP string        // URL to GET: 2xx passes, 429 warns, anything else is critical; a *Status answers so
	GRPC string        // host:port of a grpc.health.v1 server, or host:port/service
	TTL  time.Duration // the process reports itself at least this often: Client.Keep does

	Interval time.Duration // how often Consul asks; default DefaultInterval; not for TTL
	Timeout  time.Duration // default Consul's 10 s; not for TTL
	TLS      bool          // GRPC is asked with TLS
}

// ID is the instance's id: name, address and port, so that registering again replaces and never doubles (D1).
func (r Registration) ID() string { return fmt.Sprintf("%s-%s-%d", r.Name, r.Address, r.Port) }

// HostPort is where the instance listens, as host:port; IPv6 is bracketed.
func (r Registration) HostPort() string { return net.JoinHostPort(r.Address, strconv.Itoa(r.Port)) }

// RegistrationError says what is wrong with a registration, before anything is sent.
type RegistrationError struct {
	Service string // the registration's name; may be empty
	Field   string // name, address, port, weights or "check 1"
	Reason  string
}

// Error names the service, the field and what is wrong.
func (e *RegistrationError) Error() string {
	if e.Service == "" {
		return "registration: " + e.Reason
	}
	return fmt.Sprintf("registration of %s: %s", e.Service, e.Reason)
}

// Validate returns a *RegistrationError when the registration lacks something or says what cannot be.
func (r Registration) Validate() error {
	wrong := func(field, reason string, args ...any) error {
		return &RegistrationError{Service: r.Name, Field: field, Reason: fmt.Sprintf(reason, args...)}
	}
	switch {
	case r.Name == "":
		return wrong("name", "it needs a name")
	case r.Address == "":
		return wrong("address", "it needs the address at which callers reach it")
	case net.ParseIP(r.Address).IsUnspecified():
		return wrong("address", "%s is every address of this machine; name the one callers reach", r.Address)
	case r.Port == 0:
		return wrong("port", "it needs the port at which callers reach it; port 0 is none")
	case r.Port < 0 || r.Port > 65535:
		return wrong("port", "port %d is not in 1 to 65535", r.Port)
	case r.Weights.Passing < 0 || r.Weights.Warning < 0 || r.Weights.Passing > maxWeight || r.Weights.Warning > maxWeight:
		return wrong("weights", "weights are in 0 to %d", maxWeight)
	}
	for i, check := range r.Checks {
		if reason := check.wrong(); reason != "" {
			return wrong(fmt.Sprintf("check %d", i+1), "check %d: %s", i+1, reason)
		}
	}
	return nil
}

const maxWeight = 65535 // it is told in SRV records, too

// wrong says what is wrong with the check, or nothing.
func (c CheckConfig) wrong() string {
	kinds := 0
	for _, given := range []bool{c.HTTP != "", c.GRPC != "", c.TTL != 0} {
		if given {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return "exactly one of HTTP, GRPC and TTL is needed"
	case c.TTL < 0 || c.Interval < 0 || c.Timeout < 0:
		return "a duration is negative"
	case c.TTL > 0 && (c.Interval > 0 || c.Timeout > 0):
		return "a TTL check has neither interval nor timeout: nobody asks"
	case c.HTTP != "":
		return wrongURL(c.HTTP)
	case c.GRPC != "":
		return wrongGRPC(c.GRPC)
	}
	return ""
}

func wrongURL(text string) string {
	parsed, err := url.Parse(text)
	switch {
	case err != nil:
		return fmt.Sprintf("it is no URL: %v", cause(err)) // which does not quote it: it may hold a password
	case parsed.Scheme != "http" && parsed.Scheme != "https", parsed.Host == "":
		return fmt.Sprintf("%q is no http or https URL", parsed.Redacted())
	}
	return ""
}

func wrongGRPC(text string) string {
	address, _, _ := strings.Cut(text, "/")
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		return fmt.Sprintf("%q is not host:port or host:port/service", text)
	}
	return ""
}

// forAgent is the registration as the agent's API takes it.
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
	if r.Weights != (Weights{}) {
		out.Weights = &api.AgentWeights{Passing: max(1, r.Weights.Passing), Warning: max(1, r.Weights.Warning)}
	}
	if r.Locality != (Locality{}) {
		out.Locality = &api.Locality{Region: r.Locality.Region, Zone: r.Locality.Zone}
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

// fate is how long after it turns critical the instance is deregistered by Consul itself; 0 is never.
func (r Registration) fate() time.Duration {
	switch {
	case len(r.Checks) == 0 || r.DeregisterAfter < 0:
		return 0
	case r.DeregisterAfter == 0:
		return DefaultDeregisterAfter
	}
	return max(r.DeregisterAfter, minDeregisterAfter)
}

const minDeregisterAfter = time.Minute // Consul's own

// ttl returns the shortest TTL among the checks, or 0 when none is of that kind.
func (r Registration) ttl() time.Duration {
	var shortest time.Duration
	for _, check := range r.Checks {
		if check.TTL > 0 && (shortest == 0 || check.TTL < shortest) {
			shortest = check.TTL
		}
	}
	return shortest
}

// CheckID is the id of an instance's check, counted from 0 as in Registration.Checks.
func CheckID(instance string, check int) string {
	return "service:" + instance + ":" + strconv.Itoa(check+1)
}

func (c CheckConfig) forAgent(id, deregisterAfter string) *api.AgentServiceCheck {
	out := &api.AgentServiceCheck{
		CheckID: id, HTTP: c.HTTP, GRPC: c.GRPC, GRPCUseTLS: c.TLS, DeregisterCriticalServiceAfter: deregisterAfter,
		Notes: c.notes(),
	}
	if c.TTL > 0 {
		out.TTL = c.TTL.String()
		return out
	}
	out.Interval = c.interval().String()
	if c.Timeout > 0 {
		out.Timeout = c.Timeout.String()
	}
	return out
}

func (c CheckConfig) interval() time.Duration {
	if c.Interval > 0 {
		return c.Interval
	}
	return DefaultInterval
}

// notes tell what the check does: Consul shows that nowhere else.
func (c CheckConfig) notes() string {
	if c.TTL > 0 {
		return fmt.Sprintf("the process reports itself, every %s at the latest", c.TTL)
	}
	text := "GET " + c.target()
	if c.GRPC != "" {
		text = "grpc.health.v1 at " + c.target()
	}
	if c.TLS {
		text += " with TLS"
	}
	text += fmt.Sprintf(" every %s", c.interval())
	if c.Timeout > 0 {
		text += fmt.Sprintf(", %s at most", c.Timeout)
	}
	return text
}

// target is what the check asks, without a password.
func (c CheckConfig) target() string {
	if parsed, err := url.Parse(c.HTTP); c.HTTP != "" && err == nil {
		return parsed.Redacted()
	}
	return c.GRPC
}

// host returns the host that the check asks, or "".
func (c CheckConfig) host() string {
	if parsed, err := url.Parse(c.HTTP); c.HTTP != "" && err == nil {
		return parsed.Hostname()
	}
	address, _, _ := strings.Cut(c.GRPC, "/")
	host, _, _ := net.SplitHostPort(address)
	return host
}
