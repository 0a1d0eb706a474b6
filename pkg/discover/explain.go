package discover

import (
	"fmt"
	"slices"
	"strings"
)

// CauseKind says what keeps an instance out of a query.
type CauseKind string

// The kinds of causes.
const (
	CheckCritical   CauseKind = "check_critical"
	CheckWarning    CauseKind = "check_warning"
	InMaintenance   CauseKind = "maintenance"
	TagMissing      CauseKind = "tag_missing"
	VersionMismatch CauseKind = "version_mismatch" // it has another version
	VersionMissing  CauseKind = "version_missing"  // it has none in its metadata
	MetaMissing     CauseKind = "meta_missing"     // its metadata lacks the key
	MetaMismatch    CauseKind = "meta_mismatch"    // its metadata has another value under the key
	FilterMismatch  CauseKind = "filter_mismatch"  // the query's filter is not true of it
)

// Cause is one reason why an instance is left out.
type Cause struct {
	Kind   CauseKind `json:"kind"`
	Wanted string    `json:"wanted"`          // the version, tag, health, meta as key=value, or filter of the query
	Check  *Check    `json:"check,omitempty"` // the check that keeps it out, when one does
}

// aboutHealth tells a cause that may pass by itself from one that is in the registration.
func (c Cause) aboutHealth() bool { return c.Check != nil }

// Explanation is an instance with everything that keeps it out of a query.
type Explanation struct {
	Instance Instance `json:"instance"`
	Causes   []Cause  `json:"causes"` // none: it is in
}

// Included tells whether the query lets the instance in.
func (e Explanation) Included() bool { return len(e.Causes) == 0 }

// Included returns the instances that nothing keeps out.
func Included(all []Explanation) []Instance {
	var in []Instance
	for _, e := range all {
		if e.Included() {
			in = append(in, e.Instance)
		}
	}
	return in
}

// Sentences says each cause in words.
func (e Explanation) Sentences() []string {
	out := make([]string, len(e.Causes))
	for i, cause := range e.Causes {
		out[i] = cause.sentence(e.Instance)
	}
	return out
}

func (c Cause) sentence(of Instance) string {
	switch c.Kind {
	case VersionMismatch:
		return fmt.Sprintf("version is %s, not %s", of.Version, c.Wanted)
	case VersionMissing:
		return fmt.Sprintf("it has no version, so it is not %s", c.Wanted)
	case TagMissing:
		return fmt.Sprintf("tag %s is missing; it has %s", c.Wanted, listOr(of.Tags, "none"))
	case MetaMissing:
		key, value, _ := strings.Cut(c.Wanted, "=")
		return fmt.Sprintf("it has no %s in its metadata, so it is not %s", key, value)
	case MetaMismatch:
		key, value, _ := strings.Cut(c.Wanted, "=")
		return fmt.Sprintf("%s in its metadata is %s, not %s", key, of.Meta[key], value)
	case FilterMismatch:
		return "it does not match the filter " + c.Wanted
	case InMaintenance:
		return fmt.Sprintf("%s is in maintenance: %s", c.subject("it"), c.Check.Notes)
	}
	return fmt.Sprintf("%s is %s: %s", c.subject(fmt.Sprintf("check %q", c.Check.Name)), c.Check.Status, c.said())
}

func (c Cause) subject(own string) string {
	if !c.Check.OnNode {
		return own
	}
	if c.Kind == InMaintenance {
		return "its node"
	}
	return fmt.Sprintf("its node's check %q", c.Check.Name)
}

// said is the check's output on one line.
func (c Cause) said() string {
	if output := strings.Join(strings.Fields(c.Check.Output), " "); output != "" {
		return output
	}
	return "it has not said why (it may not have run yet)"
}

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

func (e Explanation) has(kind CauseKind) bool {
	return slices.ContainsFunc(e.Causes, func(c Cause) bool { return c.Kind == kind })
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
	var out []string
	for _, e := range list {
		if e.Instance.Version != "" {
			out = append(out, e.Instance.Version)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
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
