package discover

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
)

// Status is what a process says of its own health, part by part; the whole is as bad as its worst part. Everything
// that Consul may be pointed at tells the same of it: the heartbeats of [Client.Keep], the HTTP check that asks the
// Status itself (it is an [http.Handler]), and the gRPC health server of discover/consulgrpc.
//
// The zero value passes. Its methods are safe for concurrent use.
type Status struct {
	mu      sync.Mutex
	parts   map[string]part
	changed chan struct{} // closed and replaced at every change; nil until somebody watches
}

// part is one thing that a process's health depends on, such as its database.
type part struct {
	Name   string `json:"name"`
	Health Health `json:"status"`
	Note   string `json:"note"` // for people: what is wrong
}

// Set says how a part is, with a note for people. What is neither Passing nor Warning counts as Critical.
func (s *Status) Set(name string, health Health, note string) {
	if health != Passing && health != Warning {
		health = Critical
	}
	s.change(func() bool {
		set := part{Name: name, Health: health, Note: note}
		if s.parts[name] == set {
			return false
		}
		if s.parts == nil {
			s.parts = map[string]part{}
		}
		s.parts[name] = set
		return true
	})
}

// Forget takes a part away.
func (s *Status) Forget(name string) {
	s.change(func() bool {
		_, is := s.parts[name]
		delete(s.parts, name)
		return is
	})
}

func (s *Status) change(apply func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if apply() && s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// Get returns the health of the whole, and a note that names each part that is as bad. With no parts it is Passing.
func (s *Status) Get() (health Health, note string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.whole()
}

// Watch is Get, with a channel that is closed at the next change of any part.
func (s *Status) Watch() (health Health, note string, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	health, note = s.whole()
	return health, note, s.changed
}

// sorted returns the parts, the worst first, then by name.
func (s *Status) sorted() []part {
	parts := make([]part, 0, len(s.parts))
	for _, part := range s.parts {
		parts = append(parts, part)
	}
	slices.SortFunc(parts, func(a, b part) int {
		return cmp.Or(cmp.Compare(b.Health.rank(), a.Health.rank()), cmp.Compare(a.Name, b.Name))
	})
	return parts
}

func (s *Status) whole() (health Health, note string) {
	health = Passing
	for _, part := range s.sorted() {
		if note != "" && part.Health != health {
			break
		}
		health = part.Health
		if part.Note == "" && health == Passing {
			continue
		}
		if note != "" {
			note += "; "
		}
		note += part.Name
		if part.Note != "" {
			note += ": " + part.Note
		}
	}
	return health, note
}

// ServeHTTP answers as an HTTP check reads it: 200 when the whole passes, 429 when it warns, 503 when it is critical,
// with the parts as JSON: {"status":"critical","checks":[{"name":"database","status":"critical","note":"…"}]}.
func (s *Status) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	health, _ := s.whole()
	parts := s.sorted()
	s.mu.Unlock()
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(statusCode(health))
	_ = json.NewEncoder(w).Encode(struct { // the asker went away; there is nobody to tell
		Status Health `json:"status"`
		Checks []part `json:"checks"`
	}{health, parts})
}

// statusCode is the answer that a check of Consul takes for the health.
func statusCode(health Health) int {
	switch health {
	case Passing:
		return http.StatusOK
	case Warning:
		return http.StatusTooManyRequests
	default:
		return http.StatusServiceUnavailable
	}
}
