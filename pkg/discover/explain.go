package discover

import "slices"

// CauseKind says what keeps an instance out of a query.
type CauseKind string

// The kinds of causes.
const (
	CheckCritical   CauseKind = "check_critical"
	CheckWarning    CauseKind = "check_warning"
	CheckNotRun     CauseKind = "check_not_run" // its agent has no result of the check yet, which counts as critical
	NodeDown        CauseKind = "node_down"     // the agent of its node does not answer the other agents
	InMaintenance   CauseKind = "maintenance"   // it, or its node
	Draining        CauseKind = "draining"      // it is shutting down, and lets its callers go first
	TagMissing      CauseKind = "tag_missing"
	VersionMismatch CauseKind = "version_mismatch" // it has another version
	VersionMissing  CauseKind = "version_missing"  // it has none in its metadata
	MetaMissing     CauseKind = "meta_missing"     // its metadata lacks the key
	MetaMismatch    CauseKind = "meta_mismatch"    // its metadata has another value under the key
	FilterMismatch  CauseKind = "filter_mismatch"  // the query's filter is not true of it
	OtherDatacenter CauseKind = "other_datacenter" // it is registered in another datacenter than was asked
	NotInCatalogue  CauseKind = "not_in_catalogue" // the agent knows it, and the catalogue does not (yet)
	HiddenByACL     CauseKind = "hidden_by_acl"    // the agent tells of it, and the token may not read its node
	ProbeFailed     CauseKind = "probe_failed"     // a probe from here fails, whatever Consul's checks say
)

// How a check failed, beside what a probe can meet.
const (
	CheckTTLExpired ProbeFailure = "ttl_expired" // the service stopped to report
	CheckReported   ProbeFailure = "reported"    // the service itself reported it
)

// Cause is one reason why an instance is left out.
type Cause struct {
	Kind   CauseKind `json:"kind"`
	Wanted string    `json:"wanted"` // the version, tag, health, meta as key=value, filter or datacenter of the query
	Has    string    `json:"has"`    // what the instance has in its place; empty is nothing
	// Near is what the instance has that is almost what is wanted: a version written otherwise, a similar tag.
	Near     string       `json:"near,omitempty"`
	Failure  ProbeFailure `json:"failure,omitempty"` // how the check or the probe failed, when its text tells
	Check    *Check       `json:"check,omitempty"`   // the check that keeps it out, when one does
	Since    *Since       `json:"since,omitempty"`   // when the check came into its state; nil is not known
	Sentence string       `json:"sentence"`          // all of it in words: one line without control characters
}

// aboutHealth tells a cause that may pass by itself from one that is in the registration.
func (c Cause) aboutHealth() bool { return c.Check != nil }

// Explanation is an instance with everything that keeps it out of a query.
type Explanation struct {
	Instance Instance `json:"instance"`
	Causes   []Cause  `json:"causes"` // none: it is in
	Notes    []Note   `json:"notes"`  // what else is odd about it
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
		out[i] = cause.Sentence
	}
	return out
}

func (e Explanation) has(kind CauseKind) bool {
	return slices.ContainsFunc(e.Causes, func(c Cause) bool { return c.Kind == kind })
}

// explained says what keeps each of the instances out, but for the filter, which only Consul can apply.
func explained(known []Instance, q Query) []Explanation {
	all := make([]Explanation, len(known))
	for i, instance := range known {
		all[i] = Explanation{Instance: instance, Causes: q.causes(instance)}
		all[i].phrase()
	}
	return all
}

// phrase puts the causes into words.
func (e *Explanation) phrase() {
	for i, cause := range e.Causes {
		e.Causes[i].Sentence = cause.sentence(e.Instance)
	}
}
