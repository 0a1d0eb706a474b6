package schema_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/events/schema"
)

// TestProtobufThatIsReadableCanBeRead: of a schema and a change of it, what is said to be readable is decoded, and
// fields that both have alike keep their values. Bytes are valid UTF-8 here: registries let them be read as texts.
func TestProtobufThatIsReadableCanBeRead(t *testing.T) {
	counts := map[bool]int{}
	rapid.Check(t, func(rt *rapid.T) {
		g := &protoGenerator{t: rt}
		written := g.message(2)
		read := g.change(written)
		writer, reader := parse(t, schema.Protobuf, written.file()), parse(t, schema.Protobuf, read.file())
		violations := schema.Unreadable(reader, writer)
		counts[len(violations) == 0]++
		value := jsonText(rt, g.value(written))
		encoded, err := writer.Encode([]byte(value))
		if err != nil {
			rt.Fatalf("%s: %v\nby %s", value, err, written.file())
		}
		own, err := writer.Decode(encoded)
		if err != nil {
			rt.Fatalf("%s: %v\nby %s", value, err, written.file())
		}
		if again, err := writer.Encode(own); err != nil || string(again) != string(encoded) {
			rt.Fatalf("%s comes back as %s, %v\nby %s", value, own, err, written.file())
		}
		if len(violations) > 0 {
			return
		}
		decoded, err := reader.Decode(encoded)
		if err != nil {
			rt.Fatalf("%s is readable and not decoded: %v\nwritten by %s\nread by    %s", value, err, written.file(), read.file())
		}
		sameWhereAlike(rt, written, read, own, decoded)
	})
	if counts[true] == 0 || counts[false] == 0 {
		t.Errorf("the generator gives only one verdict: %v", counts)
	}
}

// sameWhereAlike compares the values of fields that were not changed. Enumerations and messages can be without it.
func sameWhereAlike(t *rapid.T, written, read protoMessage, own, decoded []byte) {
	var was, is map[string]json.RawMessage
	if json.Unmarshal(own, &was) != nil || json.Unmarshal(decoded, &is) != nil {
		t.Fatalf("not JSON: %s, %s", own, decoded)
	}
	alike := map[protoField]bool{}
	for _, f := range written.fields {
		alike[f] = true
	}
	for _, f := range read.fields {
		if alike[f] && f.oneof == "" && f.kind != "N" && f.kind != "E" && string(was[f.name]) != string(is[f.name]) {
			t.Fatalf("%s was %s and is read as %s\nwritten by %s\nread by    %s", f.name, was[f.name], is[f.name], written.file(), read.file())
		}
	}
}

type protoField struct {
	label, kind, name, oneof string
	number                   int
}

func (f protoField) String() string {
	return fmt.Sprintf("%s %s %s = %d;", f.label, f.kind, f.name, f.number)
}

// protoMessage is the message M, and N that its fields may be of.
type protoMessage struct {
	fields []protoField
	nested *protoMessage
	values int // of enum E
}

func (m protoMessage) file() string {
	return `syntax = "proto3"; package p; ` + m.text("M") + ` enum E { E0 = 0; ` + enumValues(m.values) + `}`
}

func enumValues(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "E%d = %d; ", i+1, i+1)
	}
	return b.String()
}

func (m protoMessage) text(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "message %s { ", name)
	for _, oneof := range []string{"", "o", "p"} {
		var fields []string
		for _, f := range m.fields {
			if f.oneof == oneof {
				fields = append(fields, f.String())
			}
		}
		text := strings.Join(fields, " ")
		if oneof != "" && text != "" {
			text = "oneof " + oneof + " { " + text + " }"
		}
		b.WriteString(text + " ")
	}
	if m.nested != nil {
		b.WriteString(m.nested.text("N"))
	}
	return b.String() + " }"
}

type protoGenerator struct{ t *rapid.T }

func (g *protoGenerator) pick(label string, n int) int {
	return rapid.IntRange(0, n-1).Draw(g.t, label)
}

