package telemetry

import (
	"context"

	"github.com/google/uuid"

	"github.com/suokelife/suokectl/pkg/spec"
)

type requestIDKey struct{}

// NewRequestID makes a request id, a random UUID.
func NewRequestID() string { return uuid.NewString() }

// ValidRequestID reports whether id may be passed on: 1 to 128 characters of
// printable ASCII.
func ValidRequestID(id string) bool {
	if id == "" || len(id) > spec.MaxRequestID {
		return false
	}
	for i := range len(id) {
		if id[i] < ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

// CleanRequestID returns id when it is valid, otherwise a new one.
func CleanRequestID(id string) string {
	if ValidRequestID(id) {
		return id
	}
	return NewRequestID()
}

// WithRequestID returns a context that carries id, replaced when it is not valid.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, CleanRequestID(id))
}

// RequestID returns the id that ctx carries, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
