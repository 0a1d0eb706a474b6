package schema

import (
	"context"
	"errors"
	"fmt"

	"github.com/suokelife/suokectl/pkg/spec"
)

// Errors of encoding and decoding, for errors.Is.
var (
	// ErrDataOnly: the schema describes the data of an event only, and so cannot encode a whole one.
	ErrDataOnly = errors.New("the schema describes the data of the event only")
	// ErrMalformed: the bytes of a framed value are not what its schema says.
	ErrMalformed = errors.New("not encoded as its schema says")
)

// Encode turns an event, in JSON, into the wire format by the newest schema of its topic: as Avro, Protobuf or JSON.
// The schema must describe the whole event. Errors are those of [Registry.Validate], [ErrSubjectNotFound] and
// [ErrDataOnly].
func (r *Registry) Encode(ctx context.Context, topic string, value []byte) ([]byte, error) {
	subject := topic + spec.SubjectSuffix
	e, err := r.recall(ctx, key{subject: subject, version: Latest})
	if err != nil {
		return nil, fmt.Errorf("encode an event of %s: %w", topic, err)
	}
	parsed, err := r.understood(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("use %s version %d: %w", subject, e.schema.Version, err)
	}
	names := r.cfg.Conventions.Envelope
	if !parsed.describesEvent(r.cfg.Scope, names) {
		return nil, fmt.Errorf("encode an event by %s version %d: %w: a framed value is encoded as a whole", subject, e.schema.Version, ErrDataOnly)
	}
	if problems := parsed.Problems(value, ScopeEvent, names); len(problems) > 0 {
		return nil, &ValidationError{Subject: subject, Version: e.schema.Version, Problems: problems}
	}
	encoded, err := parsed.Encode(value)
	if err != nil {
		return nil, fmt.Errorf("encode an event by %s version %d: %w", subject, e.schema.Version, err)
	}
	frame := AppendFrame(make([]byte, 0, frameSize+1+len(encoded)), e.schema.ID)
	if parsed.Type == Protobuf {
		frame = AppendIndexes(frame, 0)
	}
	return append(frame, encoded...), nil
}

// Encode turns a JSON text that fits the schema into its bytes, without a frame. In Protobuf it is the first message
// of the file.
func (p *Parsed) Encode(text []byte) ([]byte, error) {
	value, err := decode(text)
	if err != nil {
		return nil, err
	}
	return p.encode(text, value)
}

// Decode returns the JSON text of bytes, without a frame, that the schema wrote. Indexes are the message's place in a
// Protobuf file; none is the first. The error wraps [ErrMalformed].
func (p *Parsed) Decode(data []byte, indexes ...int) ([]byte, error) {
	text, err := p.decode(indexes, data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return text, nil
}

// Decode returns the JSON text of a value in the wire format. Unions are written as their bare values, 64-bit numbers
// of Protobuf as texts. Errors are [ErrNotFramed], which plain JSON gives, [ErrSchemaNotFound] for an unknown id,
// [ErrMalformed], [ErrInvalidSchema], [ErrUnauthorized] and [ErrUnavailable].
func (r *Registry) Decode(ctx context.Context, value []byte) ([]byte, error) {
	id, body, err := ParseFrame(value)
	if err != nil {
		return nil, err
	}
	k := key{id: id}
	e, err := r.recall(ctx, k)
	if err != nil {
		return nil, err
	}
	text, err := r.decodeBy(ctx, e, body)
	if errors.Is(err, ErrMalformed) && e.fromDisk { // perhaps another registry has the address now
		if e, err = r.refresh(ctx, k); err == nil && e.absent == nil {
			text, err = r.decodeBy(ctx, e, body)
		}
	}
	return text, err
}

func (r *Registry) decodeBy(ctx context.Context, e *entry, body []byte) ([]byte, error) {
	parsed, err := r.understood(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("use the schema with id %d: %w", e.schema.ID, err)
	}
	var indexes []int
	if parsed.Type == Protobuf {
		if indexes, body, err = ParseIndexes(body); err != nil {
			return nil, fmt.Errorf("schema id %d: %w: %w", e.schema.ID, ErrMalformed, err)
		}
	}
	text, err := parsed.Decode(body, indexes...)
	if err != nil {
		return nil, fmt.Errorf("schema id %d: %w", e.schema.ID, err)
	}
	return text, nil
}
