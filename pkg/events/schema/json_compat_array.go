package schema

import (
	"slices"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// jsonItems are the items of an array: those that have a schema each, and what all others are.
type jsonItems struct {
	all   *jsonschema.Schema // of each item, when none has its own
	first []*jsonschema.Schema
	rest  extra
}

// itemsOf reads the keywords of all drafts.
func itemsOf(s *jsonschema.Schema) jsonItems {
	out := jsonItems{rest: extraOf(s.AdditionalItems)}
	switch items := s.Items.(type) {
	case *jsonschema.Schema:
		out.all = items
	case []*jsonschema.Schema:
		out.first = items
	}
	switch {
	case s.PrefixItems != nil:
		out.first, out.rest = s.PrefixItems, extraOf(s.Items2020)
	case s.Items2020 != nil:
		out.all = s.Items2020
	}
	return out
}

func (c *jsonComparison) arrays(w, r *jsonschema.Schema) []Violation {
	written, read := itemsOf(w), itemsOf(r)
	out := slices.Concat(
		at("items", c.optional(written.all, read.all)),
		c.tuples(written, read, w, r),
		at("additionalItems", c.extras(written.rest, read.rest)),
		at("unevaluatedItems", c.extras(extraOf(w.UnevaluatedItems), extraOf(r.UnevaluatedItems))),
		atLeast("minItems", w.MinItems, r.MinItems),
		atMost("maxItems", w.MaxItems, r.MaxItems),
		c.contained(w, r),
	)
	if more := marksOf(r).additionalItems; more != "" && more != "true" && more != marksOf(w).additionalItems {
		out = append(out, at("additionalItems", one("other items are wanted"))...)
	}
	if r.UniqueItems && !w.UniqueItems {
		out = append(out, at("uniqueItems", one("items must be unique, and could be written twice"))...)
	}
	return out
}

// tuples compares the items that have a schema each; where one side has none, what it says of the others stands for it.
func (c *jsonComparison) tuples(written, read jsonItems, w, r *jsonschema.Schema) []Violation {
	var out []Violation
	for i := range max(len(written.first), len(read.first)) {
		var found []Violation
		switch {
		case i >= len(read.first):
			found = c.itemRemoved(written.first[i], read.rest.or(r.UnevaluatedItems))
		case i >= len(written.first):
			found = c.itemAdded(written.rest.or(w.UnevaluatedItems), read.first[i])
		default:
			found = c.schemas(written.first[i], read.first[i])
		}
		out = append(out, below("items", strconv.Itoa(i), found)...)
	}
	return out
}

func (c *jsonComparison) itemRemoved(written *jsonschema.Schema, rest extra) []Violation {
	if rest.closed {
		if partOf(written).kind == kindNever {
			return nil
		}
		return one("the item is not known any more, and others are refused")
	}
	return c.optional(written, rest.schema)
}

func (c *jsonComparison) itemAdded(rest extra, read *jsonschema.Schema) []Violation {
	if rest.closed {
		return nil
	}
	return c.optional(rest.schema, read)
}

// contained compares how many items must match a schema.
func (c *jsonComparison) contained(w, r *jsonschema.Schema) []Violation {
	switch {
	case r.Contains == nil:
		return nil
	case w.Contains == nil || len(c.schemas(w.Contains, r.Contains)) > 0:
		return at("contains", one("other items must be contained"))
	case r.MaxContains >= 0 && len(c.schemas(r.Contains, w.Contains)) > 0:
		return at("contains", one("other items may be contained"))
	}
	return append(atLeast("minContains", w.MinContains, r.MinContains), atMost("maxContains", w.MaxContains, r.MaxContains)...)
}
