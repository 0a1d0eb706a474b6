package schema

import (
	"context"
	"errors"
	"fmt"

	"github.com/riferrei/srclient"
)

// Get returns a version of a subject, or the newest for [Latest]. It answers from memory where it can. Errors are
// ErrSubjectNotFound, ErrVersionNotFound, ErrUnauthorized and ErrUnavailable.
func (r *Registry) Get(ctx context.Context, subject string, version int) (Schema, error) {
	e, err := r.load(ctx, key{subject: subject, version: version})
	if err != nil {
		return Schema{}, err
	}
	return e.schema, nil
}

// ByID returns the schema of an id, which is the same for ever. Its subject and version are not known. Errors are
// ErrSchemaNotFound, ErrUnauthorized and ErrUnavailable.
func (r *Registry) ByID(ctx context.Context, id int) (Schema, error) {
	e, err := r.load(ctx, key{id: id})
	if err != nil {
		return Schema{}, err
	}
	return e.schema, nil
}

// Versions lists the versions of a subject, ascending.
func (r *Registry) Versions(ctx context.Context, subject string) ([]int, error) {
	return request(ctx, r, "list the versions of "+subject, func(c *srclient.SchemaRegistryClient) ([]int, error) {
		return c.GetSchemaVersions(subject)
	})
}

// Mode returns the compatibility mode that holds for a subject: its own, else that of the registry.
func (r *Registry) Mode(ctx context.Context, subject string) (Mode, error) {
	what := "get the compatibility mode of " + subject
	text, err := request(ctx, r, what, func(c *srclient.SchemaRegistryClient) (string, error) {
		level, err := c.GetCompatibilityLevel(subject, true)
		var said srclient.Error
		if errors.As(err, &said) && said.Code >= 40400 && said.Code < 40500 { // a registry that knows no default of a subject
			level, err = c.GetGlobalCompatibilityLevel()
		}
		if err != nil {
			return "", err
		}
		return string(*level), nil
	})
	if err != nil {
		return "", err
	}
	mode, err := ParseMode(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	return mode, nil
}

// Parse understands a registered schema, with all that it refers to. Errors are [ErrInvalidSchema] and those of
// [Registry.Definition].
func (r *Registry) Parse(ctx context.Context, s Schema) (*Parsed, error) {
	d, err := r.Definition(ctx, s)
	if err != nil {
		return nil, err
	}
	return Parse(d)
}

// maxImports bounds the references of a schema, and how deep they refer on.
const maxImports = 500

// Definition resolves the references of a schema, those of its references included. Errors are those of
// [Registry.Get], and [ErrInvalidSchema] when references go round in a circle.
func (r *Registry) Definition(ctx context.Context, s Schema) (Definition, error) {
	d := Definition{Type: s.Type, Text: s.Text}
	err := r.resolve(ctx, &d, s.References, map[string]bool{}, 0)
	return d, err
}

func (r *Registry) resolve(ctx context.Context, d *Definition, references []Reference, known map[string]bool, depth int) error {
	for _, reference := range references {
		if known[reference.Name] {
			continue
		}
		if depth > maxNesting || len(known) > maxImports {
			return fmt.Errorf("%w: more than %d references, or they refer to one another in a circle", ErrInvalidSchema, maxImports)
		}
		s, err := r.Get(ctx, reference.Subject, reference.Version)
		if err != nil {
			return fmt.Errorf("reference %s: %w", reference.Name, err)
		}
		known[reference.Name] = true
		if err := r.resolve(ctx, d, s.References, known, depth+1); err != nil {
			return err
		}
		d.Imports = append(d.Imports, Import{Name: reference.Name, Text: s.Text})
	}
	return nil
}

func (r *Registry) fetch(ctx context.Context, k key) (Schema, error) {
	return request(ctx, r, "get "+k.String(), func(c *srclient.SchemaRegistryClient) (Schema, error) {
		var s *srclient.Schema
		var err error
		switch {
		case k.id != 0:
			s, err = c.GetSchema(k.id)
		case k.version == Latest:
			s, err = c.GetLatestSchema(k.subject)
		default:
			s, err = c.GetSchemaByVersion(k.subject, k.version)
		}
		if err != nil {
			return Schema{}, err
		}
		return schemaOf(k.subject, s), nil
	})
}

func schemaOf(subject string, s *srclient.Schema) Schema {
	out := Schema{Subject: subject, Version: s.Version(), ID: s.ID(), Type: Avro, Text: s.Schema()}
	if t := s.SchemaType(); t != nil && *t != "" {
		out.Type = Type(*t)
	}
	for _, reference := range s.References() {
		out.References = append(out.References, Reference(reference))
	}
	return out
}
