package schema_test

import (
	"errors"
	"maps"
	"slices"
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

func TestMissingReferences(t *testing.T) {
	for name, d := range map[string]schema.Definition{
		"shop.Money":   {Type: schema.Avro, Text: `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"price","type":["null","shop.Money"]}]}`},
		"money.json":   {Type: schema.JSON, Text: `{"properties":{"price":{"$ref":"money.json#/definitions/a"}}}`},
		"shop/m.proto": {Type: schema.Protobuf, Text: `syntax = "proto3"; import "google/protobuf/any.proto"; import "shop/m.proto"; message M {}`},
	} {
		var missing *schema.MissingReferenceError
		if _, err := schema.Parse(d); !errors.As(err, &missing) || missing.Name != name || !errors.Is(err, schema.ErrInvalidSchema) {
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

func TestFieldTypes(t *testing.T) {
	for _, c := range []struct {
		kind               schema.Type
		text, within, want string
	}{
		{schema.Avro, avroEvent, "data", "age null|integer, mac null|string, seen null|integer, tags object, user_id string, via null|object|object"},
		{schema.Avro, avroUser, "", "email null|string, id string"},
		{schema.JSON, jsonUser, "", "email string, tags array, user_id string"},
		{schema.JSON, `{"properties":{"data":{"$ref":"#/definitions/d"}},"definitions":{"d":{"properties":{"n":{"type":["integer","null"]},"x":true}}}}`, "data", "n integer|null, x "},
		{schema.Protobuf, protoEvent, "data", "age integer, at object, kinds object, mac string, mail string, rates array, total integer, user_id string"},
	} {
		fields := parse(t, c.kind, c.text).FieldTypes(c.within)
		var got []string
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			got = append(got, name+" "+strings.Join(fields[name], "|"))
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("fields are\n%s, want\n%s", text, c.want)
		}
	}
	for _, p := range []*schema.Parsed{parse(t, schema.Avro, avroUser), parse(t, schema.JSON, jsonUser), parse(t, schema.Protobuf, protoEvent)} {
		if fields := p.FieldTypes("nothing"); fields != nil {
			t.Errorf("nothing has fields %v", fields)
		}
	}
}
