package discover

import (
	"fmt"
	"strings"
	"time"
)

// Since is when a check came into the state in which it is, as far as that was seen from here: Consul keeps no time of
// it. Every look at the service with the same Config.CacheDir is one, of whatever process; a watch that runs sees it at
// once. What changed and changed back between two looks was not seen.
type Since struct {
	After  time.Time `json:"after,omitzero"` // the last look at which it was not so; zero when there was none
	Before time.Time `json:"before"`         // the first look at which it was so
}

// String says for how long it is so by now, such as "for 12m to 15m", "for 12m at least" or "for 15m at most".
func (s Since) String() string { return s.at(time.Now()) }

func (s Since) at(now time.Time) string {
	least, most := inWords(now.Sub(s.Before)), inWords(now.Sub(s.After))
	switch {
	case s.After.IsZero():
		return fmt.Sprintf("for %s at least", least)
	case now.Sub(s.Before) < time.Second && least != most:
		return fmt.Sprintf("for %s at most", most)
	case least == most:
		return "for " + least
	}
	return fmt.Sprintf("for %s to %s", least, most)
}

// sight is the state in which a check was seen, and since when.
type sight struct {
	Status Health `json:"status"`
	Since
}

// sightings is a file of the cache: the checks of a service that did not pass at the last look. That any other was not
// in their state then is what bounds the time of a change.
type sightings struct {
	Read   time.Time        `json:"read"`
	Checks map[string]sight `json:"checks"`
}

// look adds a look at every instance of the service. When the state before lasted until then, as in a watch that waited
// for the change, a new state is as old as the look.
func (s sightings) look(known []Instance, now time.Time, lasted bool) sightings {
	next := sightings{Read: now, Checks: map[string]sight{}}
	if s.Read.After(now) { // the clock was set back: when they were is not known
		s = sightings{}
	}
	for _, instance := range known {
		for _, check := range instance.Checks {
			if check.Status == Passing {
				continue
			}
			key := sightKey(instance, check)
			seen, ok := s.Checks[key]
			if !ok || seen.Status != check.Status {
				seen = sight{Status: check.Status, Since: Since{After: s.Read, Before: now}}
				if lasted {
					seen.After = now
				}
			}
			next.Checks[key] = seen
		}
	}
	return next
}

// of returns since when a check is in its state; nil when the last look was the first one.
func (s sightings) of(instance Instance, check *Check) *Since {
	if check == nil {
		return nil
	}
	seen, ok := s.Checks[sightKey(instance, *check)]
	if !ok || seen.Status != check.Status || seen.After.IsZero() && seen.Before.Equal(s.Read) {
		return nil
	}
	return &seen.Since
}

func sightKey(i Instance, c Check) string { return strings.Join([]string{i.Node, i.ID, c.ID}, "\x00") }

// look keeps what a look at every instance of the service has seen. A filter hides some, so that nothing is seen.
func (c *Client) look(name string, q Query, known []Instance, lasted bool) {
	if c.cacheDir == "" || q.Filter != "" {
		return
	}
	c.writeFile(c.sightingsFile(name, q), c.sightings(name, q).look(known, time.Now(), lasted))
}

func (c *Client) sightings(name string, q Query) sightings {
	var s sightings
	if !c.readFile(c.sightingsFile(name, q), &s) {
		return sightings{}
	}
	return s
}

func (c *Client) sightingsFile(name string, q Query) string {
	return c.memoryFile(name, Query{Datacenter: q.Datacenter}) + ".since"
}

// inWords is a duration in at most two units.
func inWords(d time.Duration) string {
	switch d = max(0, d); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}
