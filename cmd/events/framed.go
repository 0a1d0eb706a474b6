package events

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/schema"
)

// encoder writes events in the wire format of the context's schema registry.
func encoder(f *app.Factory) events.Encoder {
	return func(ctx context.Context, topic string, value []byte) ([]byte, error) {
		registry, err := f.Schemas()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", events.ErrNotValidated, err)
		}
		framed, err := registry.Encode(ctx, topic, value)
		var invalid *schema.ValidationError
		switch {
		case err == nil || errors.As(err, &invalid):
			return framed, err
		case errors.Is(err, schema.ErrDataOnly):
			err = failure.WithHint(err, "register a schema with the fields meta and data, or leave --framed out")
		case errors.Is(err, schema.ErrSubjectNotFound):
			err = failure.WithHint(err, "`suokectl events schema register` gives the topic a schema; without --framed it needs none")
		}
		return nil, fmt.Errorf("%w: %w", events.ErrNotValidated, err)
	}
}

// framedDecoder replaces values that are framed for a schema registry by their JSON text. Several goroutines may use
// it. A registry that is away ends the reading; a value that cannot be decoded stays as it is.
type framedDecoder struct {
	decode func(ctx context.Context, value []byte) ([]byte, error)
	ctx    context.Context //nolint:containedctx // it lives as long as one reading
	stop   context.CancelCauseFunc

	mu     sync.Mutex
	left   int64 // values that could not be decoded
	first  error // of these
	broken error // why the reading ended
}

// newFramedDecoder returns a decoder, and a context for the reading that it ends when the registry is away.
func newFramedDecoder(ctx context.Context, schemas func() (*schema.Registry, error)) (context.Context, *framedDecoder, error) {
	registry, err := schemas()
	if err != nil {
		return ctx, nil, err
	}
	reading, stop := context.WithCancelCause(ctx)
	return reading, &framedDecoder{decode: registry.Decode, ctx: reading, stop: stop}, nil
}

// replace decodes a record's value in its place, and reports whether it can go on.
func (d *framedDecoder) replace(r *kgo.Record) bool {
	if _, _, err := schema.ParseFrame(r.Value); err != nil {
		return true
	}
	text, err := d.decode(d.ctx, r.Value)
	switch {
	case err == nil:
		r.Value = text
		return true
	case errors.Is(err, schema.ErrSchemaNotFound), errors.Is(err, schema.ErrMalformed), errors.Is(err, schema.ErrInvalidSchema):
		d.note(fmt.Errorf("partition %d, offset %d: %w", r.Partition, r.Offset, err))
		return true
	}
	d.fail(err)
	return false
}

func (d *framedDecoder) note(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left++; d.left == 1 {
		d.first = err
	}
}

func (d *framedDecoder) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken == nil && d.ctx.Err() == nil {
		d.broken = err
		d.stop(err)
	}
}

// close ends the decoder, says what it left, and returns why the reading ended, if it was the registry. It may be nil.
func (d *framedDecoder) close(ios *iostreams.IOStreams) error {
	if d == nil {
		return nil
	}
	d.stop(nil)
	if d.left > 0 {
		ios.Infof("framed values that could not be decoded, and are as they were: %d; the first: %v", d.left, d.first)
	}
	if errors.Is(d.broken, schema.ErrUnavailable) {
		return failure.WithHint(d.broken, "is a schema registry running there? `suokectl config view` shows the address")
	}
	return d.broken
}
