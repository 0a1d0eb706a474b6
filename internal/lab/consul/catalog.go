package consul

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"
)

// The queries run under the store's mutex, each time something was written while a reader waits.

func (s *Server) catalogServices(r *http.Request) (func() answer, error) {
	keep, err := filterOf(r, viewCatalog)
	if err != nil {
		return nil, err
	}
	here := s.hasNodeMeta(r)
	return func() answer {
		tags := map[string][]string{}
		for _, id := range slices.Sorted(maps.Keys(s.store.services)) {
			svc := s.store.services[id]
			if !here || !keep(s.catalogEntry(svc)) {
				continue
			}
			merged := append(slices.Clone(tags[svc.Service]), svc.Tags...)
			slices.Sort(merged)
			tags[svc.Service] = append([]string{}, slices.Compact(merged)...)
		}
		return answer{value: tags, index: s.store.servicesAt, found: true}
	}, nil
}

func (s *Server) catalogNodes(r *http.Request) (func() answer, error) {
	keep, err := filterOf(r, func(n api.Node) nodeView { return viewNode(&n) })
	if err != nil {
		return nil, err
	}
	here := s.hasNodeMeta(r)
	return func() answer {
		out := []api.Node{}
		if here && keep(s.store.node) {
			out = append(out, s.store.node)
		}
		return answer{value: out, index: s.store.nodesAt, found: true}
	}, nil
}

func (s *Server) catalogDatacenters(*http.Request) (any, error) {
	return []string{s.options.Datacenter}, nil
}

// catalogNode answers with the services of a node by their ids, or null when there is no such node.
func (s *Server) catalogNode(r *http.Request) (func() answer, error) {
	return s.ofNode(r, func(node *api.Node, services []*api.AgentService) any {
		if node == nil {
			return (*api.CatalogNode)(nil)
		}
		byID := map[string]*api.AgentService{}
		for _, svc := range services {
			byID[svc.ID] = svc
		}
		return &api.CatalogNode{Node: node, Services: byID}
	})
}

// catalogNodeServices answers with the services of a node as a list.
func (s *Server) catalogNodeServices(r *http.Request) (func() answer, error) {
	return s.ofNode(r, func(node *api.Node, services []*api.AgentService) any {
		return api.CatalogNodeServiceList{Node: node, Services: services}
	})
}

func (s *Server) ofNode(r *http.Request, shape func(*api.Node, []*api.AgentService) any) (func() answer, error) {
	name := r.PathValue("name")
	if name == "" {
		return nil, badRequest("Missing node name")
	}
	keep, err := filterOf(r, viewService)
	if err != nil {
		return nil, err
	}
	return func() answer {
		node := s.store.node
		if !strings.EqualFold(name, node.Node) && name != node.ID {
			return answer{value: shape(nil, nil), index: s.store.nodesAt, found: true}
		}
		services := []*api.AgentService{}
		for _, id := range slices.Sorted(maps.Keys(s.store.services)) {
			if svc := *s.store.services[id]; keep(&svc) {
				svc.Datacenter = "" // told by the agent only
				services = append(services, &svc)
			}
		}
		return answer{value: shape(&node, services), index: s.store.nodesAt, found: true}
	}, nil
}

func (s *Server) catalogService(r *http.Request) (func() answer, error) {
	name, tags := r.PathValue("name"), r.URL.Query()["tag"]
	if name == "" {
		return nil, badRequest("Missing service name")
	}
	keep, err := filterOf(r, viewCatalog)
	if err != nil {
		return nil, err
	}
	here := s.hasNodeMeta(r)
	return func() answer {
		out := []api.CatalogService{}
		for _, svc := range s.store.instances(name) {
			if entry := s.catalogEntry(svc); here && hasAll(svc.Tags, tags) && keep(entry) {
				out = append(out, entry)
			}
		}
		return answer{value: out, index: s.store.serviceIndex(name), found: len(out) > 0}
	}, nil
}

func (s *Server) catalogEntry(svc *api.AgentService) api.CatalogService {
	node := s.store.node
	return api.CatalogService{
		ID: node.ID, Node: node.Node, Address: node.Address, Datacenter: node.Datacenter,
		TaggedAddresses: node.TaggedAddresses, NodeMeta: node.Meta,
		ServiceID: svc.ID, ServiceName: svc.Service, ServiceAddress: svc.Address, ServicePort: svc.Port,
		ServiceTags: svc.Tags, ServiceMeta: svc.Meta, ServiceTaggedAddresses: svc.TaggedAddresses,
		ServiceWeights:           api.Weights{Passing: svc.Weights.Passing, Warning: svc.Weights.Warning},
		ServiceEnableTagOverride: svc.EnableTagOverride, ServiceLocality: svc.Locality,
		CreateIndex: svc.CreateIndex, ModifyIndex: svc.ModifyIndex,
	}
}

func (s *Server) healthService(r *http.Request) (func() answer, error) {
	query := r.URL.Query()
	name, tags := r.PathValue("name"), query["tag"]
	if name == "" {
		return nil, badRequest("Missing service name")
	}
	passing := query.Has("passing")
	if value := query.Get("passing"); value != "" {
		var err error
		if passing, err = strconv.ParseBool(value); err != nil {
			return nil, badRequest("Invalid value for ?passing")
		}
	}
	keep, err := filterOf(r, viewEntry)
	if err != nil {
		return nil, err
	}
	here := s.hasNodeMeta(r)
	return func() answer {
		instances := s.store.instances(name)
		out := []api.ServiceEntry{}
		for _, svc := range instances {
			entry := s.healthEntry(svc)
			if here && hasAll(svc.Tags, tags) && (!passing || allPass(entry.Checks)) && keep(entry) {
				out = append(out, entry)
			}
		}
		return answer{value: out, index: s.store.serviceIndex(name), found: len(instances) > 0}
	}, nil
}

func (s *Server) healthEntry(svc *api.AgentService) api.ServiceEntry {
	node, shown := s.store.node, *svc
	shown.Datacenter = "" // told by the agent only
	return api.ServiceEntry{Node: &node, Service: &shown, Checks: s.store.checksOf(svc.ID)}
}

// hasAll compares without regard to case, as the engine does.
func hasAll(tags, wanted []string) bool {
	for _, tag := range wanted {
		if !slices.ContainsFunc(tags, func(has string) bool { return strings.EqualFold(has, tag) }) {
			return false
		}
	}
	return true
}

func allPass(checks api.HealthChecks) bool {
	return !slices.ContainsFunc(checks, func(c *api.HealthCheck) bool { return c.Status != api.HealthPassing })
}

// healthChecks answers the three endpoints that list checks; keep says which of them this request is for.
func (s *Server) healthChecks(missing string, keep func(c *api.HealthCheck, wanted string) bool) blockingHandler {
	return func(r *http.Request) (func() answer, error) {
		wanted := r.PathValue("name")
		if wanted == "" {
			return nil, badRequest("%s", missing)
		}
		selected, err := filterOf(r, viewCheck)
		if err != nil {
			return nil, err
		}
		here := s.hasNodeMeta(r)
		return func() answer {
			checks := s.store.selectChecks(func(c *api.HealthCheck) bool { return here && keep(c, wanted) && selected(c) })
			return answer{value: checks, index: s.store.checksAt, found: true}
		}, nil
	}
}

func inState(c *api.HealthCheck, state string) bool {
	return state == api.HealthAny || c.Status == state
}
func ofService(c *api.HealthCheck, name string) bool { return strings.EqualFold(c.ServiceName, name) }
func onNode(c *api.HealthCheck, name string) bool    { return strings.EqualFold(c.Node, name) }
