package registry

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
)

// subsumes returns nil when every instance of the JSON Schema writer is surely an instance of reader, else the first
// reason found, with its path. Understood are boolean schemas, local $ref, type, enum, const, properties, required,
// additionalProperties, items as one schema, and the bounds of numbers, strings, arrays and objects. Any other
// keyword of the reader that constrains must stand in the writer with the same value.
func subsumes(reader, writer any) error {
	c := comparison{readerRoot: reader, writerRoot: writer, seen: map[[2]string]bool{}}
	return c.schemas("#", reader, writer)
}

type comparison struct {
	readerRoot, writerRoot any
	seen                   map[[2]string]bool // pairs of references under comparison: a recursive schema ends here
}

// maxDepth ends the comparison of a recursive schema with one that is not.
const maxDepth = 64

type object = map[string]any

// annotations never make an instance invalid.
var annotations = []string{
	"$schema", "$id", "id", "$comment", "title", "description", "default", "examples", "readOnly", "writeOnly",
	"deprecated", "format", "definitions", "$defs", "$anchor", "contentEncoding", "contentMediaType",
}

// compared are the keywords that have a rule of their own.
var compared = []string{"type", "enum", "const", "properties", "required", "additionalProperties", "items", "uniqueItems"}

// atLeast and atMost are the bounds: a reader may only have one that the writer has too, and as tight or tighter.
var (
	atLeast = []string{"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
	atMost  = []string{"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
)

func (c *comparison) schemas(path string, reader, writer any) error {
	reader, readerRef := resolve(c.readerRoot, reader)
	writer, writerRef := resolve(c.writerRoot, writer)
	if strings.Count(path, "/") > maxDepth {
		return incompatibility(path, "nested too deeply to compare")
	}
	if readerRef != "" && writerRef != "" {
		pair := [2]string{readerRef, writerRef}
		if c.seen[pair] {
			return nil
		}
		c.seen[pair] = true
	}
	if writer == false || reader == true {
		return nil
	}
	r, ok := reader.(object)
	if !ok {
		return incompatibility(path, "nothing is accepted any more")
	}
	w, ok := writer.(object)
	if !ok {
		w = object{}
	}
	for _, rule := range []func(string, object, object) error{c.types, c.values, c.bounds, c.objects, c.arrays, c.others} {
		if err := rule(path, r, w); err != nil {
			return err
		}
	}
	return nil
}

// resolve follows local references; what cannot be found is left as it is and compared as an unknown keyword.
func resolve(root, schema any) (resolved any, ref string) {
	for range 32 {
		o, ok := schema.(object)
		if !ok {
			return schema, ref
		}
		next, ok := o["$ref"].(string)
		if !ok {
			return schema, ref
		}
		target, ok := lookUp(root, next)
		if !ok {
			return schema, ref
		}
		schema, ref = target, next
	}
	return schema, ref
}

func lookUp(root any, ref string) (any, bool) {
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok || (pointer != "" && pointer[0] != '/') {
		return nil, false
	}
	at := root
	for _, part := range strings.Split(pointer, "/")[min(1, len(pointer)):] {
		o, ok := at.(object)
		if !ok {
			return nil, false
		}
		if at, ok = o[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]; !ok {
			return nil, false
		}
	}
	return at, true
}

func (c *comparison) types(path string, r, w object) error {
	readers, writers := typesOf(r), typesOf(w)
	for _, t := range writers {
		if slices.Contains(readers, t) || (t == "integer" && slices.Contains(readers, "number")) {
			continue
		}
		return incompatibility(path, "type %s is not accepted any more", t)
	}
	return nil
}

// typesOf lists the types that a schema lets through, by its values when it names no types.
func typesOf(s object) []string {
	switch t := s["type"].(type) {
	case string:
		return []string{t}
	case []any:
		out := make([]string, 0, len(t))
		for _, one := range t {
			out = append(out, fmt.Sprint(one))
		}
		return out
	}
	if values, ok := valuesOf(s); ok {
		var out []string
		for _, v := range values {
			out = append(out, typeOf(v))
		}
		return out
	}
	return []string{"null", "boolean", "number", "string", "array", "object"}
}

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case json.Number:
		if n, ok := new(big.Rat).SetString(v.String()); ok && n.IsInt() {
			return "integer"
		}
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

func (c *comparison) values(path string, r, w object) error {
	accepted, limited := valuesOf(r)
	if !limited {
		return nil
	}
	written, ok := valuesOf(w)
	if !ok {
		return incompatibility(path, "values are limited to an enumeration that the other schema does not have")
	}
	for _, v := range written {
		if !slices.ContainsFunc(accepted, func(a any) bool { return reflect.DeepEqual(a, v) }) {
			text, _ := json.Marshal(v)
			return incompatibility(path, "value %s is not accepted any more", text)
		}
	}
	return nil
}

func valuesOf(s object) ([]any, bool) {
	if v, ok := s["const"]; ok {
		return []any{v}, true
	}
	values, ok := s["enum"].([]any)
	return values, ok
}

func (c *comparison) bounds(path string, r, w object) error {
	for i, keywords := range [][]string{atLeast, atMost} {
		sign := 1 - 2*i
		for _, k := range keywords {
			bound, ok := number(r[k])
			if !ok {
				continue
			}
			other, ok := number(w[k])
			if !ok || sign*bound.Cmp(other) > 0 {
				return incompatibility(path, "%s %v is tighter than in the other schema", k, r[k])
			}
		}
	}
	return nil
}

func number(v any) (*big.Rat, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return nil, false
	}
	return new(big.Rat).SetString(n.String())
}

func (c *comparison) objects(path string, r, w object) error {
	if !slices.Contains(typesOf(w), "object") {
		return nil
	}
	required := names(w["required"])
	for _, name := range names(r["required"]) {
		if !slices.Contains(required, name) {
			return incompatibility(path, "property %q is required here and may be missing there", name)
		}
	}
	readers, writers := asObject(r["properties"]), asObject(w["properties"])
	for _, name := range union(readers, writers) {
		at := path + "/properties/" + name
		reader, described := readers[name]
		if !described {
			reader = additional(r)
		}
		writer, known := writers[name]
		if !known {
			writer = additional(w)
		}
		if err := c.property(at, name, reader, writer, described, known); err != nil {
			return err
		}
	}
	return c.schemas(path+"/additionalProperties", additional(r), additional(w))
}

func (c *comparison) property(at, name string, reader, writer any, described, known bool) error {
	err := c.schemas(at, reader, writer)
	switch {
	case err == nil:
		return nil
	case !described:
		return incompatibility(at, "property %q is not described here, and additional properties are limited", name)
	case !known:
		return incompatibility(at, "property %q is described here, and may be anything there", name)
	}
	return err
}

// additional is the schema of properties that are not named. Pattern properties are left to others, which wants them equal.
func additional(s object) any {
	if a, ok := s["additionalProperties"]; ok {
		return a
	}
	return true
}

func (c *comparison) arrays(path string, r, w object) error {
	if !slices.Contains(typesOf(w), "array") {
		return nil
	}
	if r["uniqueItems"] == true && w["uniqueItems"] != true {
		return incompatibility(path, "items must be unique")
	}
	items, ok := r["items"]
	if !ok {
		return nil
	}
	others, ok := w["items"]
	if !ok {
		others = true
	}
	if _, tuple := items.([]any); tuple {
		return sameKeyword(path, "items", items, others)
	}
	if _, tuple := others.([]any); tuple {
		return sameKeyword(path, "items", items, others)
	}
	return c.schemas(path+"/items", items, others)
}

func (c *comparison) others(path string, r, w object) error {
	for _, k := range sortedKeys(r) {
		if slices.Contains(annotations, k) || slices.Contains(compared, k) || slices.Contains(atLeast, k) || slices.Contains(atMost, k) {
			continue
		}
		if err := sameKeyword(path, k, r[k], w[k]); err != nil {
			return err
		}
	}
	return nil
}

func sameKeyword(path, keyword string, reader, writer any) error {
	if reflect.DeepEqual(reader, writer) {
		return nil
	}
	return incompatibility(path, "%s differs", keyword)
}

func incompatibility(path, format string, args ...any) error {
	return fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...))
}

func names(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, one := range list {
		if name, ok := one.(string); ok {
			out = append(out, name)
		}
	}
	return out
}

func asObject(v any) object {
	o, _ := v.(object)
	return o
}

func union(a, b object) []string {
	keys := append(sortedKeys(a), sortedKeys(b)...)
	slices.Sort(keys)
	return slices.Compact(keys)
}

func sortedKeys(o object) []string {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
