package schema

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/twmb/avro"
)

// maxMatches bounds the work on a value: a union that has several records is tried with each, level by level.
const maxMatches = 1_000_000

// avroMatch holds one value to a schema.
type avroMatch struct {
	*avroSchema
	steps int
}

func (m *avroMatch) value(path string, n *avro.SchemaNode, v any) []Problem {
	if m.steps++; m.steps > maxMatches {
		return []Problem{{Path: orRoot(path), Message: "too many branches of unions fit almost"}}
	}
	switch n.Type {
	case "record", "error":
		return m.record(path, n, v)
	case "array":
		return m.array(path, n, v)
	case "map":
		return m.mapping(path, n, v)
	case "union":
		return m.union(path, n, v)
	case "enum":
		if text, ok := v.(string); ok && slices.Contains(n.Symbols, text) {
			return nil
		}
		return wrong(path, "one of "+strings.Join(n.Symbols, ", "), v)
	case "fixed":
		if text, ok := v.(string); ok && isBytes(text) && utf8.RuneCountInString(text) == n.Size {
			return nil
		}
		return wrong(path, fmt.Sprintf("%d bytes as text", n.Size), v)
	}
	if named, ok := m.named[n.Type]; ok {
		return m.value(path, named, v)
	}
	if fitsPrimitive(n.Type, v) {
		return nil
	}
	return wrong(path, n.Type, v)
}

func wrong(path, want string, got any) []Problem {
	return []Problem{{Path: orRoot(path), Message: "want " + want + ", got " + describe(got)}}
}

func fitsPrimitive(kind string, v any) bool {
	switch kind {
	case "null":
		return v == nil
	case "boolean":
		_, ok := v.(bool)
		return ok
	case "int":
		return isInteger(v, 31)
	case "long":
		return isInteger(v, 63)
	case "float", "double":
		_, ok := v.(json.Number)
		return ok
	case "string":
		_, ok := v.(string)
		return ok
	case "bytes":
		text, ok := v.(string)
		return ok && isBytes(text)
	}
	return false
}

// isInteger reports a whole number that fits a sign and so many bits. Numbers with a huge exponent are not worked out.
func isInteger(v any, bits int) bool {
	n, ok := v.(json.Number)
	if !ok || len(n) > 64 || strings.ContainsAny(string(n), "eE") && len(n) > 20 {
		return false
	}
	if i := strings.IndexAny(string(n), "eE"); i >= 0 && len(n)-i > 4 {
		return false
	}
	rat, ok := new(big.Rat).SetString(string(n))
	if !ok || !rat.IsInt() {
		return false
	}
	whole := rat.Num()
	limit := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	return whole.Cmp(limit) < 0 && whole.Cmp(new(big.Int).Neg(limit)) >= 0
}

// isBytes reports text that stands for bytes: one code point up to 255 each.
func isBytes(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > 255 })
}

func (m *avroMatch) record(path string, n *avro.SchemaNode, v any) []Problem {
	o, ok := v.(map[string]any)
	if !ok {
		return wrong(path, "record "+n.Name, v)
	}
	var out []Problem
	known := make(map[string]bool, len(n.Fields))
	for i := range n.Fields {
		f := &n.Fields[i]
		known[f.Name] = true
		member, present := o[f.Name]
		switch {
		case present:
			out = append(out, m.value(join(path, f.Name), &f.Type, member)...)
		case !f.HasDefault && len(m.value("", &f.Type, nil)) > 0:
			out = append(out, Problem{Path: join(path, f.Name), Message: "missing"})
		}
	}
	for _, name := range sortedKeys(o) {
		if !known[name] {
			out = append(out, Problem{Path: join(path, name), Message: "not a field of record " + n.Name})
		}
	}
	return out
}

func (m *avroMatch) array(path string, n *avro.SchemaNode, v any) []Problem {
	items, ok := v.([]any)
	if !ok {
		return wrong(path, "an array", v)
	}
	var out []Problem
	for i, item := range items {
		out = append(out, m.value(fmt.Sprintf("%s[%d]", path, i), n.Items, item)...)
	}
	return out
}

func (m *avroMatch) mapping(path string, n *avro.SchemaNode, v any) []Problem {
	o, ok := v.(map[string]any)
	if !ok {
		return wrong(path, "a map", v)
	}
	var out []Problem
	for _, name := range sortedKeys(o) {
		out = append(out, m.value(join(path, name), n.Values, o[name])...)
	}
	return out
}

// union takes the bare value of any branch. When none fits, the problems are those of the only branch that is not
// null, else the list of what would fit.
func (m *avroMatch) union(path string, n *avro.SchemaNode, v any) []Problem {
	var names []string
	var last []Problem
	for i := range n.Branches {
		branch := &n.Branches[i]
		problems := m.value(path, branch, v)
		if len(problems) == 0 {
			return nil
		}
		if branch.Type != "null" {
			last = problems
		}
		names = append(names, branchName(branch))
	}
	if len(n.Branches) == 2 && slices.Contains(names, "null") && v != nil && last != nil {
		return last
	}
	return wrong(path, "one of "+strings.Join(names, ", "), v)
}

func branchName(n *avro.SchemaNode) string {
	if n.Name != "" {
		return fullName(n)
	}
	return n.Type
}

func sortedKeys(o map[string]any) []string {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
