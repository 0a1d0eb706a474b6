package schema

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/suokelife/suokectl/pkg/spec"
)

// Scope is what a schema describes.
type Scope int

const (
	// ScopeAuto finds out: a schema with the fields meta and data describes the whole event, any other its data.
	ScopeAuto Scope = iota
	// ScopeEvent is the whole event.
	ScopeEvent
	// ScopeData is the data of the event.
	ScopeData
)

// Validate holds an event, the JSON text of a record's value, to the newest schema of its topic. It returns nil when
// the event fits, and when the topic has no subject, which [Config.Unvalidated] is told of. Errors are a
// [*ValidationError], or ErrUnavailable and ErrUnauthorized when the registry gave no schema, or ErrInvalidSchema when
// what it gave cannot be used.
func (r *Registry) Validate(ctx context.Context, topic string, value []byte) error {
	subject := topic + spec.SubjectSuffix
	e, err := r.load(ctx, key{subject, Latest})
	if errors.Is(err, ErrSubjectNotFound) {
		r.report(topic, subject)
		return nil
	}
	if err != nil {
		return err
	}
	return e.validate(r.cfg.Scope, value)
}

// ValidateVersion holds an event to one version of a subject, or to the newest for [Latest], with a scope of its own.
// Errors are those of Validate, and ErrSubjectNotFound and ErrVersionNotFound.
func (r *Registry) ValidateVersion(ctx context.Context, subject string, version int, scope Scope, value []byte) error {
	e, err := r.load(ctx, key{subject, version})
	if err != nil {
		return err
	}
	return e.validate(scope, value)
}

func (r *Registry) report(topic, subject string) {
	r.mu.Lock()
	again := r.reported[topic]
	r.reported[topic] = true
	r.mu.Unlock()
	if !again && r.cfg.Unvalidated != nil {
		r.cfg.Unvalidated(topic, subject)
	}
}

func (e *entry) validate(scope Scope, value []byte) error {
	c, err := e.compiled[scope]()
	if err != nil {
		return fmt.Errorf("use %s version %d: %w: %w", e.schema.Subject, e.schema.Version, ErrInvalidSchema, err)
	}
	if problems := c.problems(value); len(problems) > 0 {
		return &ValidationError{Subject: e.schema.Subject, Version: e.schema.Version, Problems: problems}
	}
	return nil
}

// compiled is a schema that is ready to hold values to.
type compiled struct {
	match func(path string, value any) []Problem
	data  string // the event's field of this name is matched, the whole event when empty
}

// compileOnce compiles for each scope when it is first asked for.
func (cfg Config) compileOnce(s Schema) (out [3]func() (*compiled, error)) {
	for scope := range out {
		out[scope] = sync.OnceValues(func() (*compiled, error) { return cfg.compile(s, Scope(scope)) })
	}
	return out
}

func (cfg Config) compile(s Schema, scope Scope) (*compiled, error) {
	var c compiled
	var fields func(string) bool
	var err error
	switch s.Type {
	case Avro:
		c.match, fields, err = compileAvro(s.Text)
	case JSON:
		c.match, fields, err = compileJSONSchema(s.Text)
	default:
		return nil, fmt.Errorf("schema type %s is not supported", s.Type)
	}
	if err != nil {
		return nil, err
	}
	names := cfg.Conventions.Envelope
	if scope == ScopeData || (scope == ScopeAuto && (!fields(names.Meta) || !fields(names.Data))) {
		c.data = names.Data
	}
	return &c, nil
}

func (c *compiled) problems(value []byte) []Problem {
	event, err := decode(value)
	if err != nil {
		return []Problem{{Path: "$", Message: "not a JSON value: " + err.Error()}}
	}
	if c.data == "" {
		return c.match("", event)
	}
	o, ok := event.(map[string]any)
	if !ok {
		return []Problem{{Path: "$", Message: "not an event: " + describe(event) + " where an object is wanted"}}
	}
	data, ok := o[c.data]
	if !ok {
		return []Problem{{Path: c.data, Message: "missing"}}
	}
	return c.match(c.data, data)
}

func decode(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return value, nil
}

// describe names a decoded value for a message: its type, and the value itself when that is short.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprintf("boolean %t", v)
	case json.Number:
		return "number " + v.String()
	case string:
		if len(v) > 40 {
			return "a string of " + fmt.Sprint(len(v)) + " bytes"
		}
		return fmt.Sprintf("string %q", v)
	case []any:
		return "an array"
	}
	return "an object"
}

// join makes the path of a member.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// orRoot names the root of the event.
func orRoot(path string) string {
	if path == "" {
		return "$"
	}
	return path
}
