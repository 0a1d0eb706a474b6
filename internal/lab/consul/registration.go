package consul

import (
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/consul/api"
)

func (s *Server) registerService(r *http.Request) (any, error) {
	var def serviceDefinition
	if err := decode(r.Body, &def); err != nil {
		return nil, err
	}
	if err := def.validate(); err != nil {
		return nil, err
	}
	svc := def.service(s.options.Datacenter)
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.store.putService(svc)
	kept := map[string]bool{}
	for i, check := range def.checks() {
		id := check.id()
		if id == "" {
			id = "service:" + svc.ID
			if len(def.checks()) > 1 {
				id += fmt.Sprintf(":%d", i+1)
			}
		}
		kept[id] = true
		s.addCheck(id, check, svc)
	}
	if replace := r.URL.Query()["replace-existing-checks"]; len(replace) > 0 && (replace[0] == "" || replace[0] == "true") {
		s.dropChecks(svc.ID, kept)
	}
	s.renameChecks(svc)
	return nil, nil
}

// dropChecks removes the service's checks that are not kept.
func (s *Server) dropChecks(serviceID string, kept map[string]bool) {
	for id, check := range s.store.checks {
		if check.catalog.ServiceID == serviceID && !kept[id] {
			s.store.deleteCheck(id)
		}
	}
}

// renameChecks carries the service's name and tags to the checks that it had already.
func (s *Server) renameChecks(svc *api.AgentService) {
	for _, check := range s.store.checks {
		if check.catalog.ServiceID == svc.ID {
			check.catalog.ServiceName, check.catalog.ServiceTags = svc.Service, svc.Tags
		}
	}
}

// addCheck registers a check, of the service when svc is not nil. A check that is known already is set going anew
// and keeps its status, so that registering again does not make an instance flap.
func (s *Server) addCheck(id string, def *checkDefinition, svc *api.AgentService) {
	check := &checkState{
		catalog: api.HealthCheck{
			Node: s.store.node.Node, CheckID: id, Name: def.Name, Notes: def.Notes, Status: api.HealthCritical,
			Type: def.kind(), ServiceTags: []string{},
		},
	}
	if svc != nil {
		check.catalog.ServiceID, check.catalog.ServiceName, check.catalog.ServiceTags = svc.ID, svc.Service, svc.Tags
		if def.Name == "" {
			check.catalog.Name = fmt.Sprintf("Service '%s' check", svc.Service)
		}
	}
	if def.Status != "" {
		check.catalog.Status = def.Status
	}
	if after := def.deregisterAfter(); after > 0 && svc != nil {
		check.reapAfter = max(after, s.options.MinDeregister)
	}
	if old := s.store.checks[id]; old != nil {
		if old.stop != nil {
			old.stop()
		}
		check.catalog.Status, check.catalog.Output, check.output = old.catalog.Status, old.catalog.Output, old.output
		check.criticalSince, check.flushAt = old.criticalSince, old.flushAt
	}
	if check.catalog.Status == api.HealthCritical && check.criticalSince.IsZero() {
		check.criticalSince = time.Now()
	}
	s.store.putCheck(check)
	s.startCheck(check, def)
}

func (s *Server) deregisterService(r *http.Request) (any, error) {
	id := r.PathValue("id")
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if s.store.services[id] == nil {
		return nil, unknownService(id)
	}
	s.store.deleteService(id)
	return nil, nil
}

func unknownService(id string) error {
	return notFound("Unknown service ID %q. Ensure that the service ID is passed, not the service name.", id)
}

func (s *Server) registerCheck(r *http.Request) (any, error) {
	var def checkDefinition
	if err := decode(r.Body, &def); err != nil {
		return nil, err
	}
	if def.Name == "" {
		return nil, badRequest("Missing check name")
	}
	if !validStatus(def.Status) {
		return nil, badRequest("Bad check status")
	}
	if err := def.validate(); err != nil {
		return nil, badRequest("Invalid check: %v", err)
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	svc := s.store.services[def.serviceID()]
	if svc == nil && def.serviceID() != "" {
		return nil, notFound("ServiceID %q does not exist", def.serviceID())
	}
	id := def.id()
	if id == "" {
		id = def.Name
	}
	s.addCheck(id, &def, svc)
	return nil, nil
}

func (s *Server) deregisterCheck(r *http.Request) (any, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	check, err := s.check(r)
	if err != nil {
		return nil, err
	}
	s.store.deleteCheck(check.catalog.CheckID)
	return nil, nil
}
