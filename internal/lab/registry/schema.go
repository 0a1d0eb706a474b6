package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"github.com/twmb/avro"
)

const (
	typeAvro = "AVRO"
	typeJSON = "JSON"
)

// schema is a parsed one. Two schemas are the same when kind and canonical are.
type schema struct {
	kind      string
	text      string
	canonical string
	avro      *avro.Schema // set when kind is AVRO
	json      any          // decoded, set when kind is JSON
}

// parseSchema accepts Avro and JSON Schema. An empty kind is AVRO, as on the wire.
func parseSchema(kind, text string) (*schema, error) {
	s := &schema{kind: kind, text: text}
	var err error
	switch kind {
	case "", typeAvro:
		s.kind = typeAvro
		s.avro, err = avro.Parse(text)
	case typeJSON:
		s.json, err = parseJSONSchema(text)
	default:
		return nil, invalidSchema("Invalid schema type %s: this registry knows AVRO and JSON", kind)
	}
	if err != nil {
		return nil, invalidSchema("Invalid schema: %v", err)
	}
	s.canonical = canonical(text)
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

// parseJSONSchema checks the text against its meta-schema (draft 7 where it names none) without loading anything.
func parseJSONSchema(text string) (any, error) {
	value, err := decodeJSON(text)
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.Draft = jsonschema.Draft7
	compiler.LoadURL = func(url string) (io.ReadCloser, error) {
		return nil, errors.New("references to other documents are not supported: " + url)
	}
	if err := compiler.AddResource("schema.json", bytes.NewReader([]byte(text))); err != nil {
		return nil, err
	}
	if _, err := compiler.Compile("schema.json"); err != nil {
		return nil, err
	}
	return value, nil
}
