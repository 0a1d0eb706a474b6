package schema_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/suokelife/suokectl/pkg/events/schema"
)

func TestWhatIsNoSchema(t *testing.T) {
	deep := func(open, middle, shut string) string {
		return strings.Repeat(open, 1000) + middle + strings.Repeat(shut, 1000)
	}
	for name, d := range map[string]schema.Definition{
		"no type":              {Text: `"string"`},
		"no text":              {Type: schema.Avro, Text: " "},
		"Avro, unknown type":   {Type: schema.Avro, Text: `{"type":"strnig"}`},
		"Avro, deep":           {Type: schema.Avro, Text: deep(`{"type":"array","items":`, `"int"`, `}`)},
		"JSON, not JSON":       {Type: schema.JSON, Text: `{`},
		"JSON, wrong keyword":  {Type: schema.JSON, Text: `{"type":7}`},
		"JSON, reference":      {Type: schema.JSON, Text: `{"$ref":"other.json"}`},
		"JSON, deep":           {Type: schema.JSON, Text: deep(`{"items":`, `{}`, `}`)},
		"Protobuf, syntax":     {Type: schema.Protobuf, Text: `message {`},
		"Protobuf, no message": {Type: schema.Protobuf, Text: `syntax = "proto3"; enum E { A = 0; }`},
		"Protobuf, import":     {Type: schema.Protobuf, Text: `syntax = "proto3"; import "other.proto"; message M {}`},
		"Protobuf, itself":     {Type: schema.Protobuf, Text: `syntax = "proto3"; import "schema.proto"; message M {}`},
		"Protobuf, deep":       {Type: schema.Protobuf, Text: deep(`message M {`, ``, `}`)},
		"too large":            {Type: schema.Protobuf, Text: `message M {` + strings.Repeat(" ", 5<<20) + `}`},
	} {
		if _, err := schema.Parse(d); !errors.Is(err, schema.ErrInvalidSchema) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParse: whatever the text, it is parsed or refused; what is parsed can be compared with itself and fits itself.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{avroEvent, avroUser, jsonEvent, jsonUser, protoEvent, `"string"`, `["null","int"]`, `{"$ref":"#"}`,
		`{"oneOf":[{"$ref":"#/definitions/a"}],"definitions":{"a":{"not":{"$ref":"#"}}}}`, `{"type":"record","name":"L","fields":[{"name":"n","type":["null","L"]}]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range schema.Types() {
			p, err := schema.Parse(schema.Definition{Type: kind, Text: text})
			if err != nil {
				if !errors.Is(err, schema.ErrInvalidSchema) {
					t.Fatal(err)
				}
				continue
			}
			again := parse(t, kind, text)
			if violations := schema.Unreadable(again, p); len(violations) > 0 {
				t.Fatalf("%s %q cannot read itself: %v", kind, text, violations)
			}
			if changes := schema.Diff(p, again); len(changes) > 0 {
				t.Fatalf("%s %q differs from itself: %v", kind, text, changes)
			}
		}
	})
}
