package discover

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/suokelife/suokectl/pkg/discover"
)

// An instance is flapping whose health changed flapChanges times within flapWindow: twice down and up again.
const (
	flapChanges = 4
	flapWindow  = 5 * time.Minute
	// goneFor is how long what was removed is still shown.
	goneFor = time.Minute
	// maxStates bounds the memory of an instance that changes all the time.
	maxStates = 1000
)

// gone is the state of an instance that was removed.
const gone discover.Health = "gone"

// sightings remember what a watch has seen.
type sightings struct {
	service string
	since   time.Time // when the watch began
	update  discover.Update
	known   bool // whether there ever was an update
	by      map[[2]string]*sighting
	outages []period // newest last; the last one may have no end
}

// sighting is what was seen of one instance.
type sighting struct {
	discover.Instance
	states []state // oldest first, never empty; those beyond the window are forgotten but for the last of them
}

// state is a health and when it began.
type state struct {
	discover.Health
	at    time.Time
	first bool // it was so already when the watch began
}

type period struct{ from, to time.Time }

func newSightings(service string, now time.Time) *sightings {
	return &sightings{service: service, since: now, by: map[[2]string]*sighting{}}
}

// take adds an update and returns what it changed. The first one changes nothing.
func (s *sightings) take(update discover.Update, now time.Time) []event {
	now = now.UTC() // as events tell it
	var events []event
	if s.known {
		events = s.reach(update, now)
		for _, change := range discover.Changes(s.update.Instances, update.Instances) {
			events = append(events, s.change(change, now))
		}
	} else {
		for _, instance := range update.Instances {
			s.see(instance, state{instance.Health, now, true})
		}
		if update.Err != nil {
			s.outages = []period{{from: now}}
		}
	}
	s.update, s.known = update, true
	for _, instance := range update.Instances { // a check may say something else with no change
		s.by[place(instance)].Instance = instance
	}
	s.forget(now)
	return events
}

// reach tells whether Consul can be asked, when that changed.
func (s *sightings) reach(update discover.Update, now time.Time) []event {
	e := event{Time: now, Service: s.service, Fields: []discover.Field{}}
	was := s.update.Err
	switch {
	case update.Err != nil && (was == nil || was.Error() != update.Err.Error()):
		if was == nil {
			s.outages = append(s.outages, period{from: now})
		}
		e.Type, e.Error, e.Age, e.outage = typeStale, update.Err.Error(), update.Age().Seconds(), update.Err
	case update.Err == nil && was != nil:
		last := &s.outages[len(s.outages)-1]
		last.to = now
		e.Type, e.Age = typeFresh, now.Sub(last.from).Seconds()
	default:
		return nil
	}
	return []event{e}
}

func (s *sightings) change(c discover.Change, now time.Time) event {
	e := event{Time: now, Service: s.service, Type: string(c.Kind), Fields: c.Fields, Before: c.Before, After: c.After}
	instance := *e.instance()
	health := gone
	if c.After != nil {
		health, e.Why = instance.Health, instance.Why()
	}
	s.see(instance, state{health, now, false})
	e.Flapping = s.by[place(instance)].flapping(now)
	return e
}

func (s *sightings) see(instance discover.Instance, now state) {
	of := s.by[place(instance)]
	if of == nil {
		of = &sighting{}
		s.by[place(instance)] = of
	}
	of.Instance = instance
	if len(of.states) == 0 || of.states[len(of.states)-1].Health != now.Health {
		of.states = append(of.states, now)
	}
}

// forget drops what is too old to be shown.
func (s *sightings) forget(now time.Time) {
	for key, of := range s.by {
		if of.now().Health == gone && now.Sub(of.now().at) > goneFor {
			delete(s.by, key)
		}
		old := 0
		for old < len(of.states)-1 && (now.Sub(of.states[old+1].at) > flapWindow || len(of.states)-old > maxStates) {
			old++
		}
		of.states = slices.Delete(of.states, 0, old)
	}
	s.outages = slices.DeleteFunc(s.outages, func(p period) bool { return !p.to.IsZero() && now.Sub(p.to) > flapWindow })
}

// all returns what was seen in a stable order.
func (s *sightings) all() []*sighting {
	var list []*sighting
	for _, of := range s.by {
		list = append(list, of)
	}
	slices.SortFunc(list, func(a, b *sighting) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.ID, b.ID)) })
	return list
}

// summary counts instances by health.
func (s *sightings) summary() string {
	count := map[discover.Health]int{}
	for _, i := range s.update.Instances {
		count[i.Health]++
	}
	var parts []string
	for _, health := range []discover.Health{discover.Passing, discover.Warning, discover.Critical, discover.Maintenance} {
		if n := count[health]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, health))
		}
	}
	if len(parts) == 0 {
		return "no instance is there"
	}
	return strings.Join(parts, ", ")
}

// missing tells whether nothing is known of the time: before the watch, or while Consul could not be asked.
func (s *sightings) missing(from, to time.Time) bool {
	return !to.After(s.since) || slices.ContainsFunc(s.outages, func(p period) bool {
		return !p.from.After(from) && (p.to.IsZero() || !p.to.Before(to))
	})
}

func place(i discover.Instance) [2]string { return [2]string{i.Node, i.ID} }

func (s *sighting) now() state { return s.states[len(s.states)-1] }

// changes is how often the health changed within the window.
func (s *sighting) changes(now time.Time) int {
	n := 0
	for _, state := range s.states[1:] {
		if now.Sub(state.at) <= flapWindow {
			n++
		}
	}
	return n
}

func (s *sighting) flapping(now time.Time) bool { return s.changes(now) >= flapChanges }

// worst is the worst health between two times; empty when it was not there.
func (s *sighting) worst(from, to time.Time) discover.Health {
	worst := discover.Health("")
	for i, state := range s.states {
		ended := i+1 < len(s.states) && !s.states[i+1].at.After(from)
		if !ended && state.at.Before(to) && badness(state.Health) > badness(worst) {
			worst = state.Health
		}
	}
	return worst
}

// badness orders states for the strip; an instance that is there says more than one that is gone.
func badness(h discover.Health) int {
	return slices.Index([]discover.Health{"", gone, discover.Passing, discover.Warning, discover.Maintenance, discover.Critical}, h)
}
