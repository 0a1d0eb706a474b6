package discover

import (
	"cmp"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"
)

// Health is the state of an instance or a check, or the least state that a query wants.
type Health string

// The states of Consul's checks, from good to bad. An instance is as bad as its worst check, the node's included.
const (
	Passing     Health = api.HealthPassing
	Warning     Health = api.HealthWarning
	Critical    Health = api.HealthCritical
	Maintenance Health = api.HealthMaint
)

// Any is for queries alone: it wants instances in whatever state.
const Any Health = api.HealthAny

// rank orders states by how bad they are.
func (h Health) rank() int {
	switch h {
	case Passing:
		return 0
	case Warning:
		return 1
	case Maintenance:
		return 3
	default:
		return 2
	}
}

func worse(a, b Health) Health {
	if b.rank() > a.rank() {
		return b
	}
	return a
}

// Instance is one registered instance of a service. Its ID is unique on its Node only.
type Instance struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Version     string            `json:"version"` // Meta["version"]: Consul has no field for it
	Address     string            `json:"address"` // the node's when the instance was registered without one
	Port        int               `json:"port"`    // 0: registered without one, so that nobody can dial it
	Tags        []string          `json:"tags"`
	Meta        map[string]string `json:"meta"`
	Node        string            `json:"node"`
	NodeAddress string            `json:"node_address"`
	Datacenter  string            `json:"datacenter"`
	Namespace   string            `json:"namespace,omitempty"` // Consul Enterprise's
	Partition   string            `json:"partition,omitempty"` // Consul Enterprise's
	Locality    Locality          `json:"locality,omitzero"`
	Weights     Weights           `json:"weights"`
	Health      Health            `json:"health"`
	Checks      []Check           `json:"checks"`
}

// Locality is where an instance runs: its own, or else its node's.
type Locality struct {
	Region string `json:"region,omitempty"`
	Zone   string `json:"zone,omitempty"`
}

// Weights say how big a share of the calls an instance is to get, relative to the others, by its health. Consul's
// default is 1 for both.
type Weights struct {
	Passing int `json:"passing"`
	Warning int `json:"warning"`
}

// HostPort is where the instance listens, as host:port; IPv6 is bracketed.
func (i Instance) HostPort() string { return net.JoinHostPort(i.Address, strconv.Itoa(i.Port)) }

// Weight is the instance's weight at its present health; 0 when it is critical or in maintenance.
func (i Instance) Weight() int {
	switch i.Health {
	case Passing:
		return i.Weights.Passing
	case Warning:
		return i.Weights.Warning
	default:
		return 0
	}
}

// Check is one health check of an instance or of its node.
type Check struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Kind   string `json:"kind"` // http, tcp, grpc, ttl, maintenance …; empty for the node's own
	Status Health `json:"status"`
	Output string `json:"output"` // what the last run said
	Notes  string `json:"notes"`  // what the registration says of it; the reason of a maintenance
	OnNode bool   `json:"on_node"`
	// DeregisterAfter is after how long in critical the instance is removed, such as 1m30s. Consul tells it of checks
	// that were written to the catalogue by themselves; of those that an agent runs, it tells nobody.
	DeregisterAfter string `json:"deregister_after,omitempty"`
}

// versionKey is the key of the metadata that holds an instance's version (D1).
const versionKey = "version"

// errIncomplete is an entry of a reply without its parts, which Consul never sends.
var errIncomplete = errors.New("an instance has no service, no node or an empty check")

// entry is the part that is used of what Consul tells of an instance. It is decoded in place of the API's own type,
// whose definitions of checks take most of the time.
type entry struct {
	Node    *wireNode
	Service *wireService
	Checks  []*wireCheck
}

type wireNode struct {
	Node, Address, Datacenter string
	Meta                      map[string]string
	Locality                  *Locality
}

type wireService struct {
	ID, Service, Address, Namespace, Partition string
	Port                                       int
	Tags                                       []string
	Meta                                       map[string]string
	Weights                                    Weights
	Locality                                   *Locality
}

type wireCheck struct {
	Node, CheckID, Name, Type, Output, Notes, ServiceID string
	Status                                              Health
	Definition                                          struct{ DeregisterCriticalServiceAfter span }
}

// span is a duration as text, left empty where none is told or something else stands in its place.
type span string

// UnmarshalJSON never fails.
func (s *span) UnmarshalJSON(value []byte) error {
	var text string
	if json.Unmarshal(value, &text) == nil && text != "0s" {
		*s = span(text)
	}
	return nil
}

func (e *entry) instance() (Instance, error) {
	if e.Service == nil || e.Node == nil || slices.Contains(e.Checks, nil) {
		return Instance{}, errIncomplete
	}
	instance := e.Service.on(e.Node)
	instance.Checks = make([]Check, 0, len(e.Checks))
	for _, c := range e.Checks {
		instance.add(c.check())
	}
	return instance, nil
}

// on makes the instance on its node, without checks.
func (s *wireService) on(node *wireNode) Instance {
	instance := Instance{
		ID: s.ID, Name: s.Service, Version: s.Meta[versionKey], Address: cmp.Or(s.Address, node.Address), Port: s.Port,
		Tags: s.Tags, Meta: s.Meta, Node: node.Node, NodeAddress: node.Address, Datacenter: node.Datacenter,
		Namespace: s.Namespace, Partition: s.Partition, Weights: s.Weights, Health: Passing, Checks: []Check{},
	}
	if at := cmp.Or(s.Locality, node.Locality); at != nil {
		instance.Locality = *at
	}
	if instance.Tags == nil {
		instance.Tags = []string{}
	}
	if instance.Meta == nil {
		instance.Meta = map[string]string{}
	}
	return instance
}

// add adds a check, which may make the instance's health worse.
func (i *Instance) add(c Check) {
	i.Checks = append(i.Checks, c)
	i.Health = worse(i.Health, c.state())
}

func (c *wireCheck) check() Check {
	return Check{
		ID: c.CheckID, Name: c.Name, Kind: c.Type, Status: c.Status, Output: c.Output, Notes: c.Notes, OnNode: c.ServiceID == "",
		DeregisterAfter: string(c.Definition.DeregisterCriticalServiceAfter),
	}
}

// state is the check's status, or Maintenance when that is what the check stands for.
func (c Check) state() Health {
	if c.ID == api.NodeMaint || strings.HasPrefix(c.ID, api.ServiceMaintPrefix) {
		return Maintenance
	}
	return c.Status
}

// key is what an instance is known by in its datacenter.
func (i Instance) key() [2]string { return [2]string{i.Node, i.ID} }

// byPlace is the stable order of instances: by node, then id. A query with Near keeps Consul's order instead.
func byPlace(a, b Instance) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.ID, b.ID)) }

func sortInstances(list []Instance, q Query) []Instance {
	if q.Near == "" {
		slices.SortFunc(list, byPlace)
	}
	return list
}
