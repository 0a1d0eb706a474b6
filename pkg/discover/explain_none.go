package discover

import (
	"fmt"
	"slices"
	"strings"
)

// NoInstanceError is returned when a service is known and the query lets none of its instances in. With
// UnknownServiceError it is what the specification calls ServiceDiscoveryError (G2).
type NoInstanceError struct {
	Service string
	Query   Query
	Known   []Explanation // every known instance with what keeps it out; never empty
}

// Is tells that the error is an ErrNoInstance.
func (e *NoInstanceError) Is(target error) bool { return target == ErrNoInstance }

// Error says in one line what keeps the instances out: the version or tags that none of them has beside those that
// there are, or else how many have which health and what the first of them says.
func (e *NoInstanceError) Error() string {
	wanted := e.Unhealthy()
	if len(wanted) == 0 {
		return e.noneSelected()
	}
	subject := e.Service
	if e.Query.Version != "" {
		subject += " " + e.Query.Version
	}
	if len(e.Query.Tags) > 0 {
		subject += " with " + tagList(e.Query.Tags)
	}
	verb := "passes"
	if e.Query.level() == Warning {
		verb = "passes or warns"
	}
	first := wanted[0]
	return fmt.Sprintf("no instance of %s %s (%s): %s: %s",
		subject, verb, countHealth(wanted), first.Instance.ID, first.Sentences()[0])
}

// Unhealthy returns the known instances that only their health keeps out.
func (e *NoInstanceError) Unhealthy() []Explanation {
	var out []Explanation
	for _, known := range e.Known {
		if !slices.ContainsFunc(known.Causes, func(c Cause) bool { return !c.aboutHealth() }) {
			out = append(out, known)
		}
	}
	return out
}

func (e *NoInstanceError) noneSelected() string {
	ofVersion := e.Known
	if version := e.Query.Version; version != "" {
		ofVersion = slices.DeleteFunc(slices.Clone(e.Known), func(k Explanation) bool { return k.Instance.Version != version })
		if len(ofVersion) == 0 {
			return fmt.Sprintf("no instance of %s has version %s; there %s", e.Service, version, areOr(versions(e.Known), "is none with a version"))
		}
	}
	of := e.Service
	if e.Query.Version != "" {
		of += " " + e.Query.Version
	}
	tagged := slices.DeleteFunc(slices.Clone(ofVersion), func(k Explanation) bool { return k.has(TagMissing) })
	if len(tagged) == 0 {
		return fmt.Sprintf("no instance of %s has %s; there %s", of, tagList(e.Query.Tags), areOr(tags(ofVersion), "is none with a tag"))
	}
	first := slices.IndexFunc(tagged[0].Causes, func(c Cause) bool { return !c.aboutHealth() })
	return fmt.Sprintf("no instance of %s is what the query wants: %s: %s", of, tagged[0].Instance.ID, tagged[0].Sentences()[first])
}

func tagList(tags []string) string {
	if len(tags) == 1 {
		return "tag " + tags[0]
	}
	return "all of the tags " + strings.Join(tags, ", ")
}

func countHealth(list []Explanation) string {
	count := map[Health]int{}
	for _, e := range list {
		count[e.Instance.Health]++
	}
	var parts []string
	for _, health := range []Health{Maintenance, Critical, Warning} {
		if n := count[health]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, health))
		}
	}
	return strings.Join(parts, ", ")
}

func versions(list []Explanation) []string {
	known := make([]Instance, len(list))
	for i, e := range list {
		known[i] = e.Instance
	}
	return Versions(known)
}

func tags(list []Explanation) []string {
	var out []string
	for _, e := range list {
		out = append(out, e.Instance.Tags...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// maxNamed is how many names an error spells out.
const maxNamed = 10

func listOr(names []string, none string) string {
	switch {
	case len(names) == 0:
		return none
	case len(names) > maxNamed:
		return strings.Join(names[:maxNamed], ", ") + fmt.Sprintf(" and %d more", len(names)-maxNamed)
	}
	return strings.Join(names, ", ")
}

func areOr(names []string, none string) string {
	switch len(names) {
	case 0:
		return none
	case 1:
		return "is " + names[0]
	}
	return "are " + listOr(names, none)
}
