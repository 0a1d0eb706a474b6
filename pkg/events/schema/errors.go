package schema

import (
	"errors"
	"fmt"
	"strings"
)

// The errors of a registry, for errors.Is. The text of the registry is in the error that wraps them.
var (
	// ErrUnavailable: the registry did not answer, or not as a registry does.
	ErrUnavailable = errors.New("schema registry unavailable")
	// ErrSubjectNotFound: no such subject (40401).
	ErrSubjectNotFound = errors.New("subject not found")
	// ErrVersionNotFound: the subject has no such version (40402).
	ErrVersionNotFound = errors.New("version not found")
	// ErrSchemaNotFound: no such schema (40403).
	ErrSchemaNotFound = errors.New("schema not found")
	// ErrIncompatible: the schema may not follow the registered ones at the subject's level (409).
	ErrIncompatible = errors.New("incompatible schema")
	// ErrInvalidSchema: the text is not a schema (422, 42201).
	ErrInvalidSchema = errors.New("invalid schema")
	// ErrUnauthorized: the registry wants other credentials (401, 403).
	ErrUnauthorized = errors.New("not allowed by the schema registry")
)

// MissingReferenceError is wrapped beside [ErrInvalidSchema] when a schema refers to what is neither in its text nor
// among what it refers to.
type MissingReferenceError struct {
	// Name is what the schema calls it: a type in Avro, what stands in $ref in JSON Schema, an import in Protobuf.
	Name string
}

func (e *MissingReferenceError) Error() string {
	return fmt.Sprintf("%q is neither defined here nor given by a reference", e.Name)
}

// Problem is one place at which a value does not fit.
type Problem struct {
	Path    string `json:"path"` // from the event's root, as in data.items[0].price
	Message string `json:"message"`
}

// ValidationError says where an event does not fit its schema.
type ValidationError struct {
	Subject  string
	Version  int
	Problems []Problem // at least one
}

func (e *ValidationError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "event does not fit %s version %d: ", e.Subject, e.Version)
	for i, p := range e.Problems {
		if i == 3 {
			fmt.Fprintf(&b, "; and %d more", len(e.Problems)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(p.Path + ": " + p.Message)
	}
	return b.String()
}
