package registry

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"pgregory.net/rapid"
)

// someSchema draws schemas small enough that two of them are often comparable.
func someSchema(t *rapid.T, depth int) any {
	kinds := 6
	if depth > 0 {
		kinds = 9
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return rapid.Bool().Draw(t, "boolean schema")
	case 1:
		return object{"type": rapid.SampledFrom([]any{"string", "integer", "number", "null", []any{"string", "null"}, []any{"integer", "object"}}).Draw(t, "type")}
	case 2:
		return object{"enum": rapid.SliceOfNDistinct(rapid.SampledFrom([]any{"a", "b", json.Number("1"), nil}), 1, 3, func(v any) string { return typeOf(v) + string(mustJSON(v)) }).Draw(t, "enum")}
	case 3:
		return object{"type": "integer", "minimum": json.Number(rapid.SampledFrom([]string{"0", "1", "2"}).Draw(t, "minimum"))}
	case 4:
		return object{"type": "string", rapid.SampledFrom([]string{"minLength", "maxLength"}).Draw(t, "bound"): json.Number("1")}
	case 5:
		return object{"const": json.Number("1")}
	case 6:
		return object{"type": "array", "items": someSchema(t, depth-1)}
	case 7:
		return object{"anyOf": []any{someSchema(t, depth-1), someSchema(t, depth-1)}}
	}
	return someObject(t, depth)
}

func someObject(t *rapid.T, depth int) object {
	o := object{}
	properties := object{}
	for _, name := range []string{"x", "y"} {
		if rapid.Bool().Draw(t, "has "+name) {
			properties[name] = someSchema(t, depth-1)
		}
	}
	o["properties"] = properties
	if rapid.Bool().Draw(t, "typed") {
		o["type"] = "object"
	}
	o["required"] = []any{}
	for _, name := range []string{"x", "z"} {
		if rapid.Bool().Draw(t, "requires "+name) {
			o["required"] = append(o["required"].([]any), name)
		}
	}
	if rapid.Bool().Draw(t, "limited") {
		o["additionalProperties"] = someSchema(t, 0)
	}
	return o
}

// changed is the schema with one or two of its keywords exchanged for those of another.
func changed(t *rapid.T, o object) object {
	out, other := object{}, someObject(t, 1)
	for _, k := range union(o, other) {
		from := o
		if rapid.IntRange(0, 3).Draw(t, "exchange "+k) == 0 {
			from = other
		}
		if v, ok := from[k]; ok {
			out[k] = v
		}
	}
	return out
}

func someInstance(t *rapid.T, depth int) any {
	switch rapid.IntRange(0, 5+6*min(depth, 1)).Draw(t, "instance") {
	case 0:
		return nil
	case 1, 2:
		return json.Number(rapid.SampledFrom([]string{"0", "1", "2", "-1", "1.5"}).Draw(t, "number"))
	case 3, 4:
		return rapid.SampledFrom([]string{"", "a", "b", "ab"}).Draw(t, "string")
	case 5:
		return rapid.Bool().Draw(t, "boolean")
	case 6:
		out := []any{}
		for range rapid.IntRange(0, 2).Draw(t, "length") {
			out = append(out, someInstance(t, depth-1))
		}
		return out
	}
	out := object{}
	for _, name := range []string{"x", "y", "z"} {
		if rapid.Bool().Draw(t, "with "+name) {
			out[name] = someInstance(t, depth-1)
		}
	}
	return out
}

func mustJSON(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}

