package lint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Kind is a kind of thing that is linted.
type Kind struct {
	// Name is short and plural, such as protos.
	Name string
	// Rules are all of its rules.
	Rules []Rule
	// Candidate tells by its name whether a file may be of the kind, so that
	// others need not be read.
	Candidate func(path string) bool
	// Recognize tells by its content whether a file is of the kind.
	Recognize func(*Source) bool
	// Check checks files that it recognised. Broken files are findings; an
	// error means that the check itself could not be made.
	Check func(context.Context, []*Source) (Result, error)
}

// Result is what the check of a kind found. Findings need no Severity: it is the rule's.
type Result struct {
	Findings []Finding
	Ignores  []Ignore
}

// UnusedIgnore is the rule of the engine itself.
const UnusedIgnore = "UNUSED_IGNORE"

func ownRules() []Rule {
	return []Rule{{
		ID: UnusedIgnore, Kind: "all", Severity: Warning,
		Summary: "An inline ignore must cover a finding.",
		Why:     "An ignore that covers nothing hides the next defect at that place, and misleads who reads it.",
		Good:    "// suokectl:ignore FIELD_LOWER_SNAKE_CASE\nstring userName = 1;",
		Bad:     "// suokectl:ignore FIELD_LOWER_SNAKE_CASE\nstring user_name = 1;",
	}}
}

// Catalogue returns the rules of kinds and of the engine, ordered by kind and id.
func Catalogue(kinds []Kind) []Rule {
	var rules []Rule
	for _, k := range kinds {
		start := len(rules)
		rules = append(rules, k.Rules...)
		slices.SortFunc(rules[start:], func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	}
	return append(rules, ownRules()...)
}

// Run checks each source with the first kind that recognises it; the others
// are not looked at. The zero Config changes nothing; see [Config.Validate] for
// one from a file. When ctx ends early, its cause is the error.
func Run(ctx context.Context, kinds []Kind, config Config, sources []*Source) (*Report, error) {
	r := &Report{config: config, rules: map[string]Rule{}, sources: map[string]*Source{}}
	for _, rule := range Catalogue(kinds) {
		if severity := config.Severities[rule.ID]; severity != "" {
			rule.Severity = severity
		}
		r.rules[rule.ID] = rule
	}
	var all Result
	for name, files := range byKind(kinds, sources) {
		kind := kinds[slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })]
		result, err := kind.Check(ctx, files)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("lint %s: %w", name, err)
		}
		all.Findings = append(all.Findings, result.Findings...)
		all.Ignores = append(all.Ignores, result.Ignores...)
		for _, file := range files {
			r.sources[file.Name] = file
		}
	}
	r.Files = len(r.sources)
	r.take(all)
	return r, nil
}

// byKind returns the sources of each kind, by its name.
func byKind(kinds []Kind, sources []*Source) map[string][]*Source {
	out := map[string][]*Source{}
	for _, s := range sources {
		if i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Recognize(s) }); i >= 0 {
			out[kinds[i].Name] = append(out[kinds[i].Name], s)
		}
	}
	return out
}

// ErrUnknownRule is returned by [FindRule] for an id that no rule has.
var ErrUnknownRule = errors.New("unknown rule")

// FindRule returns the rule with an id, whatever its case; dashes may stand for underscores.
func FindRule(rules []Rule, id string) (Rule, error) {
	id = strings.ToUpper(strings.ReplaceAll(id, "-", "_"))
	for _, rule := range rules {
		if rule.ID == id {
			return rule, nil
		}
	}
	return Rule{}, fmt.Errorf("%w %q", ErrUnknownRule, id)
}
