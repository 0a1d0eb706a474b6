package schema

import (
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// extra is what an object's or an array's members may be that no keyword names: any when schema is nil, none when closed.
type extra struct {
	closed bool
	schema *jsonschema.Schema
}

// extraOf reads additionalProperties and its like: nothing, a boolean or a schema.
func extraOf(keyword any) extra {
	switch k := keyword.(type) {
	case bool:
		return extra{closed: !k}
	case *jsonschema.Schema:
		if k != nil && k.Always != nil {
			return extra{closed: !*k.Always}
		}
		return extra{schema: k}
	}
	return extra{}
}

func (e extra) open() bool { return !e.closed && e.schema == nil }

// or is what holds when e says nothing: additionalProperties goes before unevaluatedProperties.
func (e extra) or(other *jsonschema.Schema) extra {
	if e.open() && other != nil {
		return extraOf(other)
	}
	return e
}

func (c *jsonComparison) extras(w, r extra) []Violation {
	switch {
	case w.closed || r.open():
		return nil
	case r.closed:
		return one("what is not named is refused, and could be written")
	}
	return c.optional(w.schema, r.schema)
}

func (c *jsonComparison) objects(w, r *jsonschema.Schema) []Violation {
	return slices.Concat(
		c.properties(w, r),
		c.patterns(w, r),
		at("additionalProperties", c.extras(extraOf(w.AdditionalProperties), extraOf(r.AdditionalProperties))),
		at("unevaluatedProperties", c.extras(extraOf(w.UnevaluatedProperties), extraOf(r.UnevaluatedProperties))),
		at("propertyNames", c.optional(w.PropertyNames, r.PropertyNames)),
		c.dependencies(w, r),
		atLeast("minProperties", w.MinProperties, r.MinProperties),
		atMost("maxProperties", w.MaxProperties, r.MaxProperties),
	)
}

func (c *jsonComparison) properties(w, r *jsonschema.Schema) []Violation {
	var out []Violation
	for _, name := range bothKeys(w.Properties, r.Properties) {
		written, read := w.Properties[name], r.Properties[name]
		var found []Violation
		switch {
		case read == nil:
			found = c.removed(name, written, r)
		case written == nil:
			found = c.added(name, read, w, r)
		default:
			found = c.schemas(written, read)
			if slices.Contains(r.Required, name) && !slices.Contains(w.Required, name) && !hasDefault(read) {
				found = append(found, one("the property is required, has no default, and could be missing")...)
			}
		}
		out = append(out, below("properties", name, found)...)
	}
	return out
}

// removed: the reader does not know a property that is written.
func (c *jsonComparison) removed(name string, written, r *jsonschema.Schema) []Violation {
	rest := unnamed(r, name)
	if rest.closed {
		if partOf(written).kind == kindNever {
			return nil
		}
		return one("the property is not known any more, and others are refused")
	}
	return c.optional(written, rest.schema)
}

// added: the reader knows a property that the writer does not name.
func (c *jsonComparison) added(name string, read, w, r *jsonschema.Schema) []Violation {
	rest := unnamed(w, name)
	var out []Violation
	if !rest.closed {
		if out = c.optional(rest.schema, read); rest.open() && len(out) > 0 {
			out = one("the property is new, and anything could be written under its name")
		}
	}
	if slices.Contains(r.Required, name) && !hasDefault(read) && !(rest.open() && partOf(read).kind == kindAny) {
		out = append(out, one("the property is new and required, and has no default")...)
	}
	return out
}

// unnamed is what a property may be that has no schema of its own.
func unnamed(s *jsonschema.Schema, name string) extra {
	for _, pattern := range sortedPatterns(s.PatternProperties) {
		if pattern.MatchString(name) {
			return extraOf(s.PatternProperties[pattern])
		}
	}
	return extraOf(s.AdditionalProperties).or(s.UnevaluatedProperties)
}

func hasDefault(s *jsonschema.Schema) bool {
	return marksOf(s).hasDefault || s.Ref != nil && marksOf(s.Ref).hasDefault
}

// patterns compares properties that are named by patterns. What these have in common is not known: so each that is
// written and not read by its own has to fit the rest, and the reverse.
func (c *jsonComparison) patterns(w, r *jsonschema.Schema) []Violation {
	var out []Violation
	for _, pattern := range sortedPatterns(r.PatternProperties) {
		out = append(out, below("patternProperties", pattern.String(), c.patternRead(pattern, w, r.PatternProperties[pattern]))...)
	}
	for _, pattern := range sortedPatterns(w.PatternProperties) {
		if patternOf(r, pattern) == nil {
			rest := extraOf(r.AdditionalProperties).or(r.UnevaluatedProperties)
			out = append(out, below("patternProperties", pattern.String(), c.extras(extraOf(w.PatternProperties[pattern]), rest))...)
		}
	}
	return out
}

func (c *jsonComparison) patternRead(pattern *regexp.Regexp, w, read *jsonschema.Schema) []Violation {
	if same := patternOf(w, pattern); same != nil {
		return c.schemas(same, read)
	}
	var out []Violation
	for _, name := range bothKeys(w.Properties, nil) {
		if pattern.MatchString(name) {
			out = append(out, at(name, c.schemas(w.Properties[name], read))...)
		}
	}
	for _, other := range sortedPatterns(w.PatternProperties) {
		out = append(out, c.schemas(w.PatternProperties[other], read)...)
	}
	return append(out, c.extras(extraOf(w.AdditionalProperties).or(w.UnevaluatedProperties), extra{schema: read})...)
}

func patternOf(s *jsonschema.Schema, pattern *regexp.Regexp) *jsonschema.Schema {
	for p, schema := range s.PatternProperties {
		if p.String() == pattern.String() {
			return schema
		}
	}
	return nil
}

func sortedPatterns(patterns map[*regexp.Regexp]*jsonschema.Schema) []*regexp.Regexp {
	out := make([]*regexp.Regexp, 0, len(patterns))
	for p := range patterns {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *regexp.Regexp) int { return strings.Compare(a.String(), b.String()) })
	return out
}

func (c *jsonComparison) dependencies(w, r *jsonschema.Schema) []Violation {
	written, read := dependenciesOf(w), dependenciesOf(r)
	var out []Violation
	for _, name := range bothKeys(read, nil) {
		had, wants := written[name], read[name]
		var found []Violation
		for _, other := range wants.names {
			if !slices.Contains(had.names, other) {
				found = append(found, one("property %s must now be there too", other)...)
			}
		}
		found = append(found, c.optional(had.schema, wants.schema)...)
		out = append(out, below("dependencies", name, found)...)
	}
	return out
}

// dependency is what a property wants when it is there: other properties, and a schema.
type dependency struct {
	names  []string
	schema *jsonschema.Schema
}

// dependenciesOf reads the keywords of all drafts.
func dependenciesOf(s *jsonschema.Schema) map[string]dependency {
	out := map[string]dependency{}
	for name, wants := range s.Dependencies {
		d := dependency{}
		d.names, _ = wants.([]string)
		d.schema, _ = wants.(*jsonschema.Schema)
		out[name] = d
	}
	for name, names := range s.DependentRequired {
		out[name] = dependency{names: names}
	}
	for name, schema := range s.DependentSchemas {
		out[name] = dependency{names: out[name].names, schema: schema}
	}
	return out
}

// bothKeys lists the keys of two maps, in order.
func bothKeys[V any](a, b map[string]V) []string {
	keys := make([]string, 0, len(a)+len(b))
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
