package consul

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
)

// store is the catalogue and the agent's own view of it.
//
// Consul numbers every write, and each kind of thing remembers the number of the last write that touched it. A read
// answers with the number of what it looked at, so that a reader who comes back with it waits for the next change of
// exactly that.
type store struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every write

	node     api.Node
	services map[string]*api.AgentService // by service id
	checks   map[string]*checkState       // by check id
	kv       kvStore

	index      uint64            // the last write
	nodesAt    uint64            // last write to the node or what it carries
	servicesAt uint64            // last write to any service
	checksAt   uint64            // last write to any check
	serviceAt  map[string]uint64 // last write to a service that exists, by key of its name
	extinctAt  uint64            // when a service last lost its last instance
}

// checkState is a check as the catalogue shows it, and as the agent knows it.
type checkState struct {
	catalog api.HealthCheck
	// output is the agent's own; the catalogue learns of new text for an old status only after a while.
	output        string
	flushAt       time.Time // when a changed output goes to the catalogue; zero when nothing waits
	criticalSince time.Time
	reapAfter     time.Duration
	stop          context.CancelFunc // ends the check's goroutine; nil for maintenance and node checks
	ttl           *ttlCheck          // nil when the check is of another kind
}

func newStore(node api.Node) *store {
	return &store{
		changed:   make(chan struct{}),
		node:      node,
		services:  map[string]*api.AgentService{},
		checks:    map[string]*checkState{},
		kv:        newKVStore(),
		index:     1, // a real agent's first write is its own
		serviceAt: map[string]uint64{},
	}
}

// commit makes a write: it gives change the number of the write and wakes blocked readers. The caller holds mu.
func (s *store) commit(change func(index uint64)) {
	s.index++
	change(s.index)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *store) putService(svc *api.AgentService) {
	old := s.services[svc.ID]
	if old != nil && sameService(old, svc) {
		return
	}
	s.commit(func(index uint64) {
		svc.CreateIndex, svc.ModifyIndex = index, index
		if old != nil {
			svc.CreateIndex = old.CreateIndex
		}
		s.services[svc.ID] = svc
		s.nodesAt, s.servicesAt, s.serviceAt[key(svc.Service)] = index, index, index
		if old != nil && key(old.Service) != key(svc.Service) {
			s.forgetName(old.Service, index)
		}
	})
}

// sameService tells whether a registration says nothing new; such a one is not a write. The engine's catalogue does not
// look at the locality there, and keeps the old one.
func sameService(a, b *api.AgentService) bool {
	return a.Service == b.Service && a.Address == b.Address && a.Port == b.Port &&
		a.EnableTagOverride == b.EnableTagOverride && a.Weights == b.Weights &&
		slices.Equal(a.Tags, b.Tags) && maps.Equal(a.Meta, b.Meta) &&
		maps.Equal(a.TaggedAddresses, b.TaggedAddresses)
}

// deleteService removes the service and its checks.
func (s *store) deleteService(id string) {
	svc := s.services[id]
	if svc == nil {
		return
	}
	for checkID, check := range s.checks {
		if check.catalog.ServiceID == id {
			s.deleteCheck(checkID)
		}
	}
	s.commit(func(index uint64) {
		delete(s.services, id)
		s.nodesAt, s.servicesAt = index, index
		s.forgetName(svc.Service, index)
	})
}

// key is how names are compared: without regard to case.
func key(name string) string { return strings.ToLower(name) }

// forgetName moves a name's index after one of its instances went.
func (s *store) forgetName(name string, index uint64) {
	for _, svc := range s.services {
		if key(svc.Service) == key(name) {
			s.serviceAt[key(name)] = index
			return
		}
	}
	delete(s.serviceAt, key(name))
	s.extinctAt = index
}

// putCheck puts a check in the place of the one with its id. It is no write when nothing is seen to change.
func (s *store) putCheck(check *checkState) {
	old := s.checks[check.catalog.CheckID]
	if old != nil && sameCheck(old.catalog, check.catalog) {
		check.catalog = old.catalog
		s.checks[check.catalog.CheckID] = check
		return
	}
	s.commit(func(index uint64) {
		check.catalog.CreateIndex = index
		if old != nil {
			check.catalog.CreateIndex = old.catalog.CreateIndex
		}
		s.checks[check.catalog.CheckID] = check
		s.touchCheck(check, index)
	})
}

