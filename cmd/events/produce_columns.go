package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/suokelife/suokectl/cmd/events/intake"
	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/schema"
	"github.com/suokelife/suokectl/pkg/spec"
)

// columnTypes asks the context's registry what the fields of a topic's data
// are. Without a registry or a subject all are texts.
func columnTypes(f *app.Factory) func(ctx context.Context, topic string) (map[string]intake.Column, error) {
	return func(ctx context.Context, topic string) (map[string]intake.Column, error) {
		c, err := f.Context()
		if err != nil || c.Registry.URL == "" {
			return nil, err
		}
		conventions, err := f.Conventions()
		if err != nil {
			return nil, err
		}
		registry, err := f.Schemas()
		if err != nil {
			return nil, err
		}
		s, err := registry.Get(ctx, topic+spec.SubjectSuffix, schema.Latest)
		if errors.Is(err, schema.ErrSubjectNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the types of the columns: %w: %w", events.ErrNotValidated, err)
		}
		return columnsOf(s, conventions.Envelope.Data), nil
	}
}

// columnsOf reads the fields of a schema, or those of its field data when it
// describes the whole event.
func columnsOf(s schema.Schema, data string) map[string]intake.Column {
	var root schemaNode
	if json.Unmarshal([]byte(s.Text), &root) != nil {
		return nil
	}
	fields := root.fields()
	if whole, ok := fields[data]; ok {
		fields = whole.fields()
	}
	columns := make(map[string]intake.Column)
	for name, field := range fields {
		columns[name] = field.column()
	}
	return columns
}

// schemaNode is what JSON Schema and Avro have in common for this purpose: a
// type, or several, and fields with a name.
type schemaNode struct {
	Type       json.RawMessage       `json:"type"`
	Properties map[string]schemaNode `json:"properties"`
	Fields     []struct {
		Name string          `json:"name"`
		Type json.RawMessage `json:"type"`
	} `json:"fields"`
}

func (n schemaNode) fields() map[string]schemaNode {
	fields := n.Properties
	if n.Fields == nil && n.Properties == nil {
		var nested schemaNode // Avro's type of a field may be a record itself
		if json.Unmarshal(n.Type, &nested) == nil && nested.Fields != nil {
			return nested.fields()
		}
	}
	for _, f := range n.Fields {
		if fields == nil {
			fields = make(map[string]schemaNode)
		}
		fields[f.Name] = schemaNode{Type: f.Type}
	}
	return fields
}

// kinds are the types' names in either language.
var kinds = map[string]intake.Kind{
	"string": intake.KindText, "enum": intake.KindText, "bytes": intake.KindText,
	"integer": intake.KindInteger, "int": intake.KindInteger, "long": intake.KindInteger,
	"number": intake.KindNumber, "float": intake.KindNumber, "double": intake.KindNumber,
	"boolean": intake.KindBoolean, "object": intake.KindJSON, "array": intake.KindJSON,
	"record": intake.KindJSON, "map": intake.KindJSON,
}

func (n schemaNode) column() (c intake.Column) {
	names := n.typeNames()
	if at := slices.Index(names, "null"); at >= 0 {
		c.Null = true
		names = slices.Delete(names, at, at+1)
	}
	if len(names) == 1 {
		c.Kind = kinds[names[0]]
	}
	return c
}

// typeNames reads "string", ["null", "string"] and {"type": "string"}.
func (n schemaNode) typeNames() []string {
	var name string
	if json.Unmarshal(n.Type, &name) == nil {
		return []string{name}
	}
	var node schemaNode
	if json.Unmarshal(n.Type, &node) == nil && node.Type != nil {
		return node.typeNames()
	}
	var list []json.RawMessage
	_ = json.Unmarshal(n.Type, &list) // what is neither has no names
	var names []string
	for _, one := range list {
		names = append(names, schemaNode{Type: one}.typeNames()...)
	}
	return names
}
