package lint

import "cmp"

// Severity says how bad a finding is.
type Severity string

// The severities. Both are findings: a run with either has found something.
const (
	Error   Severity = "error"   // it breaks the specification
	Warning Severity = "warning" // it probably does, or does harm otherwise
)

// Finding is one defect at one place.
type Finding struct {
	Rule     string   `json:"rule"` // the id of a rule
	Severity Severity `json:"severity"`
	File     string   `json:"file"` // the name of the source
	Span     Span     `json:"span"`
	// Message says what is wrong, in one sentence.
	Message string `json:"message"`
	// Fix says what to do about it, in one line; may be empty.
	Fix string `json:"fix,omitempty"`
}

func compareFindings(a, b Finding) int {
	return cmp.Or(
		cmp.Compare(a.File, b.File),
		cmp.Compare(a.Span.Start.Offset, b.Span.Start.Offset),
		cmp.Compare(a.Rule, b.Rule),
		cmp.Compare(a.Message, b.Message),
	)
}

// Rule is an entry of the catalogue.
type Rule struct {
	// ID is in upper snake case; it is buf's where buf has the rule.
	ID string `json:"id"`
	// Kind is the name of the kind whose files it checks.
	Kind     string   `json:"kind"`
	Severity Severity `json:"severity"`
	// Summary says in one line what is demanded.
	Summary string `json:"summary"`
	// Why says what goes wrong otherwise.
	Why string `json:"why"`
	// Good and Bad are examples.
	Good string `json:"good"`
	Bad  string `json:"bad"`
	// Buf tells that buf has the rule under this id.
	Buf bool `json:"buf"`
}

// Ignore is a comment in a source that switches rules off for a part of it.
type Ignore struct {
	Rule string
	File string
	// Scope is the text for which the rule is off: a finding that begins in it is dropped.
	Scope Span
	// Comment is where the ignore itself stands.
	Comment Span

	buf bool // it is written in buf's form, so that its rule may be one that only buf has
}

func (i Ignore) covers(f Finding) bool {
	return i.Rule == f.Rule && i.File == f.File &&
		i.Scope.Start.Offset <= f.Span.Start.Offset && f.Span.Start.Offset < max(i.Scope.End.Offset, i.Scope.Start.Offset+1)
}
