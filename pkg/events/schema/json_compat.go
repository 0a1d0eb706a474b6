package schema

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// unreadable lists where an instance that the writer takes may not be one of the reader's. Where that cannot be
// decided by looking at keywords, it judges as Confluent's registry does in its strict policy; the package's
// documentation names the places.
func (s *jsonSchema) unreadable(writer language) []Violation {
	c := &jsonComparison{pairs: map[[2]*jsonschema.Schema]*jsonPair{}}
	for {
		c.pass++
		c.changed = false
		found := c.schemas(writer.(*jsonSchema).root, s.root)
		if c.steps > maxComparisons {
			return []Violation{{Path: "#", Message: "the schemas are too large and too entangled to be compared"}}
		}
		if !c.changed {
			for i, v := range found {
				found[i].Path = "#" + v.Path
			}
			return found
		}
	}
}

// maxComparisons bounds the work on schemas that combine many others.
const maxComparisons = 200_000

// jsonComparison finds the greatest set of pairs that are readable: at first each is taken to be, and passes over all
// of them go on until none is found out any more. So schemas may refer to themselves.
type jsonComparison struct {
	pairs   map[[2]*jsonschema.Schema]*jsonPair // writer, reader
	pass    int
	changed bool // a pair was found out in this pass
	steps   int
}

type jsonPair struct {
	unreadable bool // found out in some pass
	pass       int  // in which it was looked at last
	busy       bool
	found      []Violation // with paths from the pair
}

func (c *jsonComparison) schemas(w, r *jsonschema.Schema) []Violation {
	if w == r {
		return nil
	}
	key := [2]*jsonschema.Schema{w, r}
	pair := c.pairs[key]
	if pair == nil {
		pair = &jsonPair{}
		c.pairs[key] = pair
	}
	if pair.pass == c.pass {
		if pair.busy && pair.unreadable {
			return one("this refers to a schema around it that cannot be read")
		}
		return slices.Clone(pair.found)
	}
	pair.pass, pair.busy, pair.found = c.pass, true, nil
	found := c.parts(partOf(w), partOf(r))
	pair.busy, pair.found = false, found
	if len(found) > 0 && !pair.unreadable {
		pair.unreadable, c.changed = true, true
	}
	return slices.Clone(found)
}

func one(format string, args ...any) []Violation {
	return []Violation{{Message: fmt.Sprintf(format, args...)}}
}

// at moves violations below a part of a JSON pointer.
func at(name string, found []Violation) []Violation {
	for i := range found {
		found[i].Path = "/" + escapePointer.Replace(name) + found[i].Path
	}
	return found
}

// below moves violations below several parts.
func below(a, b string, found []Violation) []Violation { return at(a, at(b, found)) }

func (c *jsonComparison) parts(w, r jsonPart) []Violation {
	if c.steps++; c.steps > maxComparisons {
		return one("too large to be compared")
	}
	switch {
	case r.kind == kindAny || w.kind == kindNever:
		return nil
	case w.combined() && r.combined():
		return c.combinations(w, r)
	case r.combined() && c.readByBranch(w, r), w.combined() && c.branchIsRead(w, r):
		return nil
	case w.kind != r.kind:
		if marksOf(w.s).connectBytes && marksOf(r.s).connectBytes {
			return nil
		}
		return one("%s was written, and %s is wanted", w, r)
	case r.typed && !w.typed:
		return one("type %s is demanded, and anything else could be written", r)
	}
	return c.sameKind(w, r)
}

// readByBranch reports that the only branch, or one of a sum, reads what is written.
func (c *jsonComparison) readByBranch(w, r jsonPart) bool {
	if r.kind == kindAll && r.size() != 1 {
		return false
	}
	for i := range r.size() {
		if len(c.parts(w, r.sub(i))) == 0 {
			return true
		}
	}
	return false
}

// branchIsRead reports that the only branch, or one of a product, is read.
func (c *jsonComparison) branchIsRead(w, r jsonPart) bool {
	if w.kind != kindAll && w.size() != 1 {
		return false
	}
	for i := range w.size() {
		if len(c.parts(w.sub(i), r)) == 0 {
			return true
		}
	}
	return false
}

func (c *jsonComparison) sameKind(w, r jsonPart) []Violation {
	switch r.kind {
	case kindString:
		return c.strings(w.s, r.s)
	case kindNumber:
		return c.numbers(w, r)
	case kindArray:
		return c.arrays(w.s, r.s)
	case kindObject:
		return c.objects(w.s, r.s)
	case kindEnum:
		return at("enum", c.values(w.s.Enum, r.s.Enum))
	case kindConst:
		return at("const", c.values(w.s.Constant, r.s.Constant))
	case kindNot:
		if len(c.schemas(r.s.Not, w.s.Not)) > 0 {
			return at("not", one("more is excluded than before"))
		}
	case kindIf:
		return c.conditions(w.s, r.s)
	case kindOpaque:
		return one("dynamic references are not compared")
	}
	return nil
}

