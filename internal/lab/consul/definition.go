package consul

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"time"

	"github.com/hashicorp/consul/api"
)

// duration reads "10s" or a number of nanoseconds, as the agent does.
type duration time.Duration

func (d *duration) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) != nil {
		return json.Unmarshal(data, (*int64)(d))
	}
	parsed, err := time.ParseDuration(text)
	*d = duration(parsed)
	return err
}

// serviceDefinition is the body of a service's registration. Names of several words are read in both of the
// spellings that the agent takes.
type serviceDefinition struct {
	ID, Name, Address      string
	Port                   int
	Tags                   []string
	Meta                   map[string]string
	Weights                *api.AgentWeights
	EnableTagOverride      bool
	EnableTagOverrideSnake bool `json:"enable_tag_override"`
	TaggedAddresses        map[string]api.ServiceAddress
	TaggedAddressesSnake   map[string]api.ServiceAddress `json:"tagged_addresses"`
	Check                  *checkDefinition
	Checks                 []*checkDefinition

	Locality *api.Locality

	// Read and left alone: there is no mesh, no namespace and no partition here.
	Kind, Token, SocketPath, Namespace, Partition string
	Ports, Proxy, Connect                         json.RawMessage
}

// checkDefinition is a check of a registration, or the body of a check's own registration.
type checkDefinition struct {
	ID, CheckID, Name, Notes, Status string
	CheckIDSnake                     string `json:"check_id"`
	ServiceID                        string
	ServiceIDSnake                   string `json:"service_id"`

	HTTP, Method, Body    string
	Header                map[string][]string
	DisableRedirects      bool
	TCP, GRPC             string
	TCPUseTLS, GRPCUseTLS bool
	GRPCUseTLSSnake       bool `json:"grpc_use_tls"`
	TLSServerName         string
	TLSServerNameSnake    string `json:"tls_server_name"`
	TLSSkipVerify         bool
	TLSSkipVerifySnake    bool `json:"tls_skip_verify"`

	Interval, Timeout, TTL              duration
	DeregisterCriticalServiceAfter      duration
	DeregisterCriticalServiceAfterSnake duration `json:"deregister_critical_service_after"`

	SuccessBeforePassing, FailuresBeforeWarning, FailuresBeforeCritical int

	// Known and refused.
	ScriptArgs, Args                                     []string
	UDP, DockerContainerID, Shell, H2PING, OSService     string
	AliasNode, AliasService, Namespace, Partition, Token string
	H2PingUseTLS                                         bool
}

// decode reads one JSON value and, like the agent, refuses fields that nobody knows.
func decode(body io.Reader, into any) error {
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return badRequest("Request decode failed: %v", err)
	}
	return nil
}

func (d *serviceDefinition) validate() error {
	if d.Name == "" {
		return badRequest("Missing service name")
	}
	if ip := net.ParseIP(d.Address); ip != nil && ip.IsUnspecified() {
		return badRequest("Invalid service address")
	}
	if err := validWeights(d.Weights); err != nil {
		return badRequest("Invalid Weights: %v", err)
	}
	if d.Locality != nil && d.Locality.Zone != "" && d.Locality.Region == "" {
		return badRequest("Validation failed: 1 error occurred:\n\t* zone cannot be set without region\n\n")
	}
	for _, check := range d.checks() {
		if err := check.validate(); err != nil {
			return badRequest("Invalid check: %v", err)
		}
		if !validStatus(check.Status) {
			return badRequest("Status for checks must 'passing', 'warning', 'critical'")
		}
	}
	return nil
}

func validWeights(w *api.AgentWeights) error {
	switch {
	case w == nil:
		return nil
	case w.Passing < 1:
		return errors.New("Passing must be greater than 0") //nolint:staticcheck // the engine's own text
	case w.Warning < 0:
		return errors.New("Warning must be greater or equal than 0") //nolint:staticcheck // the engine's own text
	case w.Passing > math.MaxUint16 || w.Warning > math.MaxUint16:
		return fmt.Errorf("DNS Weight must be between 0 and %d", math.MaxUint16)
	}
	return nil
}

