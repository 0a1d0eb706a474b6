package consul

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-bexpr"
)

// The types below are what a ?filter expression may select, as Consul documents it for each endpoint
// (https://developer.hashicorp.com/consul/api-docs/features/filtering). They are not the API's own, which name more
// than an agent lets one ask for. What belongs to the mesh (Proxy, Connect) is not there.

type nodeView struct {
	ID, Node, Address, Datacenter, Partition, PeerName string
	TaggedAddresses, Meta                              map[string]string
}

type serviceView struct {
	Kind, ID, Service, Address, SocketPath, PeerName string
	Tags                                             []string
	TaggedAddresses                                  map[string]api.ServiceAddress
	Meta                                             map[string]string
	Port                                             int
	Weights                                          *api.AgentWeights
	EnableTagOverride                                bool
}

type checkView struct {
	Node, CheckID, Name, Status, Notes, Output, ServiceID, ServiceName, Type, Interval, Timeout, PeerName string

	ServiceTags []string
	ExposedPort int
}

// entryView is an element of /v1/health/service.
type entryView struct {
	Node    nodeView
	Service serviceView
	Checks  []checkView
}

// catalogView is an element of /v1/catalog/service and what /v1/catalog/services counts.
type catalogView struct {
	ID, Node, Address, Datacenter, PeerName                                string
	TaggedAddresses, NodeMeta                                              map[string]string
	ServiceKind, ServiceID, ServiceName, ServiceAddress, ServiceSocketPath string

	ServiceTags              []string
	ServiceTaggedAddresses   map[string]api.ServiceAddress
	ServiceWeights           api.AgentWeights
	ServiceMeta              map[string]string
	ServicePort              int
	ServiceEnableTagOverride bool
}

func viewNode(n *api.Node) nodeView {
	return nodeView{
		ID: n.ID, Node: n.Node, Address: n.Address, Datacenter: n.Datacenter,
		TaggedAddresses: n.TaggedAddresses, Meta: n.Meta,
	}
}

func viewService(s *api.AgentService) serviceView {
	return serviceView{
		ID: s.ID, Service: s.Service, Address: s.Address, Tags: s.Tags, TaggedAddresses: s.TaggedAddresses,
		Meta: s.Meta, Port: s.Port, Weights: &s.Weights, EnableTagOverride: s.EnableTagOverride,
	}
}

func viewCheck(c *api.HealthCheck) checkView {
	return checkView{
		Node: c.Node, CheckID: c.CheckID, Name: c.Name, Status: c.Status, Notes: c.Notes, Output: c.Output,
		ServiceID: c.ServiceID, ServiceName: c.ServiceName, ServiceTags: c.ServiceTags, Type: c.Type,
	}
}

func viewEntry(e api.ServiceEntry) entryView {
	view := entryView{Node: viewNode(e.Node), Service: viewService(e.Service)}
	for _, check := range e.Checks {
		view.Checks = append(view.Checks, viewCheck(check))
	}
	return view
}

func viewCatalog(s api.CatalogService) catalogView {
	return catalogView{
		ID: s.ID, Node: s.Node, Address: s.Address, Datacenter: s.Datacenter, TaggedAddresses: s.TaggedAddresses,
		NodeMeta: s.NodeMeta, ServiceID: s.ServiceID, ServiceName: s.ServiceName, ServiceAddress: s.ServiceAddress,
		ServiceTags: s.ServiceTags, ServiceTaggedAddresses: s.ServiceTaggedAddresses,
		ServiceWeights: api.AgentWeights(s.ServiceWeights), ServiceMeta: s.ServiceMeta, ServicePort: s.ServicePort,
		ServiceEnableTagOverride: s.ServiceEnableTagOverride,
	}
}

// filterOf reads ?filter. What it returns tells whether an item is to be kept; without an expression all are. It
// fails with the engine's own text, and is answered as there with 500, when the expression is malformed or selects
// what view does not have.
func filterOf[T, V any](r *http.Request, view func(T) V) (func(T) bool, error) {
	expression := r.URL.Query().Get("filter")
	if expression == "" {
		return func(T) bool { return true }, nil
	}
	var datum V
	eval, err := bexpr.CreateEvaluatorForType(expression, nil, datum)
	if err != nil {
		return nil, fmt.Errorf("Failed to create boolean expression evaluator: %w", err) //nolint:staticcheck // the engine's own text
	}
	return func(item T) bool {
		keep, err := eval.Evaluate(view(item))
		return err == nil && keep // the type was checked above: no item can fail
	}, nil
}

// hasNodeMeta tells whether the one node there is has every ?node-meta=key:value that the request wants.
func (s *Server) hasNodeMeta(r *http.Request) bool {
	for _, pair := range r.URL.Query()["node-meta"] {
		key, value, _ := strings.Cut(pair, ":")
		if has, ok := s.store.node.Meta[key]; !ok || has != value {
			return false
		}
	}
	return true
}
