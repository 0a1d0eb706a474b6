package schema

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

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
	e, err := r.recall(ctx, key{subject: subject, version: Latest})
	if errors.Is(err, ErrSubjectNotFound) {
		r.report(topic, subject)
		return nil
	}
	if err != nil {
		return err
	}
	return r.validate(ctx, e, r.cfg.Scope, value)
}

// ValidateVersion holds an event to one version of a subject, or to the newest for [Latest], with a scope of its own.
// Errors are those of Validate, and ErrSubjectNotFound and ErrVersionNotFound.
func (r *Registry) ValidateVersion(ctx context.Context, subject string, version int, scope Scope, value []byte) error {
	e, err := r.load(ctx, key{subject: subject, version: version})
	if err != nil {
		return err
	}
	return r.validate(ctx, e, scope, value)
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

func (r *Registry) validate(ctx context.Context, e *entry, scope Scope, value []byte) error {
	parsed, err := r.understood(ctx, e)
	if err != nil {
		return fmt.Errorf("use %s version %d: %w", e.schema.Subject, e.schema.Version, err)
	}
	if problems := parsed.Problems(value, scope, r.cfg.Conventions.Envelope); len(problems) > 0 {
		return &ValidationError{Subject: e.schema.Subject, Version: e.schema.Version, Problems: problems}
	}
	return nil
}

// Problems holds an event, the JSON text of a record's value, to the schema, and says where it does not fit. The names
// are those of the envelope's fields.
func (p *Parsed) Problems(value []byte, scope Scope, names spec.Envelope) []Problem {
	if id, _, err := ParseFrame(value); err == nil {
		return []Problem{{Path: "$", Message: fmt.Sprintf("framed for a schema registry, with schema id %d, where plain JSON is wanted", id)}}
	}
	event, err := decode(value)
	if err != nil {
		return []Problem{{Path: "$", Message: "not a JSON value: " + err.Error()}}
	}
	if p.describesEvent(scope, names) {
		return p.match("", event)
	}
	o, ok := event.(map[string]any)
	if !ok {
		return []Problem{{Path: "$", Message: "not an event: " + describe(event) + " where an object is wanted"}}
	}
	data, ok := o[names.Data]
	if !ok {
		return []Problem{{Path: names.Data, Message: "missing"}}
	}
	return p.match(names.Data, data)
}

// describesEvent reports a schema of the whole event, and not only of its data.
func (p *Parsed) describesEvent(scope Scope, names spec.Envelope) bool {
	return scope == ScopeEvent || scope == ScopeAuto && p.hasField(names.Meta) && p.hasField(names.Data)
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