func compiled(t *rapid.T, schema any) *jsonschema.Schema {
	s, err := jsonschema.CompileString("schema.json", string(mustJSON(schema)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCompatibleIsTrue: where subsumes sees nothing wrong, an independent validator accepts with the reader whatever it
// accepts with the writer.
func TestCompatibleIsTrue(t *testing.T) {
	compatible := 0
	rapid.Check(t, func(t *rapid.T) {
		reader, writer := someSchema(t, 2), someSchema(t, 2)
		if rapid.IntRange(0, 3).Draw(t, "changed") > 0 {
			writer = someObject(t, 2)
			reader = changed(t, writer.(object))
		}
		err := subsumes(reader, writer)
		if err != nil {
			if reader, writer := mustJSON(reader), mustJSON(writer); string(reader) == string(writer) {
				t.Fatalf("%s does not accept itself: %v", reader, err)
			}
			return
		}
		compatible++
		r, w := compiled(t, reader), compiled(t, writer)
		for range 60 {
			instance := someInstance(t, 2)
			if w.Validate(instance) == nil && r.Validate(instance) != nil {
				t.Fatalf("%s is called compatible with %s, and refuses %s", mustJSON(reader), mustJSON(writer), mustJSON(instance))
			}
		}
	})
	if compatible == 0 {
		t.Fatal("no pair was compatible: the test says nothing")
	}
}

func TestRecursiveSchemasAreCompared(t *testing.T) {
	tree := func(value string) any {
		v, err := decodeJSON(`{"$ref":"#/definitions/T","definitions":{"T":{"type":"object","properties":{"value":` + value + `,"next":{"$ref":"#/definitions/T"}}}}}`)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if err := subsumes(tree(`{"type":"number"}`), tree(`{"type":"integer"}`)); err != nil {
		t.Error(err)
	}
	if err := subsumes(tree(`{"type":"integer"}`), tree(`{"type":"number"}`)); err == nil || !strings.Contains(err.Error(), "/properties/value") {
		t.Errorf("error %v", err)
	}
	endless, _ := decodeJSON(`{"properties":{"next":{"$ref":"#"}}}`)
	if err := subsumes(endless, true); err == nil {
		t.Error("a schema that limits nothing was thought through to its end")
	}
}

// TestSubsumes has a row for each rule, compatible one way only.
func TestSubsumes(t *testing.T) {
	for name, c := range map[string]struct{ wide, narrow string }{
		"anything":               {`true`, `{"type":"object"}`},
		"nothing":                {`{"type":"string"}`, `false`},
		"type":                   {`{"type":["string","null"]}`, `{"type":"string"}`},
		"integer is a number":    {`{"type":"number"}`, `{"type":"integer"}`},
		"enum":                   {`{"enum":["a","b"]}`, `{"enum":["b"]}`},
		"const":                  {`{"enum":["a","b"]}`, `{"const":"a"}`},
		"minimum":                {`{"type":"integer","minimum":1}`, `{"type":"integer","minimum":1.5}`},
		"maxLength":              {`{"type":"string","maxLength":9}`, `{"type":"string","maxLength":8}`},
		"required":               {`{"required":["a"]}`, `{"required":["a","b"]}`},
		"property":               {`{"properties":{"a":{"type":"number"}}}`, `{"properties":{"a":{"type":"integer"}}}`},
		"property described":     {`{}`, `{"properties":{"a":{"type":"integer"}}}`},
		"closed":                 {`{"properties":{"a":true}}`, `{"properties":{"a":true},"additionalProperties":false}`},
		"property of closed":     {`{"properties":{"a":true,"b":true},"additionalProperties":false}`, `{"properties":{"a":true},"additionalProperties":false}`},
		"additional":             {`{"additionalProperties":{"type":"number"}}`, `{"additionalProperties":{"type":"integer"}}`},
		"items":                  {`{"type":"array","items":{"type":"number"}}`, `{"type":"array","items":{"type":"integer"}}`},
		"unique":                 {`{"type":"array"}`, `{"type":"array","uniqueItems":true}`},
		"tuple":                  {`{"type":"array"}`, `{"type":"array","items":[{"type":"integer"}]}`},
		"pattern":                {`{"type":"string"}`, `{"type":"string","pattern":"^a"}`},
		"what is not understood": {`{"type":"string"}`, `{"type":"string","anyOf":[{"maxLength":1}]}`},
		"reference":              {`{"$ref":"#/definitions/a","definitions":{"a":{"type":"number"}}}`, `{"type":"integer"}`},
	} {
		wide, err1 := decodeJSON(c.wide)
		narrow, err2 := decodeJSON(c.narrow)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if err := subsumes(wide, narrow); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if subsumes(narrow, wide) == nil {
			t.Errorf("%s: %s is called a reader of %s", name, c.narrow, c.wide)
		}
	}
}
