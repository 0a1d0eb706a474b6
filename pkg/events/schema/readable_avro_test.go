package schema_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/twmb/avro"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/events/schema"
)

// object is a JSON object that is being made.
type object = map[string]any

func jsonText(t interface{ Fatal(args ...any) }, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAvroThatIsReadableCanBeRead: of a schema and a change of it, what is said to be readable is decoded, and what is
// not is refused by the decoder too.
func TestAvroThatIsReadableCanBeRead(t *testing.T) {
	counts := map[bool]int{}
	rapid.Check(t, func(rt *rapid.T) {
		g := &avroGenerator{t: rt}
		written := g.record(2)
		read := g.change(written)
		writerText, readerText := jsonText(rt, written), jsonText(rt, read)
		writer := parse(t, schema.Avro, writerText)
		reader, err := schema.Parse(schema.Definition{Type: schema.Avro, Text: readerText})
		if err != nil {
			rt.Skip("the change is no schema")
		}
		violations := schema.Unreadable(reader, writer)
		resolved, err := avro.Resolve(avro.MustParse(writerText), avro.MustParse(readerText))
		if (len(violations) == 0) != (err == nil) {
			rt.Fatalf("violations %v, and the decoder says %v\nwritten by %s\nread by    %s", violations, err, writerText, readerText)
		}
		counts[len(violations) == 0]++
		value := jsonText(rt, g.value(written))
		encoded, err := writer.Encode([]byte(value))
		if err != nil {
			rt.Fatalf("%s by %s: %v", value, writerText, err)
		}
		decoded, err := writer.Decode(encoded)
		if err != nil {
			rt.Fatalf("%s by %s: %v", value, writerText, err)
		}
		encodedAgain, err := writer.Encode(decoded)
		if err != nil {
			rt.Fatalf("%s comes back as %s: %v\nby %s", value, decoded, err, writerText)
		}
		if again, err := writer.Decode(encodedAgain); err != nil || string(again) != string(decoded) {
			rt.Fatalf("%s comes back as %s, then as %s, %v\nby %s", value, decoded, again, err, writerText)
		}
		if resolved != nil {
			if _, err := resolved.Decode(encoded, new(any)); err != nil {
				rt.Fatalf("%s is readable and not decoded: %v\nwritten by %s\nread by    %s", value, err, writerText, readerText)
			}
		}
	})
	if counts[true] == 0 || counts[false] == 0 {
		t.Errorf("the generator gives only one verdict: %v", counts)
	}
}

// avroGenerator makes schemas, changes of them, and values that fit them.
type avroGenerator struct {
	t     *rapid.T
	names int
}

func (g *avroGenerator) pick(label string, n int) int { return rapid.IntRange(0, n-1).Draw(g.t, label) }

func (g *avroGenerator) name(kind string) string {
	g.names++
	return fmt.Sprintf("%s%d", kind, g.names)
}

func (g *avroGenerator) record(depth int) object {
	fields := []any{}
	for i := range g.pick("fields", 4) {
		fields = append(fields, g.field(fmt.Sprintf("f%d", i), depth))
	}
	return object{"type": "record", "name": g.name("R"), "fields": fields}
}

func (g *avroGenerator) field(name string, depth int) object {
	f := object{"name": name, "type": g.schema(depth)}
	if kind, ok := f["type"].(string); ok && g.pick("default", 2) == 0 {
		f["default"] = map[string]any{"null": nil, "boolean": true, "int": 1, "long": 1, "float": 0.5, "double": 0.5, "string": "s", "bytes": "b"}[kind]
	}
	return nullable(f)
}

// nullable gives a field that takes null first its default: the decoder takes it for granted, and Java does not.
func nullable(f object) object {
	if branches, ok := f["type"].([]any); ok && len(branches) > 0 && branches[0] == "null" {
		f["default"] = nil
	}
	return f
}

var avroPrimitives = []string{"null", "boolean", "int", "long", "float", "double", "string", "bytes"}

func (g *avroGenerator) schema(depth int) any {
	if depth == 0 || g.pick("nested", 2) == 0 {
		return avroPrimitives[g.pick("primitive", len(avroPrimitives))]
	}
	switch g.pick("kind", 6) {
	case 0:
		return g.record(depth - 1)
	case 1:
		return object{"type": "array", "items": g.schema(depth - 1)}
	case 2:
		return object{"type": "map", "values": g.schema(depth - 1)}
	case 3:
		return object{"type": "enum", "name": g.name("E"), "symbols": []any{"A", "B", "C"}[:1+g.pick("symbols", 3)]}
	case 4:
		return object{"type": "fixed", "name": g.name("F"), "size": 1 + g.pick("size", 3)}
	}
	branches := []any{"null"}
	for _, primitive := range []string{"int", "string", "double"} {
		if g.pick("branch", 2) == 0 {
			branches = append(branches, primitive)
		}
	}
	if g.pick("branch", 2) == 0 {
		branches = append(branches, g.record(depth-1))
	}
	return branches
}

// change makes another schema of one, often one that reads what it wrote.
func (g *avroGenerator) change(s any) any {
	switch s := s.(type) {
	case string:
		return g.changePrimitive(s)
	case []any:
		return g.changeUnion(s)
	}
	out := object{}
	for k, v := range s.(object) {
		out[k] = v
	}
	switch out["type"] {
	case "record":
		out["fields"] = g.changeFields(out["fields"].([]any))
	case "array":
		out["items"] = g.change(out["items"])
	case "map":
		out["values"] = g.change(out["values"])
	case "enum":
		if g.pick("change enum", 3) == 0 {
			out["symbols"] = []any{"A", "B", "C", "D"}[:1+g.pick("symbols", 4)]
		}
		if g.pick("enum default", 3) == 0 {
			out["default"] = "A"
		}
	case "fixed":
		if g.pick("change size", 4) == 0 {
			out["size"] = 1 + g.pick("size", 3)
		}
	}
	if g.pick("rename", 8) == 0 && out["name"] != nil {
		if g.pick("alias", 2) == 0 {
			out["aliases"] = []any{out["name"]}
		}
		out["name"] = g.name("N")
	}
	if g.pick("wrap", 6) == 0 {
		return []any{"null", out}
	}
	return out
}

func (g *avroGenerator) changePrimitive(s string) any {
	switch g.pick("change primitive", 8) {
	case 0:
		return avroPrimitives[g.pick("primitive", len(avroPrimitives))]
	case 1:
		if s != "null" {
			return []any{"null", s}
		}
	case 2:
		return map[string]string{"int": "long", "long": "double", "float": "double", "string": "bytes", "bytes": "string", "boolean": "boolean", "double": "double", "null": "null"}[s]
	}
	return s
}

func (g *avroGenerator) changeUnion(s []any) any {
	out := append([]any{}, s...)
	for i := range out {
		if record, ok := out[i].(object); ok {
			if changed, ok := g.change(record).(object); ok {
				out[i] = changed
			}
		}
	}
	switch g.pick("change union", 4) {
	case 0:
		out = append(out, "boolean")
	case 1:
		out = out[:len(out)-1]
	case 2:
		out[0], out[len(out)-1] = out[len(out)-1], out[0]
	}
	return out
}

func (g *avroGenerator) changeFields(fields []any) []any {
	var out []any
	for _, f := range fields {
		if g.pick("drop", 6) == 0 {
			continue
		}
		changed := object{}
		for k, v := range f.(object) {
			changed[k] = v
		}
		before := changed["type"]
		if changed["type"] = g.change(before); jsonText(g.t, before) != jsonText(g.t, changed["type"]) {
			delete(changed, "default")
		}
		if g.pick("rename field", 6) == 0 {
			changed["aliases"] = []any{changed["name"]}
			changed["name"] = changed["name"].(string) + "x"
		}
		out = append(out, nullable(changed))
	}
	if g.pick("add", 3) == 0 {
		out = append(out, g.field("added", 1))
	}
	if out == nil {
		out = []any{}
	}
	return out
}

// value makes a plain JSON value that fits a schema.
func (g *avroGenerator) value(s any) any {
	switch s := s.(type) {
	case string:
		return g.primitive(s)
	case []any:
		return g.value(s[g.pick("branch", len(s))])
	}
	o := s.(object)
	switch o["type"] {
	case "record":
		out := object{}
		for _, f := range o["fields"].([]any) {
			field := f.(object)
			if _, optional := field["default"]; optional && g.pick("leave out", 2) == 0 {
				continue
			}
			out[field["name"].(string)] = g.value(field["type"])
		}
		return out
	case "array":
		out := []any{}
		for range g.pick("items", 3) {
			out = append(out, g.value(o["items"]))
		}
		return out
	case "map":
		out := object{}
		for i := range g.pick("members", 3) {
			out[fmt.Sprint("k", i)] = g.value(o["values"])
		}
		return out
	case "enum":
		symbols := o["symbols"].([]any)
		return symbols[g.pick("symbol", len(symbols))]
	}
	return g.text(o["size"].(int))
}

func (g *avroGenerator) text(n int) string {
	return string(rapid.SliceOfN(rapid.RuneFrom([]rune("aé\u0000ÿ")), n, n).Draw(g.t, "text"))
}

func (g *avroGenerator) primitive(s string) any {
	switch s {
	case "boolean":
		return rapid.Bool().Draw(g.t, "boolean")
	case "int":
		return rapid.Int32().Draw(g.t, "int")
	case "long":
		return rapid.Int64().Draw(g.t, "long")
	case "float", "double":
		return rapid.Float32Range(-1e30, 1e30).Draw(g.t, "number")
	case "string", "bytes":
		return g.text(g.pick("length", 4))
	}
	return nil
}
