package secure

import (
	"context"
	"time"
)

// Claims is what a token says. Those of a [Verifier] are true, those of
// [InspectToken] are only said.
type Claims struct {
	// Issuer is the service that made the token.
	Issuer   string
	Subject  string
	Audience []string
	// ID is the token's own, its jti.
	ID string
	// IssuedAt and NotBefore are zero when the token does not say.
	IssuedAt  time.Time
	NotBefore time.Time
	ExpiresAt time.Time
}

type callerKey struct{}

// WithCaller returns a context that knows who made the call.
func WithCaller(ctx context.Context, c Claims) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// Caller returns the claims of the service that made the call, and whether there
// are any: a service that answers everybody has anonymous callers.
func Caller(ctx context.Context) (Claims, bool) {
	claims, ok := ctx.Value(callerKey{}).(Claims)
	return claims, ok
}