func (c *jsonComparison) values(w, r []any) []Violation {
	readable := make(map[string]bool, len(r))
	for _, v := range r {
		readable[canonicalJSON(v)] = true
	}
	var out []Violation
	for _, v := range w {
		if text := canonicalJSON(v); !readable[text] {
			out = append(out, one("value %s is not accepted", text)...)
		}
	}
	return out
}

// conditions wants the same condition, and readable consequences.
func (c *jsonComparison) conditions(w, r *jsonschema.Schema) []Violation {
	if len(c.schemas(w.If, r.If)) > 0 || len(c.schemas(r.If, w.If)) > 0 {
		return at("if", one("the condition changed"))
	}
	return append(at("then", c.optional(w.Then, r.Then)), at("else", c.optional(w.Else, r.Else))...)
}

// optional compares schemas that may be missing, which restricts nothing.
func (c *jsonComparison) optional(w, r *jsonschema.Schema) []Violation {
	switch {
	case r == nil || partOf(r).kind == kindAny:
		return nil
	case w == nil:
		return one("this is new, and restricts what could be anything")
	}
	return c.schemas(w, r)
}

func (c *jsonComparison) strings(w, r *jsonschema.Schema) []Violation {
	out := slices.Concat(atLeast("minLength", w.MinLength, r.MinLength), atMost("maxLength", w.MaxLength, r.MaxLength))
	if r.Pattern != nil && (w.Pattern == nil || w.Pattern.String() != r.Pattern.String()) {
		out = append(out, at("pattern", one("what matched another pattern, or none, was written"))...)
	}
	if assertsFormat(r) && r.Format != w.Format {
		out = append(out, at("format", one("format %s is new", r.Format))...)
	}
	if r.ContentEncoding != "" && r.ContentEncoding != w.ContentEncoding || r.ContentMediaType != "" && r.ContentMediaType != w.ContentMediaType {
		out = append(out, at("contentEncoding", one("the content is another"))...)
	}
	return out
}

// assertsFormat reports a format that makes values invalid: later drafts take it for a note.
func assertsFormat(s *jsonschema.Schema) bool {
	_, known := jsonschema.Formats[s.Format]
	return known && slices.Contains([]*jsonschema.Draft{jsonschema.Draft4, jsonschema.Draft6, jsonschema.Draft7}, s.Draft)
}

// atLeast compares lower bounds, which are -1 when there is none.
func atLeast(keyword string, w, r int) []Violation {
	if r > max(w, 0) {
		return at(keyword, one("at least %d is wanted, and %d could be written", r, max(w, 0)))
	}
	return nil
}

// atMost compares upper bounds, which are -1 when there is none.
func atMost(keyword string, w, r int) []Violation {
	switch {
	case r < 0 || w >= 0 && w <= r:
		return nil
	case w < 0:
		return at(keyword, one("at most %d is wanted, and more could be written", r))
	}
	return at(keyword, one("at most %d is wanted, and %d could be written", r, w))
}

func (c *jsonComparison) numbers(w, r jsonPart) []Violation {
	out := slices.Concat(
		tighter("minimum", w.s.Minimum, r.s.Minimum, 1), tighter("exclusiveMinimum", w.s.ExclusiveMinimum, r.s.ExclusiveMinimum, 1),
		tighter("maximum", w.s.Maximum, r.s.Maximum, -1), tighter("exclusiveMaximum", w.s.ExclusiveMaximum, r.s.ExclusiveMaximum, -1),
		multiples(w.s.MultipleOf, r.s.MultipleOf))
	if r.integer && !w.integer {
		out = append(out, at("type", one("integer is wanted, and other numbers could be written"))...)
	}
	return out
}

// tighter compares bounds; sign is 1 for lower ones and -1 for upper ones.
func tighter(keyword string, w, r *big.Rat, sign int) []Violation {
	switch {
	case r == nil || w != nil && r.Cmp(w)*sign <= 0:
		return nil
	case w == nil:
		return at(keyword, one("the bound %s is new", r.RatString()))
	}
	return at(keyword, one("the bound %s is tighter than %s", r.RatString(), w.RatString()))
}

func multiples(w, r *big.Rat) []Violation {
	switch {
	case r == nil:
		return nil
	case w == nil:
		return at("multipleOf", one("the factor %s is new", r.RatString()))
	case r.Sign() != 0 && new(big.Rat).Quo(w, r).IsInt():
		return nil
	}
	return at("multipleOf", one("multiples of %s were written, and those of %s are wanted", w.RatString(), r.RatString()))
}
