package lint

import "slices"

// Report is what a run found. Findings are ordered by file and place.
type Report struct {
	Findings []Finding
	// Files is the number of files that were checked.
	Files int

	config  Config
	rules   map[string]Rule
	sources map[string]*Source
}

// take keeps the findings that no ignore covers and the configuration lets
// stand, and adds the ignores that cover none.
func (r *Report) take(all Result) {
	used := make([]bool, len(all.Ignores))
	for _, f := range all.Findings {
		covered := false
		for i, ignore := range all.Ignores {
			if ignore.covers(f) {
				used[i], covered = true, true
			}
		}
		if !covered {
			r.add(f)
		}
	}
	for i, ignore := range all.Ignores {
		if _, known := r.rules[ignore.Rule]; !used[i] && (known || !ignore.buf) {
			r.add(r.unused(ignore))
		}
	}
	slices.SortFunc(r.Findings, compareFindings)
	r.Findings = slices.Compact(r.Findings)
}

func (r *Report) add(f Finding) {
	if f.Severity == "" {
		f.Severity = r.rules[f.Rule].Severity
	}
	if !r.config.drops(f) {
		r.Findings = append(r.Findings, f)
	}
}

func (r *Report) unused(ignore Ignore) Finding {
	f := Finding{Rule: UnusedIgnore, File: ignore.File, Span: ignore.Comment,
		Message: "the ignore of " + ignore.Rule + " covers no finding", Fix: "remove it"}
	if _, known := r.rules[ignore.Rule]; !known {
		f.Message, f.Fix = "the ignore names no rule: "+ignore.Rule, "`suokectl lint rules` lists them"
	}
	return f
}

// Count returns the number of findings of a severity.
func (r *Report) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}
