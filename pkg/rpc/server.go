package rpc

import (
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/pkg/secure"
	"github.com/suokelife/suokectl/pkg/spec"
	"github.com/suokelife/suokectl/pkg/telemetry"
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
// UNAUTHENTICATED (A1); a handler that panics answers INTERNAL.
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

type callerKey struct{}

// Caller returns the verified claims of the service that made the call, and
// whether there are any: an open service has anonymous callers.
func Caller(ctx context.Context) (secure.Claims, bool) {
	claims, ok := ctx.Value(callerKey{}).(secure.Claims)
	return claims, ok
}

type guard struct{ ServerConfig }

func (g guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	defer g.recover(info.FullMethod, &err)
	ctx, err = g.admit(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (g guard) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer g.recover(info.FullMethod, &err)
	ctx, err := g.admit(stream.Context(), info.FullMethod)
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

// admit gives the call its request id and its caller, or refuses it.
func (g guard) admit(ctx context.Context, method string) (context.Context, error) {
	ctx = telemetry.WithRequestID(ctx, incoming(ctx, g.Headers.RequestID))
	// It fails only when headers have been sent, which nobody has done yet.
	_ = grpc.SetHeader(ctx, metadata.Pairs(g.Headers.RequestID, telemetry.RequestID(ctx)))
	service, _, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	token, found := strings.CutPrefix(incoming(ctx, g.Headers.Authorization), "Bearer ")
	if slices.Contains(g.Open, service) {
		return ctx, nil
	}
	if !found {
		return ctx, status.Error(codes.Unauthenticated, "the call has no service token: metadata "+g.Headers.Authorization+" must be \"Bearer <token>\"")
	}
	claims, err := g.Verifier.Verify(token)
	if err != nil {
		return ctx, status.Error(codes.Unauthenticated, err.Error())
	}
	return context.WithValue(ctx, callerKey{}, claims), nil
}

func incoming(ctx context.Context, name string) string {
	if values := metadata.ValueFromIncomingContext(ctx, name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// recover turns a panic into INTERNAL. What it was about goes to the log, not
// to the caller.
func (g guard) recover(method string, err *error) {
	if cause := recover(); cause != nil {
		g.Logger.Error("handler panicked", "method", method, "panic", cause, "stack", string(debug.Stack()))
		*err = status.Errorf(codes.Internal, "the handler of %s panicked", method)
	}
}
