package schema_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/events/schema"
	"github.com/suokelife/suokectl/pkg/spec"
)

// TestJSONThatIsReadableIsValid: of a schema and a change of it, what is said to be readable is valid by the reader
// when it is by the writer. Defaults and sums that overlap are left out: there registries say more than is true.
func TestJSONThatIsReadableIsValid(t *testing.T) {
	counts := map[string]int{}
	names := spec.Default().Envelope
	rapid.Check(t, func(rt *rapid.T) {
		g := &jsonGenerator{t: rt}
		written := g.schema(3)
		read := g.change(written)
		if g.pick("unrelated", 8) == 0 {
			read = g.schema(3)
		}
		writerText, readerText := jsonText(rt, written), jsonText(rt, read)
		writer, reader := parse(t, schema.JSON, writerText), parse(t, schema.JSON, readerText)
		violations := schema.Unreadable(reader, writer)
		if same := schema.Unreadable(parse(t, schema.JSON, writerText), writer); len(same) > 0 {
			rt.Fatalf("%s does not read itself: %v", writerText, same)
		}
		counts[fmt.Sprintf("readable %t", len(violations) == 0)]++
		if len(violations) > 0 {
			return
		}
		for range 20 {
			value := []byte(jsonText(rt, g.value(written, read)))
			if len(writer.Problems(value, schema.ScopeEvent, names)) > 0 {
				continue
			}
			counts["values"]++
			if problems := reader.Problems(value, schema.ScopeEvent, names); len(problems) > 0 {
				rt.Fatalf("%s is readable and not valid: %v\nwritten by %s\nread by    %s", value, problems, writerText, readerText)
			}
		}
	})
	t.Log(counts)
	if counts["readable true"] == 0 || counts["readable false"] == 0 || counts["values"] == 0 {
		t.Errorf("the generator shows nothing: %v", counts)
	}
}

type jsonGenerator struct{ t *rapid.T }

func (g *jsonGenerator) pick(label string, n int) int { return rapid.IntRange(0, n-1).Draw(g.t, label) }
func (g *jsonGenerator) rarely(label string) bool     { return g.pick(label, 5) == 0 }

func (g *jsonGenerator) schema(depth int) any {
	kinds := 9
	if depth == 0 {
		kinds = 5
	}
	switch g.pick("kind", kinds) {
	case 0:
		return g.bounds(object{"type": "string"}, "minLength", "maxLength")
	case 1:
		return g.bounds(object{"type": []any{"integer", "number"}[g.pick("number", 2)]}, "minimum", "maximum", "exclusiveMaximum", "multipleOf")
	case 2:
		return object{"type": []any{"boolean", "null", []any{"string", "null"}, []any{"object", "array"}}[g.pick("type", 4)]}
	case 3:
		return object{"enum": []any{1, "a", nil, 2.5, "b"}[:1+g.pick("values", 5)]}
	case 4:
		return []any{object{}, true, object{"const": g.pick("const", 3)}, object{"type": "string", "enum": []any{"a", "b"}}}[g.pick("other", 4)]
	case 5:
		return object{"not": g.schema(depth - 1)}
	case 6:
		return g.array(depth)
	case 7:
		return g.combined(depth)
	}
	return g.object(depth)
}

func (g *jsonGenerator) bounds(o object, keywords ...string) object {
	for _, k := range keywords {
		if g.rarely(k) {
			o[k] = 1 + g.pick("bound", 3)
		}
	}
	return o
}

func (g *jsonGenerator) array(depth int) any {
	o := g.bounds(object{"type": "array"}, "minItems", "maxItems")
	switch g.pick("items", 3) {
	case 0:
		o["items"] = g.schema(depth - 1)
	case 1:
		items := []any{}
		for range 1 + g.pick("tuple", 2) {
			items = append(items, g.schema(depth-1))
		}
		o["items"] = items
		if more := g.pick("additional", 3); more == 0 {
			o["additionalItems"] = false
		} else if more == 1 {
			o["additionalItems"] = g.schema(depth - 1)
		}
	}
	if g.rarely("unique") {
		o["uniqueItems"] = true
	}
	if g.rarely("contains") {
		o["contains"] = g.schema(0)
	}
	return o
}

func (g *jsonGenerator) combined(depth int) any {
	if g.pick("disjoint", 3) == 0 {
		return object{"oneOf": []any{object{"type": "string"}, object{"type": "number"}, object{"type": "null"}}[:1+g.pick("branches", 3)]}
	}
	branches := []any{}
	for range 1 + g.pick("branches", 3) {
		branches = append(branches, g.schema(depth-1))
	}
	return object{[]string{"allOf", "anyOf"}[g.pick("criterion", 2)]: branches}
}

func (g *jsonGenerator) object(depth int) any {
	o := g.bounds(object{}, "minProperties", "maxProperties")
	if g.pick("typed", 4) > 0 {
		o["type"] = "object"
	}
	properties, required := object{}, []any{}
	for i := range g.pick("properties", 4) {
		name := []string{"a", "b", "x_c", "x_d"}[i]
		properties[name] = g.schema(depth - 1)
		if g.pick("required", 3) == 0 {
			required = append(required, name)
		}
	}
	o["properties"] = properties
	if len(required) > 0 {
		o["required"] = required
	}
	switch g.pick("additional", 4) {
	case 0:
		o["additionalProperties"] = false
	case 1:
		o["additionalProperties"] = g.schema(depth - 1)
	}
	if g.rarely("pattern") {
		o["patternProperties"] = object{"^x_": g.schema(depth - 1)}
	}
	if g.rarely("dependencies") && len(properties) > 0 {
		o["dependencies"] = object{"a": []any{"b"}}
	}
	return o
}

