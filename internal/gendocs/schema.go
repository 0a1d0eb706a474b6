package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/pkg/spec"
)

// schemas returns the JSON Schemas of the two files that people write, for
// their editors.
func schemas() (map[string][]byte, error) {
	files := map[string][]byte{}
	for name, t := range map[string]reflect.Type{
		"docs/config.schema.json":   reflect.TypeFor[config.File](),
		"docs/suokectl.schema.json": reflect.TypeFor[spec.Conventions](),
	} {
		schema := schemaOf(t)
		schema["$schema"] = "http://json-schema.org/draft-07/schema#"
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetIndent("", "  ")
		if err := e.Encode(schema); err != nil {
			return nil, err
		}
		files[name] = b.Bytes()
	}
	return files, nil
}

// schemaOf describes a type by its yaml tags. Unknown keys are errors when the
// file is read, and so they are here.
func schemaOf(t reflect.Type) map[string]any {
	switch t.Kind() {
	case reflect.Struct:
		properties := map[string]any{}
		for name, field := range fields(t) {
			properties[name] = schemaOf(field)
		}
		return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	default:
		return map[string]any{"type": "string"}
	}
}

func fields(t reflect.Type) map[string]reflect.Type {
	named := map[string]reflect.Type{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			named[name] = t.Field(i).Type
		}
	}
	return named
}