func (d *serviceDefinition) checks() []*checkDefinition {
	if d.Check == nil {
		return d.Checks
	}
	return append([]*checkDefinition{d.Check}, d.Checks...)
}

func (d *serviceDefinition) service(datacenter string) *api.AgentService {
	svc := &api.AgentService{
		ID: d.ID, Service: d.Name, Address: d.Address, Port: d.Port, Tags: d.Tags, Meta: d.Meta,
		TaggedAddresses:   d.TaggedAddresses,
		EnableTagOverride: d.EnableTagOverride || d.EnableTagOverrideSnake,
		Weights:           api.AgentWeights{Passing: 1, Warning: 1},
		Datacenter:        datacenter,
		Locality:          d.Locality,
	}
	if svc.ID == "" {
		svc.ID = d.Name
	}
	if svc.Tags == nil {
		svc.Tags = []string{}
	}
	if svc.Meta == nil {
		svc.Meta = map[string]string{}
	}
	if d.Weights != nil {
		svc.Weights = *d.Weights
	}
	if svc.TaggedAddresses == nil {
		svc.TaggedAddresses = d.TaggedAddressesSnake
	}
	if svc.TaggedAddresses == nil {
		svc.TaggedAddresses = defaultAddresses(d.Address, d.Port)
	}
	return svc
}

// defaultAddresses names a literal address as the agent does, once for the LAN and once for the WAN.
func defaultAddresses(address string, port int) map[string]api.ServiceAddress {
	ip := net.ParseIP(address)
	if ip == nil {
		return nil
	}
	family := "ipv6"
	if ip.To4() != nil {
		family = "ipv4"
	}
	at := api.ServiceAddress{Address: address, Port: port}
	return map[string]api.ServiceAddress{"lan_" + family: at, "wan_" + family: at}
}

func (d *checkDefinition) validate() error {
	probed := d.HTTP != "" || d.TCP != "" || d.GRPC != ""
	switch {
	case d.unsupported() != "":
		return fmt.Errorf("%s checks are not part of the lab", d.unsupported())
	case d.Interval > 0 && d.TTL > 0:
		return errors.New("Interval and TTL cannot both be specified") //nolint:staticcheck // the engine's own text
	case probed && d.Interval <= 0:
		return errors.New("Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks") //nolint:staticcheck // the engine's own text
	case !probed && d.TTL <= 0:
		return errors.New("TTL must be > 0 for TTL checks")
	case d.FailuresBeforeWarning > d.FailuresBeforeCritical:
		return errors.New("FailuresBeforeWarning can't be higher than FailuresBeforeCritical")
	}
	return nil
}

func (d *checkDefinition) unsupported() string {
	switch {
	case len(d.ScriptArgs)+len(d.Args) > 0:
		return "script"
	case d.UDP != "":
		return "UDP"
	case d.DockerContainerID != "":
		return "Docker"
	case d.H2PING != "":
		return "H2PING"
	case d.OSService != "":
		return "OSService"
	case d.AliasNode != "" || d.AliasService != "":
		return "alias"
	}
	return ""
}

// id is the check's own; for a check of a service it is made from the service's when it has none.
func (d *checkDefinition) id() string {
	for _, id := range []string{d.CheckID, d.CheckIDSnake, d.ID} {
		if id != "" {
			return id
		}
	}
	return ""
}

func (d *checkDefinition) serviceID() string {
	if d.ServiceID != "" {
		return d.ServiceID
	}
	return d.ServiceIDSnake
}

func (d *checkDefinition) kind() string {
	switch {
	case d.GRPC != "":
		return "grpc"
	case d.HTTP != "":
		return "http"
	case d.TTL > 0:
		return "ttl"
	default:
		return "tcp"
	}
}

func (d *checkDefinition) deregisterAfter() time.Duration {
	return time.Duration(max(d.DeregisterCriticalServiceAfter, d.DeregisterCriticalServiceAfterSnake))
}

func validStatus(status string) bool {
	return status == "" || status == api.HealthPassing || status == api.HealthWarning || status == api.HealthCritical
}