// change makes another schema of one: keywords go, come or change, and sometimes all stays.
func (g *jsonGenerator) change(s any) any {
	o, ok := s.(object)
	if !ok || g.pick("keep", 3) == 0 {
		return s
	}
	out := object{}
	for _, k := range keysOf(o) {
		if g.pick("drop "+k, 8) == 0 {
			continue
		}
		out[k] = g.changeKeyword(k, o[k])
	}
	if names, ok := out["required"].([]any); ok { // a required name that nobody describes is judged as registries do
		properties, _ := out["properties"].(object)
		kept := []any{}
		for _, name := range names {
			if _, described := properties[name.(string)]; described {
				kept = append(kept, name)
			}
		}
		if out["required"] = kept; len(kept) == 0 {
			delete(out, "required")
		}
	}
	return out
}

func keysOf(o object) []string {
	var keys []string
	for _, k := range []string{
		"type", "enum", "const", "not", "allOf", "anyOf", "oneOf", "minLength", "maxLength", "minimum", "maximum", "exclusiveMaximum", "multipleOf",
		"items", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains",
		"properties", "required", "additionalProperties", "patternProperties", "dependencies", "minProperties", "maxProperties",
	} {
		if _, ok := o[k]; ok {
			keys = append(keys, k)
		}
	}
	return keys
}

func (g *jsonGenerator) changeKeyword(keyword string, v any) any {
	switch v := v.(type) {
	case int:
		return max(v+g.pick("by", 3)-1, 1)
	case object:
		if keyword == "dependencies" {
			return v
		}
		if keyword != "properties" && keyword != "patternProperties" {
			return g.change(v)
		}
		out := object{}
		for name, member := range v {
			if g.pick("drop member", 6) > 0 {
				out[name] = g.change(member)
			}
		}
		if keyword == "properties" && g.rarely("add member") {
			out["b"] = g.schema(1)
		}
		return out
	case []any:
		return g.changeList(keyword, v)
	}
	return v
}

func (g *jsonGenerator) changeList(keyword string, list []any) any {
	if keyword == "type" || keyword == "oneOf" || keyword == "required" {
		if g.rarely("shorten") && len(list) > 1 {
			return list[:len(list)-1]
		}
		return list
	}
	out := []any{}
	for _, item := range list {
		out = append(out, g.change(item))
	}
	switch g.pick("list", 5) {
	case 0:
		if keyword == "enum" {
			return append(out, "z")
		}
		return append(out, g.schema(1))
	case 1:
		return out[:max(len(out)-1, 1)]
	}
	return out
}

// value makes a value that has a chance to fit one schema and to miss the other.
func (g *jsonGenerator) value(schemas ...any) any {
	o, ok := schemas[g.pick("guide", len(schemas))].(object)
	if !ok || g.pick("wild", 12) == 0 {
		return g.anything()
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
		if list, ok := o[keyword].([]any); ok {
			return g.value(list...)
		}
	}
	if values, ok := o["enum"].([]any); ok {
		return values[g.pick("value", len(values))]
	}
	if v, ok := o["const"]; ok {
		return v
	}
	kind := o["type"]
	if kinds, ok := kind.([]any); ok {
		kind = kinds[g.pick("type", len(kinds))]
	}
	switch {
	case kind == "array":
		return g.arrayValue(o)
	case kind == "object", o["properties"] != nil:
		return g.objectValue(o)
	case kind == "string":
		return "abcd"[:g.pick("length", 5)]
	case kind == "integer":
		return g.pick("integer", 7)
	case kind == "number":
		return float64(g.pick("number", 12)) / 2
	case kind == "boolean":
		return true
	case kind == "null":
		return nil
	}
	return g.anything()
}

func (g *jsonGenerator) anything() any {
	return []any{nil, true, 0, 1, 2.5, "", "a", "xyz", []any{}, []any{1, "a"}, object{}, object{"a": 1}, object{"x_c": "a", "b": nil}}[g.pick("anything", 13)]
}

func (g *jsonGenerator) arrayValue(o object) any {
	out := []any{}
	for i := range g.pick("length", 4) {
		guide := o["items"]
		if tuple, ok := guide.([]any); ok {
			if guide = o["additionalItems"]; i < len(tuple) {
				guide = tuple[i]
			}
		}
		out = append(out, g.value(guide))
	}
	return out
}

func (g *jsonGenerator) objectValue(o object) any {
	out := object{}
	properties, _ := o["properties"].(object)
	for _, name := range []string{"a", "b", "x_c", "x_d", "x_e"} {
		guide, described := properties[name]
		if !described {
			guide = o["additionalProperties"]
		}
		if described && g.pick("there", 4) > 0 || !described && g.rarely("more") {
			out[name] = g.value(guide)
		}
	}
	return out
}
