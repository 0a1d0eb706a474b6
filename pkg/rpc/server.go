package rpc

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/pkg/secure"
	"github.com/suokelife/suokectl/pkg/spec"
)

// ServerConfig says how a server treats its callers.
type ServerConfig struct {
	// Verifier checks service tokens. With none, every call that needs a token
	// is refused.
	Verifier *secure.Verifier
	// Open are the services, by full name, that answer anonymous calls too. The
	// default is none; [HealthAndReflection] is the usual choice.
	Open []string
	// Headers names the metadata. The default is the specification's names.
	Headers spec.Headers
	// Logger is told of handlers that panic. The default discards.
	Logger *slog.Logger
	// AccessLog is told of every call when it has ended: method, code, duration,
	// request id, caller, peer and the client's version, at level Info, or Warn
	// when the fault is the server's. It never sees messages or credentials. The
	// default discards.
	AccessLog *slog.Logger
	// Tracer records a span for each call, below the caller's (T1). The default
	// records none; the caller's span is in the context all the same, so that
	// calls of the handler continue its trace.
	Tracer trace.Tracer
}

// HealthAndReflection returns the names of the services that probes and tools
// call without a token.
func HealthAndReflection() []string {
	return []string{
		"grpc.health.v1.Health",
		"grpc.reflection.v1.ServerReflection",
		"grpc.reflection.v1alpha.ServerReflection",
	}
}

// ServerOptions returns interceptors for all four kinds of call. A call's
// request id is taken from its metadata or made, kept in the context and
// returned in the headers (T2); a call without a good service token is
// UNAUTHENTICATED (A1), and [secure.Caller] knows whose it is; a handler that panics answers INTERNAL; a
// resilience.ServiceError becomes a status with details (E1), see
// [ServiceStatus]. The caller's deadline is that of the handler's context, and so
// of the calls that it makes; its request id and its trace go along too.
func ServerOptions(c ServerConfig) []grpc.ServerOption {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Verifier == nil {
		c.Verifier = &secure.Verifier{}
	}
	c.Headers = orDefault(c.Headers)
	g := guard{c}
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(g.unary), grpc.ChainStreamInterceptor(g.stream)}
}

type guard struct{ ServerConfig }

func (g guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	ctx, end := g.begin(ctx, info.FullMethod)
	defer func() { err = end(ctx, recover(), err) }()
	ctx, err = g.admit(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (g guard) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	ctx, end := g.begin(stream.Context(), info.FullMethod)
	defer func() { err = end(ctx, recover(), err) }()
	ctx, err = g.admit(ctx, info.FullMethod)
	if err != nil {
		return err
	}
	return handler(srv, streamWithContext{stream, ctx})
}

type streamWithContext struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // the interface asks for it
}

func (s streamWithContext) Context() context.Context { return s.ctx }

// admit gives the call its caller, or refuses it.
func (g guard) admit(ctx context.Context, method string) (context.Context, error) {
	service, _, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	if slices.Contains(g.Open, service) {
		return ctx, nil
	}
	ctx, err := g.Verifier.Admit(ctx, incoming(ctx, g.Headers.Authorization))
	if err != nil {
		return ctx, status.Error(codes.Unauthenticated, err.Error())
	}
	return ctx, nil
}

func incoming(ctx context.Context, name string) string {
	if values := metadata.ValueFromIncomingContext(ctx, name); len(values) > 0 {
		return values[0]
	}
	return ""
}
