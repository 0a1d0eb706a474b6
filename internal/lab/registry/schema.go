package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	events "github.com/suokelife/suokectl/pkg/events/schema"
)

// schema is a parsed one. Two schemas are the same when kind, canonical and references are.
type schema struct {
	kind       events.Type
	text       string
	canonical  string
	references []events.Reference
	imports    []events.Import // what the references name
	parsed     *events.Parsed
}

// parseSchema understands a schema. An empty kind is AVRO, as on the wire.
func parseSchema(kind events.Type, text string, references []events.Reference, imports []events.Import) (*schema, error) {
	if kind == "" {
		kind = events.Avro
	}
	parsed, err := events.Parse(events.Definition{Type: kind, Text: text, Imports: imports})
	if err != nil {
		return nil, invalidSchema("Invalid schema: %s", strings.TrimPrefix(err.Error(), events.ErrInvalidSchema.Error()+": "))
	}
	s := &schema{kind: kind, text: text, references: references, imports: imports, parsed: parsed}
	if s.canonical = canonical(text); kind == events.Protobuf {
		s.canonical = canonicalProto(text)
	}
	return s, nil
}

// canonical is the JSON text with neither white space nor an order of keys.
func canonical(text string) string {
	value, err := decodeJSON(text)
	if err != nil {
		return text // an Avro primitive may be written without quotes
	}
	out, err := json.Marshal(value)
	if err != nil {
		return text
	}
	return string(out)
}

func decodeJSON(text string) (any, error) {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return value, nil
}

// canonicalProto is the text with single spaces, and without comments that have a line of their own.
func canonicalProto(text string) string {
	var words []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "//") {
			words = append(words, strings.Fields(line)...)
		}
	}
	return strings.Join(words, " ")
}
