package rpc

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/pkg/secure"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

// begin gives a call its request id and its trace, and returns what is to be done
// at its end: recover a panic, which becomes INTERNAL, turn a service error into
// a status, and tell the log and the span.
func (g guard) begin(ctx context.Context, method string) (context.Context, func(context.Context, any, error) error) {
	start := time.Now()
	ctx = telemetry.WithRequestID(ctx, incoming(ctx, g.Headers.RequestID))
	// It fails only when headers have been sent, which nobody has done yet.
	_ = grpc.SetHeader(ctx, metadata.Pairs(g.Headers.RequestID, telemetry.RequestID(ctx)))
	ctx = trace.ContextWithRemoteSpanContext(ctx, telemetry.ParseTrace(func(name string) string { return incoming(ctx, name) }))
	ctx, span := startSpan(ctx, g.Tracer, method, trace.SpanKindServer)
	return ctx, func(ctx context.Context, panicked any, err error) error {
		if panicked != nil {
			// What it was about goes to the log, not to the caller.
			g.Logger.ErrorContext(ctx, "handler panicked", "method", method, "panic", panicked, "stack", string(debug.Stack()))
			err = status.Errorf(codes.Internal, "the handler of %s panicked", method)
		}
		err = asStatus(err)
		endSpan(span, err, isServerFault(status.Code(err)))
		g.logAccess(ctx, method, err, time.Since(start))
		return err
	}
}

// asStatus returns the error as gRPC sends it.
func asStatus(err error) error {
	if s, ok := ServiceStatus(err); ok {
		return s.Err()
	}
	if _, ok := status.FromError(err); !ok && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return status.FromContextError(err).Err()
	}
	return err
}

func (g guard) logAccess(ctx context.Context, method string, err error, took time.Duration) {
	if g.AccessLog == nil {
		return
	}
	code, level := status.Code(err), slog.LevelInfo
	if isServerFault(code) {
		level = slog.LevelWarn
	}
	attributes := []slog.Attr{
		slog.String("method", strings.TrimPrefix(method, "/")),
		slog.String("code", CodeName(code)),
		slog.Duration("duration", took),
		slog.String("request_id", telemetry.RequestID(ctx)),
	}
	add := func(name, value string) {
		if value != "" {
			attributes = append(attributes, slog.String(name, value))
		}
	}
	if caller, ok := secure.Caller(ctx); ok {
		add("caller", caller.Issuer)
	}
	if from, ok := peer.FromContext(ctx); ok {
		add("peer", from.Addr.String())
	}
	add("client_version", incoming(ctx, g.Headers.ClientVersion))
	add("error", status.Convert(err).Message())
	g.AccessLog.LogAttrs(ctx, level, "call", attributes...)
}

// isServerFault reports whether a code says that the server failed and not the
// caller (https://opentelemetry.io/docs/specs/semconv/rpc/grpc/).
func isServerFault(code codes.Code) bool {
	switch code {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		return true
	default:
		return false
	}
}

// startSpan begins a call's span with the attributes of T1: the service and the
// bare method; its name is the convention's full one. It returns nil with no
// tracer.
func startSpan(ctx context.Context, tracer trace.Tracer, method string, kind trace.SpanKind) (context.Context, trace.Span) {
	if tracer == nil {
		return ctx, nil
	}
	name := strings.TrimPrefix(method, "/")
	service, bare, _ := strings.Cut(name, "/")
	return tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(
		attribute.String("rpc.system", "grpc"),
		attribute.String("rpc.service", service),
		attribute.String("rpc.method", bare),
		attribute.String("request_id", telemetry.RequestID(ctx)),
	))
}

// endSpan ends a call's span; failed says whether the call counts as an error of
// the span's side.
func endSpan(span trace.Span, err error, failed bool) {
	if span == nil {
		return
	}
	s := status.Convert(err)
	span.SetAttributes(attribute.Int("rpc.grpc.status_code", int(s.Code())))
	if failed {
		span.SetStatus(otelcodes.Error, s.Message())
	}
	span.End()
}
