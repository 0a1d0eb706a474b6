package schema_test

import (
	"strings"
	"testing"

	"github.com/suokelife/suokectl/pkg/events/schema"
)

// TestBundleSaysTheSame: a bundle needs no imports, and reads what the definition reads.
func TestBundleSaysTheSame(t *testing.T) {
	const id2020 = `"$schema":"https://json-schema.org/draft/2020-12/schema",`
	for name, d := range map[string]schema.Definition{
		"Avro": {Type: schema.Avro, Text: `{"type":"record","name":"Order","namespace":"p","fields":[{"name":"a","type":"Money"},{"name":"b","type":["null","p.Money"]},{"name":"c","type":{"type":"array","items":"Plain"}}]}`,
			Imports: []schema.Import{
				{Name: "p.Unit", Text: `{"type":"enum","name":"Unit","namespace":"p","symbols":["EUR"]}`},
				{Name: "p.Money", Text: `{"type":"record","name":"Money","namespace":"p","fields":[{"name":"unit","type":"Unit"},{"name":"n","type":"double"}]}`},
				{Name: "Plain", Text: `{"type":"fixed","name":"Plain","size":2}`},
			}},
		"JSON": {Type: schema.JSON, Text: `{"properties":{"a":{"$ref":"money.json"},"b":{"$ref":"unit.json#/definitions/u"}}}`,
			Imports: []schema.Import{
				{Name: "unit.json", Text: `{"definitions":{"u":{"enum":["EUR"]}}}`},
				{Name: "money.json", Text: `{"properties":{"unit":{"$ref":"unit.json#/definitions/u"}}}`},
			}},
		"JSON, draft 2020-12": {Type: schema.JSON, Text: `{` + id2020 + `"$id":"http://x.example/order.json","properties":{"a":{"$ref":"money.json"}}}`,
			Imports: []schema.Import{{Name: "http://x.example/money.json", Text: `{` + id2020 + `"type":"number"}`}}},
	} {
		text, err := d.Bundle()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		whole, parts := parse(t, d.Type, text), parse(t, d.Type, d.Text, d.Imports...)
		if v := append(schema.Unreadable(whole, parts), schema.Unreadable(parts, whole)...); len(v) > 0 {
			t.Errorf("%s: %v\n%s", name, v, text)
		}
	}
	proto := schema.Definition{Type: schema.Protobuf, Text: `syntax = "proto3"; import "a.proto"; message M { A a = 1; }`, Imports: []schema.Import{{Name: "a.proto", Text: `syntax = "proto3"; message A {}`}}}
	text, err := proto.Bundle()
	if err != nil || !strings.HasPrefix(text, "// file: a.proto\nsyntax") || !strings.Contains(text, "message M") {
		t.Errorf("Protobuf: %v\n%s", err, text)
	}
	if _, err := (schema.Definition{Type: schema.Avro, Text: `{`, Imports: proto.Imports}).Bundle(); err == nil {
		t.Error("what is no JSON is bundled")
	}
}

func TestDiff(t *testing.T) {
	for _, c := range []struct {
		kind          schema.Type
		before, after string
		want          string
	}{
		{schema.Avro, avroUser, avroUserTwo, `added age "int = 0"`},
		{schema.Avro, `{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"n","type":"int"}]}}}]}`,
			`{"type":"record","name":"R","doc":"d","fields":[{"name":"a","type":{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"n","type":"long"}]}}}]}`, `changed a[].n "int" "long"`},
		{schema.Avro, `{"type":"enum","name":"E","symbols":["A"]}`, `{"symbols":["A","B"],"name":"E","type":"enum","default":"A"}`, `changed $ "enum E (A)" "enum E (A, B) = A"`},
		{schema.JSON, `{"type":"object","required":["a"],"properties":{"a":{"type":"string"}}}`, `{"properties":{"a":{"type":"integer"}},"type":"object"}`,
			`changed #/properties/a/type "\"string\"" "\"integer\""; removed #/required "[\"a\"]"`},
		{schema.Protobuf, `syntax = "proto3"; package p; message M { int32 a = 1; } enum E { X = 0; }`, `syntax = "proto3"; package p; message M { repeated int64 a = 1; oneof o { string b = 2; } }`,
			`removed E "enum"; removed E.X "= 0"; changed M.a "int32 = 1" "repeated int64 = 1"; added M.b "string = 2 in oneof o"`},
	} {
		var got []string
		for _, change := range schema.Diff(parse(t, c.kind, c.before), parse(t, c.kind, c.after)) {
			text := change.Kind + " " + change.Path
			for _, side := range []string{change.Before, change.After} {
				if side != "" {
					text += " " + quote(side)
				}
			}
			got = append(got, text)
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("changed is\n%s, want\n%s", text, c.want)
		}
	}
	if got := schema.Diff(parse(t, schema.Avro, avroUser), parse(t, schema.JSON, jsonUser)); len(got) != 1 || got[0].Path != "$" {
		t.Errorf("two types: %v", got)
	}
}

func quote(text string) string { return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"` }
