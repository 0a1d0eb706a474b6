//go:build unix

package conformance

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/suokelife/suokectl/pkg/events/schema"
)

// TestSchemaClient holds the client to a real registry: references, ids, the wire format, verdicts of its own.
func TestSchemaClient(t *testing.T) {
	t.Parallel()
	r, err := schema.New(schema.Config{URL: sharedRegistry.get(t).URL, CacheDir: t.TempDir(), Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	run := fmt.Sprintf("client-%d-", time.Now().UnixNano())
	for _, c := range []struct {
		kind                       schema.Type
		name, money, event, change string
	}{
		{schema.Avro, "p.Money", `{"type":"record","name":"Money","namespace":"p","fields":[{"name":"amount","type":"double"}]}`,
			`{"type":"record","name":"Event","namespace":"p","fields":[{"name":"meta","type":{"type":"map","values":"string"}},{"name":"data","type":"p.Money"}]}`,
			`{"type":"record","name":"Event","namespace":"p","fields":[{"name":"meta","type":"string"},{"name":"data","type":"p.Money"}]}`},
		{schema.JSON, "money.json", `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"amount":{"type":"number"}}}`,
			`{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"meta":{"type":"object"},"data":{"$ref":"money.json"}}}`,
			`{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"meta":{"type":"string"},"data":{"$ref":"money.json"}}}`},
		{schema.Protobuf, "p/money.proto", "syntax = \"proto3\";\npackage p;\nmessage Money {\n  double amount = 1;\n}\n",
			"syntax = \"proto3\";\npackage p;\nimport \"p/money.proto\";\nmessage Event {\n  map<string, string> meta = 1;\n  p.Money data = 2;\n}\n",
			"syntax = \"proto3\";\npackage p;\nimport \"p/money.proto\";\nmessage Event {\n  string meta = 1;\n  p.Money data = 2;\n}\n"},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			topic, money := run+string(c.kind), run+string(c.kind)+"-money"
			if _, err := r.Register(t.Context(), money, c.kind, c.money); err != nil {
				t.Fatal(err)
			}
			reference := schema.Reference{Name: c.name, Subject: money, Version: 1}
			s, err := r.Register(t.Context(), topic+"-value", c.kind, c.event, reference)
			if err != nil || s.Version != 1 || s.Type != c.kind || len(s.References) != 1 {
				t.Fatalf("registered %+v, %v", s, err)
			}
			framed, err := r.Encode(t.Context(), topic, []byte(`{"meta":{"id":"e-1"},"data":{"amount":1.5}}`))
			if err != nil {
				t.Fatal(err)
			}
			if text, err := r.Decode(t.Context(), framed); err != nil || string(text) != `{"meta":{"id":"e-1"},"data":{"amount":1.5}}` {
				t.Errorf("decoded %s, %v", text, err)
			}
			var invalid *schema.ValidationError
			if err := r.Validate(t.Context(), topic, []byte(`{"meta":{"id":"e-1"},"data":{"amount":true}}`)); !errors.As(err, &invalid) || invalid.Problems[0].Path != "data.amount" {
				t.Errorf("validated with %v", err)
			}
			candidate, err := r.Parse(t.Context(), schema.Schema{Type: c.kind, Text: c.change, References: []schema.Reference{reference}})
			if err != nil {
				t.Fatal(err)
			}
			if conflicts, err := r.CheckLocally(t.Context(), topic+"-value", schema.ModeBackwardTransitive, candidate); err != nil || len(conflicts) == 0 || conflicts[0].Version != 1 {
				t.Errorf("conflicts %v, %v", conflicts, err)
			}
			if _, err := r.Mode(t.Context(), topic+"-value"); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := r.Decode(t.Context(), schema.AppendFrame(nil, 99_999_999)); !errors.Is(err, schema.ErrSchemaNotFound) {
		t.Errorf("an unknown id: %v", err)
	}
}
