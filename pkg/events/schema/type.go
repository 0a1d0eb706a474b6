package schema

import (
	"encoding/json"
	"regexp"
	"strings"
)

// Type is a schema's language, as the registry spells it.
type Type string

// The types that are understood.
const (
	Avro     Type = "AVRO"
	JSON     Type = "JSON"
	Protobuf Type = "PROTOBUF"
)

// Types are the types that are understood.
func Types() []Type { return []Type{Avro, JSON, Protobuf} }

// Detect tells which type a schema's text is: a JSON object with a keyword that only JSON Schema has is one, text with
// a definition of a message is Protobuf, all else is Avro.
func Detect(text string) Type {
	var o map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &o) != nil {
		if !json.Valid([]byte(text)) && looksLikeProto(text) {
			return Protobuf
		}
		return Avro
	}
	for _, keyword := range []string{"$schema", "$ref", "$defs", "definitions", "properties", "required", "additionalProperties", "allOf", "anyOf", "oneOf"} {
		if _, ok := o[keyword]; ok {
			return JSON
		}
	}
	if string(o["type"]) == `"object"` {
		return JSON
	}
	return Avro
}

func looksLikeProto(text string) bool {
	found, err := regexp.MatchString(`(?m)^\s*(syntax|edition)\s*=|\b(message|enum)\s+\w+\s*\{`, text)
	return err == nil && found
}

// Latest asks for a subject's newest version.
const Latest = 0

// Schema is a registered schema.
type Schema struct {
	Subject    string      `json:"subject"`
	Version    int         `json:"version"`
	ID         int         `json:"id"`
	Type       Type        `json:"type"`
	Text       string      `json:"schema"`
	References []Reference `json:"references,omitempty"`
}

// Reference is what a schema takes from another subject.
type Reference struct {
	// Name is how the schema's text calls it: the full name of a type in Avro, what stands in $ref in JSON Schema, the
	// path of an import in Protobuf.
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// Definition is a schema with all that it refers to, so that nobody has to be asked any more.
type Definition struct {
	Type Type
	Text string
	// Imports are what the text refers to, each behind those that it refers to itself.
	Imports []Import
}

// Import is a text that others refer to by its name.
type Import struct {
	Name string `json:"name"`
	Text string `json:"schema"`
}

// sameName compares names of imports: with or without a slash at their beginning.
func sameName(a, b string) bool { return strings.TrimPrefix(a, "/") == strings.TrimPrefix(b, "/") }