func (g *protoGenerator) message(depth int) protoMessage {
	m := protoMessage{values: g.pick("values", 3)}
	if depth > 1 {
		nested := g.message(depth - 1)
		m.nested = &nested
	}
	for i := range g.pick("fields", 5) {
		m.fields = append(m.fields, g.field(i+1, m.nested != nil))
	}
	return m
}

var protoKinds = []string{
	"int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64", "bool", "float", "double",
	"string", "bytes", "E", "map<string, int32>", "map<int32, string>", "N",
}

func (g *protoGenerator) kind(nested bool) string {
	kind := protoKinds[g.pick("kind", len(protoKinds))]
	if kind == "N" && !nested {
		return "string"
	}
	return kind
}

func (g *protoGenerator) field(number int, nested bool) protoField {
	f := protoField{name: fmt.Sprintf("f%d", number), number: number, kind: g.kind(nested)}
	switch {
	case strings.HasPrefix(f.kind, "map"):
	case g.pick("oneof", 4) == 0:
		f.oneof = []string{"o", "p"}[g.pick("which", 2)]
	default:
		f.label = []string{"", "optional", "repeated"}[g.pick("label", 3)]
	}
	return f
}

// change makes another message of one, often one that reads what it wrote.
func (g *protoGenerator) change(m protoMessage) protoMessage {
	out := protoMessage{values: m.values, nested: m.nested}
	if g.pick("values change", 3) == 0 {
		out.values = g.pick("values", 4)
	}
	if m.nested != nil {
		nested := g.change(*m.nested)
		out.nested = &nested
	}
	for _, f := range m.fields {
		switch g.pick("change", 12) {
		case 0:
			continue
		case 1:
			f.name += "x"
		case 2:
			f.kind = g.kind(m.nested != nil)
			if strings.HasPrefix(f.kind, "map") {
				f.label, f.oneof = "", ""
			}
		case 3:
			if !strings.HasPrefix(f.kind, "map") {
				f.oneof, f.label = "", []string{"", "optional", "repeated"}[g.pick("label", 3)]
			}
		case 4:
			if !strings.HasPrefix(f.kind, "map") {
				f.oneof, f.label = "o", ""
			}
		case 5:
			f.kind = widened(f.kind)
		}
		out.fields = append(out.fields, f)
	}
	if g.pick("add", 3) == 0 {
		out.fields = append(out.fields, g.field(9, m.nested != nil))
	}
	return out
}

func widened(kind string) string {
	if wider, ok := map[string]string{"int32": "int64", "uint32": "uint64", "sint32": "sint64", "string": "bytes", "bytes": "string", "bool": "int32", "E": "int32"}[kind]; ok {
		return wider
	}
	return kind
}

// value makes a JSON object that fits a message.
func (g *protoGenerator) value(m protoMessage) any {
	out := object{}
	set := map[string]bool{}
	for _, f := range m.fields {
		if g.pick("there", 4) == 0 || f.oneof != "" && set[f.oneof] {
			continue
		}
		set[f.oneof] = true
		if f.label != "repeated" {
			out[f.name] = g.single(m, f.kind)
			continue
		}
		items := []any{}
		for range g.pick("items", 3) {
			items = append(items, g.single(m, f.kind))
		}
		out[f.name] = items
	}
	return out
}

func (g *protoGenerator) single(m protoMessage, kind string) any {
	switch kind {
	case "int32", "sint32", "sfixed32":
		return rapid.Int32().Draw(g.t, kind)
	case "int64", "sint64", "sfixed64":
		return rapid.Int64().Draw(g.t, kind)
	case "uint32", "fixed32":
		return rapid.Uint32().Draw(g.t, kind)
	case "uint64", "fixed64":
		return rapid.Uint64().Draw(g.t, kind)
	case "bool":
		return rapid.Bool().Draw(g.t, kind)
	case "float", "double":
		return float64(g.pick("number", 100)) / 4
	case "string":
		return rapid.StringN(0, 4, -1).Draw(g.t, kind)
	case "bytes":
		return "YcOp" // "aé"
	case "E":
		return g.pick("enum", m.values+1)
	case "map<string, int32>":
		return object{"k": g.pick("member", 9)}
	case "map<int32, string>":
		return object{"7": "v"}
	}
	return g.value(*m.nested)
}
