package consul

import (
	"net/http"
	"strconv"

	"github.com/hashicorp/consul/api"
)

func (s *Server) maintainService(r *http.Request) (any, error) {
	id := r.PathValue("id")
	if id == "" {
		return nil, badRequest("Missing service ID")
	}
	enable, err := enabled(r)
	if err != nil {
		return nil, err
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	svc := s.store.services[id]
	if svc == nil {
		return nil, unknownService(id)
	}
	s.maintain(enable, api.HealthCheck{
		CheckID: serviceMaintenance + id, Name: "Service Maintenance Mode", Notes: reason(r, "service"),
		ServiceID: id, ServiceName: svc.Service, ServiceTags: svc.Tags,
	})
	return nil, nil
}

func (s *Server) maintainNode(r *http.Request) (any, error) {
	enable, err := enabled(r)
	if err != nil {
		return nil, err
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.maintain(enable, api.HealthCheck{
		CheckID: nodeMaintenance, Name: "Node Maintenance Mode", Notes: reason(r, "node"), ServiceTags: []string{},
	})
	return nil, nil
}

// maintain puts up or takes away the critical check that stands for maintenance.
func (s *Server) maintain(enable bool, check api.HealthCheck) {
	_, is := s.store.checks[check.CheckID]
	switch {
	case enable && !is:
		check.Node, check.Status, check.Type = s.store.node.Node, api.HealthCritical, "maintenance"
		s.store.putCheck(&checkState{catalog: check})
	case !enable && is:
		s.store.deleteCheck(check.CheckID)
	}
}

func enabled(r *http.Request) (bool, error) {
	query := r.URL.Query()
	if !query.Has("enable") {
		return false, badRequest("Missing value for enable")
	}
	enable, err := strconv.ParseBool(query.Get("enable"))
	if err != nil {
		return false, badRequest("Invalid value for enable: %q", query.Get("enable"))
	}
	return enable, nil
}

func reason(r *http.Request, of string) string {
	if given := r.URL.Query().Get("reason"); given != "" {
		return given
	}
	return "Maintenance mode is enabled for this " + of + ", but no reason was provided. This is a default message."
}
