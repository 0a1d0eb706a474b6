package discover

import (
	"cmp"
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
}

// versionKey is the key of the metadata that holds an instance's version (D1).
const versionKey = "version"

// errIncomplete is an entry of a reply without its parts, which Consul never sends.
var errIncomplete = errors.New("an instance has no service, no node or an empty check")

func fromEntry(entry *api.ServiceEntry) (Instance, error) {
	if entry == nil || entry.Service == nil || entry.Node == nil || slices.Contains(entry.Checks, nil) {
		return Instance{}, errIncomplete
	}
	service, node := entry.Service, entry.Node
	instance := Instance{
		ID: service.ID, Name: service.Service, Version: service.Meta[versionKey],
		Address: cmp.Or(service.Address, node.Address), Port: service.Port,
		Tags: service.Tags, Meta: service.Meta,
		Node: node.Node, NodeAddress: node.Address, Datacenter: node.Datacenter,
		Namespace: service.Namespace, Partition: service.Partition, Locality: locality(service.Locality, node.Locality),
		Weights: Weights(service.Weights), Health: Passing, Checks: make([]Check, 0, len(entry.Checks)),
	}
	if instance.Tags == nil {
		instance.Tags = []string{}
	}
	if instance.Meta == nil {
		instance.Meta = map[string]string{}
	}
	for _, c := range entry.Checks {
		check := fromCheck(c)
		instance.Checks = append(instance.Checks, check)
		if state := check.state(); state.rank() > instance.Health.rank() {
			instance.Health = state
		}
	}
	return instance, nil
}

func locality(own, nodes *api.Locality) Locality {
	switch {
	case own != nil:
		return Locality(*own)
	case nodes != nil:
		return Locality(*nodes)
	}
	return Locality{}
}

func fromCheck(c *api.HealthCheck) Check {
	return Check{
		ID: c.CheckID, Name: c.Name, Kind: c.Type, Status: Health(c.Status), Output: c.Output, Notes: c.Notes,
		OnNode: c.ServiceID == "",
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
