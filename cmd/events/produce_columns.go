package events

import (
	"context"
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
		parsed, err := registry.Parse(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("the types of the columns: %w: %w", events.ErrNotValidated, err)
		}
		return columnsOf(parsed, conventions.Envelope.Data), nil
	}
}

// columnsOf reads the fields of a schema, or those of its field data when it
// describes the whole event.
func columnsOf(parsed *schema.Parsed, data string) map[string]intake.Column {
	fields := parsed.FieldTypes(data)
	if fields == nil {
		fields = parsed.FieldTypes("")
	}
	columns := make(map[string]intake.Column)
	for name, types := range fields {
		columns[name] = columnOfTypes(types)
	}
	return columns
}

// kinds are the types' names.
var kinds = map[string]intake.Kind{
	"string": intake.KindText, "integer": intake.KindInteger, "number": intake.KindNumber,
	"boolean": intake.KindBoolean, "object": intake.KindJSON, "array": intake.KindJSON,
}

func columnOfTypes(types []string) (c intake.Column) {
	names := slices.Clone(types)
	if at := slices.Index(names, "null"); at >= 0 {
		c.Null = true
		names = slices.Delete(names, at, at+1)
	}
	if len(names) == 1 {
		c.Kind = kinds[names[0]]
	}
	return c
}
