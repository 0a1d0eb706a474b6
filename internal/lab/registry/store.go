package registry

import (
	"slices"
	"strconv"
	"sync"

	events "github.com/suokelife/suokectl/pkg/events/schema"
)

// store is the registry's memory. All methods are safe for concurrent use.
type store struct {
	mu       sync.Mutex
	schemas  []*schema // id − 1 is the index; ids are never used again
	subjects map[string]*subject
	global   events.Mode
	own      map[string]events.Mode
}

type subject struct {
	versions []*version // ascending by number, soft-deleted ones included
}

type version struct {
	number  int
	id      int
	schema  *schema
	deleted bool
}

func newStore() *store {
	return &store{subjects: map[string]*subject{}, own: map[string]events.Mode{}, global: events.ModeBackward}
}

func (s *subject) live() []*version {
	if s == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.versions), func(v *version) bool { return v.deleted })
}

// violations says why a candidate may not follow the earlier versions at a level; nothing means that it may.
func violations(mode events.Mode, candidate *schema, earlier []*version) []string {
	parsed := make([]*events.Parsed, len(earlier))
	for i, v := range earlier {
		parsed[i] = v.schema.parsed
	}
	var out []string
	for _, conflict := range events.Incompatible(mode, candidate.parsed, parsed...) {
		out = append(out, conflict.String())
	}
	return out
}

// register adds a version unless the subject has the schema already, and returns the schema's id.
func (s *store) register(name string, candidate *schema) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subjects[name]
	live := sub.live()
	if i := slices.IndexFunc(live, func(v *version) bool { return v.schema.same(candidate) }); i >= 0 {
		return live[i].id, nil
	}
	if why := violations(s.levelOf(name), candidate, live); why != nil {
		return 0, incompatible(why)
	}
	if sub == nil {
		sub = &subject{}
		s.subjects[name] = sub
	}
	next := 1
	if n := len(sub.versions); n > 0 {
		next = sub.versions[n-1].number + 1
	}
	id := s.idOf(candidate)
	sub.versions = append(sub.versions, &version{number: next, id: id, schema: candidate})
	return id, nil
}

func (a *schema) same(b *schema) bool {
	return a.kind == b.kind && a.canonical == b.canonical && slices.Equal(a.references, b.references)
}

// idOf gives a schema one id over all subjects.
func (s *store) idOf(candidate *schema) int {
	if i := slices.IndexFunc(s.schemas, candidate.same); i >= 0 {
		return i + 1
	}
	s.schemas = append(s.schemas, candidate)
	return len(s.schemas)
}

func (s *store) levelOf(name string) events.Mode {
	if l, ok := s.own[name]; ok {
		return l
	}
	return s.global
}

// names lists the subjects in order, with those that are soft-deleted when wanted.
func (s *store) names(deleted bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []string{}
	for name, sub := range s.subjects {
		if len(sub.live()) > 0 || (deleted && len(sub.versions) > 0) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// versions lists a subject's versions, ascending.
func (s *store) versions(name string, deleted bool) ([]*version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subjects[name]
	out := sub.live()
	if deleted && sub != nil {
		out = slices.Clone(sub.versions)
	}
	if len(out) == 0 {
		return nil, subjectNotFound(name)
	}
	return out, nil
}

// version finds one by its number or "latest".
func (s *store) version(name, number string, deleted bool) (*version, error) {
	wanted, err := parseVersion(number)
	if err != nil {
		return nil, err
	}
	all, err := s.versions(name, deleted)
	if err != nil {
		return nil, err
	}
	if wanted == latest {
		return all[len(all)-1], nil
	}
	if i := slices.IndexFunc(all, func(v *version) bool { return v.number == wanted }); i >= 0 {
		return all[i], nil
	}
	return nil, versionNotFound(number)
}

const latest = -1

func parseVersion(text string) (int, error) {
	if text == "latest" || text == "-1" {
		return latest, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return 0, invalidVersion(text)
	}
	return int(n), nil
}

func (s *store) schema(id int) (*schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id < 1 || id > len(s.schemas) {
		return nil, schemaNotFound()
	}
	return s.schemas[id-1], nil
}

// deleteSubject deletes in two steps, as the API demands: softly, then for good.
func (s *store) deleteSubject(name string, permanent bool) ([]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subjects[name]
	live := sub.live()
	switch {
	case sub == nil || len(sub.versions) == 0:
		return nil, subjectNotFound(name)
	case permanent && len(live) > 0:
		return nil, subjectNotSoftDeleted(name)
	case !permanent && len(live) == 0:
		return nil, subjectSoftDeleted(name)
	}
	for _, v := range sub.versions {
		if s.referenced(name, v.number) {
			return nil, referenceExists(name, v.number)
		}
	}
	if permanent {
		live = sub.versions
		delete(s.subjects, name)
	}
	delete(s.own, name)
	numbers := make([]int, len(live))
	for i, v := range live {
		v.deleted = true
		numbers[i] = v.number
	}
	return numbers, nil
}

func (s *store) deleteVersion(name, number string, permanent bool) (int, error) {
	v, err := s.version(name, number, number != "latest")
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case permanent && !v.deleted:
		return 0, versionNotSoftDeleted(name, v.number)
	case !permanent && v.deleted:
		return 0, versionSoftDeleted(name, v.number)
	case s.referenced(name, v.number):
		return 0, referenceExists(name, v.number)
	case permanent:
		sub := s.subjects[name]
		sub.versions = slices.DeleteFunc(sub.versions, func(o *version) bool { return o == v })
	}
	v.deleted = true
	return v.number, nil
}

// compatible compares with one version, or with as many as the subject's level wants when number is empty.
func (s *store) compatible(name, number string, candidate *schema) ([]string, error) {
	earlier, err := s.versions(name, false)
	if err != nil {
		return nil, err
	}
	if number != "" {
		v, err := s.version(name, number, false)
		if err != nil {
			return nil, err
		}
		earlier = []*version{v}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return violations(s.levelOf(name), candidate, earlier), nil
}

// referenced reports a version that a version which is not deleted refers to.
func (s *store) referenced(name string, number int) bool { return len(s.referrers(name, number)) > 0 }

// referrers lists the ids of schemas that refer to a version, ascending.
func (s *store) referrers(name string, number int) []int {
	ids := []int{}
	for _, sub := range s.subjects {
		for _, v := range sub.live() {
			if slices.ContainsFunc(v.schema.references, func(r events.Reference) bool { return r.Subject == name && r.Version == number }) {
				ids = append(ids, v.id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
