package secure

import (
	"cmp"
	"context"

	"github.com/suokelife/suokectl/pkg/spec"
)

// CallCredentials puts a bearer token on every call. It has the methods of
// gRPC's credentials.PerRPCCredentials and so covers all four kinds of call.
type CallCredentials struct {
	// Token returns the token of a call, such as [TokenSource.Token].
	Token func() (string, error)
	// AllowPlaintext lets the token travel without TLS. The default refuses, and
	// gRPC then refuses the connection.
	AllowPlaintext bool
	// Header is the name of the metadata. The default is "authorization".
	Header string
}

// GetRequestMetadata returns the header with the token.
func (c CallCredentials) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token, err := c.Token()
	if err != nil {
		return nil, err
	}
	return map[string]string{cmp.Or(c.Header, spec.HeaderAuthorization): "Bearer " + token}, nil
}

// RequireTransportSecurity reports whether TLS is demanded.
func (c CallCredentials) RequireTransportSecurity() bool { return !c.AllowPlaintext }
