package resilience

import (
	"context"
	"errors"
	"fmt"
)

// WithFallback calls f, and when its error is or wraps one of type E, it
// returns what fallback makes of that instead (B2). An E of type error covers
// every failure. When the fallback fails too, the error wraps both, f's first.
//
// The fallback runs even when ctx has ended, since a slow service is what it is
// for: it should answer from memory.
func WithFallback[T any, E error](ctx context.Context, f func(context.Context) (T, error), fallback func(context.Context, E) (T, error)) (T, error) {
	value, err := f(ctx)
	if err == nil {
		return value, nil
	}
	expected, ok := errors.AsType[E](err)
	if !ok {
		return value, err
	}
	value, second := fallback(ctx, expected)
	if second != nil {
		return value, fmt.Errorf("%w; the fallback failed too: %w", err, second)
	}
	return value, nil
}