func sameCheck(a, b api.HealthCheck) bool {
	return a.Name == b.Name && a.Status == b.Status && a.Notes == b.Notes && a.Output == b.Output && a.Type == b.Type &&
		a.ServiceID == b.ServiceID && a.ServiceName == b.ServiceName && slices.Equal(a.ServiceTags, b.ServiceTags)
}

func (s *store) deleteCheck(id string) {
	check := s.checks[id]
	if check == nil {
		return
	}
	if check.stop != nil {
		check.stop()
	}
	s.commit(func(index uint64) {
		delete(s.checks, id)
		s.touchCheck(check, index)
	})
}

// touchCheck moves the indexes that a change of the check is seen through. A check of the node is seen through
// every service.
func (s *store) touchCheck(check *checkState, index uint64) {
	check.catalog.ModifyIndex = index
	s.checksAt = index
	if name := check.catalog.ServiceName; name != "" {
		s.serviceAt[key(name)] = index
		return
	}
	for name := range s.serviceAt {
		s.serviceAt[name] = index
	}
}

// setStatus records what a probe or a heartbeat found. New text for the same status reaches the catalogue only
// after delay, as on a real agent, so that a check that prints the time does not wake every watcher.
func (s *store) setStatus(check *checkState, status, output string, delay time.Duration) {
	now := time.Now()
	switch {
	case status != api.HealthCritical:
		check.criticalSince = time.Time{}
	case check.criticalSince.IsZero():
		check.criticalSince = now
	}
	before := check.output
	check.output = output
	switch {
	case check.catalog.Status != status:
		check.catalog.Status = status
		s.flush(check)
	case before != output && delay == 0:
		s.flush(check)
	case before != output && check.flushAt.IsZero():
		check.flushAt = now.Add(delay/2 + stagger(delay))
	}
}

// flush writes the agent's view of a check to the catalogue.
func (s *store) flush(check *checkState) {
	check.catalog.Output, check.flushAt = check.output, time.Time{}
	s.commit(func(index uint64) { s.touchCheck(check, index) })
}

// serviceIndex is the index of a read of one service.
func (s *store) serviceIndex(name string) uint64 {
	if at, ok := s.serviceAt[key(name)]; ok {
		return at
	}
	if s.extinctAt > 0 {
		return s.extinctAt
	}
	return max(s.nodesAt, s.servicesAt, s.checksAt)
}

// checksOf returns the node's checks and those of the service, sorted by id.
func (s *store) checksOf(serviceID string) api.HealthChecks {
	return s.selectChecks(func(c *api.HealthCheck) bool { return c.ServiceID == "" || c.ServiceID == serviceID })
}

func (s *store) selectChecks(keep func(*api.HealthCheck) bool) api.HealthChecks {
	out := api.HealthChecks{}
	for _, id := range slices.Sorted(maps.Keys(s.checks)) {
		if c := s.checks[id].catalog; keep(&c) {
			out = append(out, &c)
		}
	}
	return out
}

// instances returns the services of that name, sorted by id.
func (s *store) instances(name string) []*api.AgentService {
	var out []*api.AgentService
	for _, id := range slices.Sorted(maps.Keys(s.services)) {
		if svc := s.services[id]; key(svc.Service) == key(name) {
			copied := *svc
			out = append(out, &copied)
		}
	}
	return out
}

// answer is what a read found: a value to send, the index of what it looked at, and whether there was anything.
type answer struct {
	value any
	index uint64
	found bool
}

// read runs query, again after each write, until its index is greater than after, or wait is over, or ctx ends.
// With after 0 it runs once. As long as nothing is found, only finding something ends the wait.
func (s *store) read(ctx context.Context, after uint64, wait time.Duration, query func() answer) answer {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for nothing := false; ; {
		s.mu.Lock()
		got, changed := query(), s.changed
		s.mu.Unlock()
		if nothing && !got.found {
			after = max(after, got.index)
		}
		nothing = !got.found
		if after == 0 || got.index > after {
			return got
		}
		select {
		case <-changed:
		case <-timeout.C:
			return got
		case <-ctx.Done():
			return got
		}
	}
}
