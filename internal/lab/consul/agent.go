package consul

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	nodeMaintenance    = api.NodeMaint
	serviceMaintenance = api.ServiceMaintPrefix
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

// check returns the check that the request's path names. The caller holds the store's mutex.
func (s *Server) check(r *http.Request) (*checkState, error) {
	id := r.PathValue("id")
	if check := s.store.checks[id]; check != nil && id != serfCheck {
		return check, nil
	}
	return nil, notFound("Unknown check ID %q. Ensure that the check ID is passed, not the check name.", id)
}

// beat is what the three heartbeat endpoints do; each is for one status.
func (s *Server) beat(status string) handler {
	return func(r *http.Request) (any, error) {
		return nil, s.heartbeat(r, status, r.URL.Query().Get("note"))
	}
}

func (s *Server) updateCheck(r *http.Request) (any, error) {
	var update struct{ Status, Output string }
	if err := decode(r.Body, &update); err != nil {
		return nil, err
	}
	if update.Status == "" || !validStatus(update.Status) {
		return nil, badRequest("Invalid check status: '%s'", update.Status)
	}
	return nil, s.heartbeat(r, update.Status, update.Output)
}

func (s *Server) heartbeat(r *http.Request, status, output string) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	check, err := s.check(r)
	if err != nil {
		return err
	}
	if check.ttl == nil {
		return fmt.Errorf("CheckID %q does not have associated TTL", check.catalog.CheckID)
	}
	if len(output) > maxOutput {
		output = fmt.Sprintf("%s ... (captured %d of %d bytes)", output[:maxOutput], maxOutput, len(output))
	}
	check.ttl.deadline, check.ttl.last = time.Now().Add(check.ttl.ttl), output
	s.store.setStatus(check, status, output, s.options.UpdateInterval)
	return nil
}

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

// agentServices and agentChecks are the agent's own view: what was registered with it, and the newest output.
func (s *Server) agentServices(r *http.Request) (any, error) {
	keep, err := filterOf(r, func(svc api.AgentService) api.AgentService { return svc })
	if err != nil {
		return nil, err
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	out := map[string]api.AgentService{}
	for id, svc := range s.store.services {
		if id != serverService && keep(*svc) {
			shown := *svc
			shown.CreateIndex, shown.ModifyIndex = 0, 0 // told by the catalogue only
			out[id] = shown
		}
	}
	return out, nil
}

// agentService is one instance by its id. Waiting for its content to change is not part of the lab.
func (s *Server) agentService(r *http.Request) (any, error) {
	if r.URL.Query().Get("hash") != "" {
		return nil, badRequest("blocking on a content hash is not part of the lab")
	}
	id := r.PathValue("id")
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	svc := s.store.services[id]
	if svc == nil || id == serverService {
		return nil, notFound("unknown service ID: %s", id)
	}
	shown := *svc
	shown.CreateIndex, shown.ModifyIndex = 0, 0
	text, err := json.Marshal(shown)
	if err != nil {
		return nil, err
	}
	hash := fnv.New64a()
	_, _ = hash.Write(text) // never fails
	shown.ContentHash = strconv.FormatUint(hash.Sum64(), 16)
	return shown, nil
}

func (s *Server) agentChecks(r *http.Request) (any, error) {
	keep, err := filterOf(r, viewCheck)
	if err != nil {
		return nil, err
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	out := map[string]api.HealthCheck{}
	for id, check := range s.store.checks {
		shown := check.catalog
		shown.Output = check.output
		if id != serfCheck && keep(&shown) {
			out[id] = shown
		}
	}
	return out, nil
}

func (s *Server) agentSelf(*http.Request) (any, error) {
	node := s.store.node
	s.store.mu.Lock()
	checks, services := len(s.store.checks)-1, len(s.store.services)-1 // but for the server's own
	s.store.mu.Unlock()
	return map[string]any{
		"Config": map[string]any{
			"Datacenter": node.Datacenter, "PrimaryDatacenter": node.Datacenter, "NodeName": node.Node, "NodeID": node.ID,
			"Server": true, "Version": version,
		},
		"DebugConfig": map[string]any{
			"DNSPort": port(s.dns), "DNSAddrs": []string{"tcp://" + s.dns, "udp://" + s.dns}, "DNSDomain": domain,
		},
		"Member": s.member(),
		"Meta":   node.Meta,
		"Stats": map[string]any{
			"agent": map[string]string{"checks": strconv.Itoa(checks), "services": strconv.Itoa(services)},
		},
	}, nil
}

func port(address string) int {
	at, _ := netip.ParseAddrPort(address) // of a listener
	return int(at.Port())
}

// member is how gossip would tell of the agent, the only one there is.
func (s *Server) member() api.AgentMember {
	node := s.store.node
	return api.AgentMember{
		Name: node.Node, Addr: node.Address, Port: 8301, Status: 1, // alive
		Tags: map[string]string{
			"role": "consul", "dc": node.Datacenter, "id": node.ID, "port": "8300", "build": version + ":", "vsn": "2",
		},
		ProtocolMin: 1, ProtocolMax: 5, ProtocolCur: 2, DelegateMin: 2, DelegateMax: 5, DelegateCur: 4,
	}
}

func (s *Server) agentMembers(r *http.Request) (any, error) {
	if r.URL.Query().Get("filter") != "" {
		return nil, badRequest("a filter of members is not part of the lab")
	}
	return []api.AgentMember{s.member()}, nil
}
