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

func (s *Server) catalogServices(*http.Request) (func() answer, error) {
	return func() answer {
		tags := map[string][]string{}
		for _, id := range slices.Sorted(maps.Keys(s.store.services)) {
			svc := s.store.services[id]
			merged := append(slices.Clone(tags[svc.Service]), svc.Tags...)
			slices.Sort(merged)
			tags[svc.Service] = append([]string{}, slices.Compact(merged)...)
		}
		return answer{value: tags, index: s.store.servicesAt, found: true}
	}, nil
}

func (s *Server) catalogNodes(*http.Request) (func() answer, error) {
	return func() answer {
		return answer{value: []api.Node{s.store.node}, index: s.store.nodesAt, found: true}
	}, nil
}

func (s *Server) catalogDatacenters(*http.Request) (any, error) {
	return []string{s.options.Datacenter}, nil
}

func (s *Server) catalogService(r *http.Request) (func() answer, error) {
	name, tags := r.PathValue("name"), r.URL.Query()["tag"]
	if name == "" {
		return nil, badRequest("Missing service name")
	}
	return func() answer {
		out := []api.CatalogService{}
		for _, svc := range s.store.instances(name) {
			if hasAll(svc.Tags, tags) {
				out = append(out, s.catalogEntry(svc))
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
		ServiceEnableTagOverride: svc.EnableTagOverride,
		CreateIndex:              svc.CreateIndex, ModifyIndex: svc.ModifyIndex,
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
	return func() answer {
		instances := s.store.instances(name)
		out := []api.ServiceEntry{}
		for _, svc := range instances {
			checks := s.store.checksOf(svc.ID)
			if hasAll(svc.Tags, tags) && (!passing || allPass(checks)) {
				node := s.store.node
				out = append(out, api.ServiceEntry{Node: &node, Service: svc, Checks: checks})
			}
		}
		return answer{value: out, index: s.store.serviceIndex(name), found: len(instances) > 0}
	}, nil
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
		return func() answer {
			checks := s.store.selectChecks(func(c *api.HealthCheck) bool { return keep(c, wanted) })
			return answer{value: checks, index: s.store.checksAt, found: true}
		}, nil
	}
}

func inState(c *api.HealthCheck, state string) bool {
	return state == api.HealthAny || c.Status == state
}
func ofService(c *api.HealthCheck, name string) bool { return strings.EqualFold(c.ServiceName, name) }
func onNode(c *api.HealthCheck, name string) bool    { return strings.EqualFold(c.Node, name) }
