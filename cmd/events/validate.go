package events

import (
	"context"
	"errors"
	"fmt"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/schema"
)

// validator holds events to the schemas of the context's registry. Without a
// registry events are checked by their envelope alone.
func validator(f *app.Factory) events.Validator {
	return func(ctx context.Context, topic string, value []byte) error {
		c, err := f.Context()
		if err != nil || c.Registry.URL == "" {
			return err
		}
		registry, err := f.Schemas()
		if err != nil {
			return fmt.Errorf("%w: %w", events.ErrNotValidated, err)
		}
		err = registry.Validate(ctx, topic, value)
		var invalid *schema.ValidationError
		if err == nil || errors.As(err, &invalid) {
			return err
		}
		return failure.WithHint(fmt.Errorf("%w: %w", events.ErrNotValidated, err),
			"the registry of the context must answer, since nobody can say otherwise whether an event is valid")
	}
}
