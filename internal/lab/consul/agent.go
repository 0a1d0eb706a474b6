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
