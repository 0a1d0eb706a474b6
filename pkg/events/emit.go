package events

import (
	"context"
	"encoding/json"
	"fmt"

	"go.opentelemetry.io/otel/trace"

	"github.com/suokelife/suokectl/pkg/spec"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

// HeaderContentType says what an emitted event's value is.
const HeaderContentType = "content-type"

const contentType = "application/json"

// NewEvent is an event to emit. Its envelope is built from it.
type NewEvent struct {
	// Env, Service, Type and Version make the topic. Version is v1 when empty.
	Env     string
	Service string
	Type    string
	Version string
	// Data is the event's own data, JSON.
	Data json.RawMessage
	// CorrelationID ties the event to what caused it. Default: the request id
	// that the context carries, if any.
	CorrelationID string
	// Key orders events; empty is no key.
	Key string
}

// Emitted is an event that was acknowledged.
type Emitted struct {
	// ID is the meta.id that the event was given.
	ID string `json:"id"`
	Ack
}

// BuildRecord makes the record of an event: its topic's name, and its text
// with a new id and the present as its time. The error is a *spec.TopicError or
// a *spec.EnvelopeError. Headers carry the correlation id besides, the content
// type, and the trace that ctx belongs to.
func (c *Client) BuildRecord(ctx context.Context, e NewEvent) (id string, r Record, err error) {
	if e.Version == "" {
		e.Version = "v1"
	}
	if e.CorrelationID == "" {
		e.CorrelationID = telemetry.RequestID(ctx)
	}
	conventions := c.cfg.Conventions
	r.Topic, err = conventions.BuildTopic(spec.Topic{Env: e.Env, Service: e.Service, Event: e.Type, Version: e.Version})
	if err != nil {
		return "", Record{}, err
	}
	meta := spec.Meta{ID: spec.NewID(), Type: e.Type, Version: e.Version, Source: e.Service, CorrelationID: e.CorrelationID}
	if r.Value, err = conventions.BuildEvent(meta, e.Data); err != nil {
		return "", Record{}, err
	}
	if e.Key != "" {
		r.Key = []byte(e.Key)
	}
	r.Headers = c.eventHeaders(ctx, e.CorrelationID)
	return meta.ID, r, nil
}

// eventHeaders are what travels beside an event: what its value is, the request
// that caused it, and its span, below the one that ctx carries, if any.
func (c *Client) eventHeaders(ctx context.Context, correlationID string) []Header {
	headers := []Header{{Key: HeaderContentType, Value: []byte(contentType)}}
	if correlationID != "" {
		headers = append(headers, Header{Key: c.cfg.Conventions.Headers.RequestID, Value: []byte(correlationID)})
	}
	if parent := trace.SpanContextFromContext(ctx); parent.HasTraceID() {
		list := telemetry.AppendTraceHeaders(nil, telemetry.NextSpan(parent))
		for i := 0; i+1 < len(list); i += 2 {
			headers = append(headers, Header{Key: list[i], Value: []byte(list[i+1])})
		}
	}
	return headers
}

// Emit builds an event and sends it as [Producer.Produce] does.
func (p *Producer) Emit(ctx context.Context, e NewEvent) (Emitted, error) {
	id, record, err := p.checker.client.BuildRecord(ctx, e)
	if err != nil {
		return Emitted{}, fmt.Errorf("build the event: %w", err)
	}
	ack, err := p.Produce(ctx, record)
	return Emitted{ID: id, Ack: ack}, err
}

// EmitAsync builds an event and sends it as [Producer.Send] does: done is called
// exactly once with the outcome, and must not block.
func (p *Producer) EmitAsync(ctx context.Context, e NewEvent, done func(Emitted, error)) {
	id, record, err := p.checker.client.BuildRecord(ctx, e)
	if err != nil {
		done(Emitted{}, fmt.Errorf("build the event: %w", err))
		return
	}
	p.Send(ctx, record, func(ack Ack, err error) { done(Emitted{ID: id, Ack: ack}, err) })
}
