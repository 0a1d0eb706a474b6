package rpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/secure"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

// watchServer ends each Watch with an error, without an answer.
type watchServer struct {
	grpc_health_v1.UnimplementedHealthServer
	end func() error
}

func (s watchServer) Watch(*grpc_health_v1.HealthCheckRequest, grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	return s.end()
}

func serveWatch(t *testing.T, end func() error) string {
	t.Helper()
	options := rpc.ServerOptions(rpc.ServerConfig{Open: rpc.HealthAndReflection()})
	return serve(t, func(s *grpc.Server) { grpc_health_v1.RegisterHealthServer(s, watchServer{end: end}) }, options...)
}

func watchHealth(ctx context.Context, conn grpc.ClientConnInterface) error {
	stream, err := grpc_health_v1.NewHealthClient(conn).Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return err
	}
	_, err = stream.Recv()
	return err
}

// TestAccessLog reads the lines of a call that goes well, one that is refused and one that panics.
func TestAccessLog(t *testing.T) {
	var text bytes.Buffer
	answer := func(context.Context) (*authv1.LoginResponse, error) { return &authv1.LoginResponse{}, nil }
	options := rpc.ServerOptions(rpc.ServerConfig{
		Verifier: &secure.Verifier{Secret: secret}, AccessLog: slog.New(slog.NewJSONHandler(&text, nil)),
	})
	address := serveLogin(t, func(ctx context.Context) (*authv1.LoginResponse, error) { return answer(ctx) }, options...)
	ch := dial(t, rpc.Config{Target: address, Credentials: token(t), ClientVersion: "test/1", Retry: once()})
	ctx := telemetry.WithRequestID(t.Context(), "order-1")
	if err := logIn(ctx, ch); err != nil {
		t.Error(err)
	}
	_ = logIn(ctx, dial(t, rpc.Config{Target: address, Retry: once()}))
	answer = func(context.Context) (*authv1.LoginResponse, error) { panic("boom") }
	_ = logIn(ctx, ch)

	var lines []map[string]any
	for decoder := json.NewDecoder(&text); decoder.More(); {
		var line map[string]any
		if err := decoder.Decode(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	want := []map[string]any{
		{"level": "INFO", "code": "OK", "caller": "rpc-test", "client_version": "test/1"},
		{"level": "INFO", "code": "UNAUTHENTICATED", "caller": nil, "client_version": nil},
		{"level": "WARN", "code": "INTERNAL", "caller": "rpc-test", "client_version": "test/1"},
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d: %v", len(lines), len(want), lines)
	}
	for i, line := range lines {
		want[i]["method"], want[i]["request_id"] = "suokelife.auth.v1.AuthService/Login", "order-1"
		for name, value := range want[i] {
			if line[name] != value {
				t.Errorf("line %d: %s = %v, want %v", i+1, name, line[name], value)
			}
		}
		if d, ok := line["duration"].(float64); !ok || d <= 0 || !strings.HasPrefix(line["peer"].(string), "127.0.0.1:") {
			t.Errorf("line %d: duration %v, peer %v", i+1, line["duration"], line["peer"])
		}
	}
}

// TestSpans has a caller, a service that calls another one, and one trace through all.
func TestSpans(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	tracer := provider.Tracer("test")
	open := []string{"suokelife.auth.v1.AuthService"}
	leaf := serveLogin(t, func(context.Context) (*authv1.LoginResponse, error) {
		return nil, status.Error(codes.Internal, "boom")
	}, rpc.ServerOptions(rpc.ServerConfig{Open: open, Tracer: tracer})...)
	toLeaf := dial(t, rpc.Config{Target: leaf, Tracer: tracer, Retry: once()})
	middle := serveLogin(t, func(ctx context.Context) (*authv1.LoginResponse, error) {
		_ = logIn(ctx, toLeaf)
		return &authv1.LoginResponse{}, nil
	}, rpc.ServerOptions(rpc.ServerConfig{Open: open})...) // hands the trace on without a tracer of its own
	if err := logIn(t.Context(), dial(t, rpc.Config{Target: middle, Tracer: tracer})); err != nil {
		t.Fatal(err)
	}
	var got []string
	traces := map[trace.TraceID]bool{}
	byID := map[trace.SpanID]sdktrace.ReadOnlySpan{}
	for _, span := range recorder.Ended() {
		byID[span.SpanContext().SpanID()] = span
	}
	for _, span := range recorder.Ended() {
		parent := "root"
		if p := byID[span.Parent().SpanID()]; p != nil {
			parent = p.SpanKind().String()
		}
		got = append(got, span.SpanKind().String()+" below "+parent+": "+span.Status().Code.String())
		traces[span.SpanContext().TraceID()] = true
		if span.Name() != "suokelife.auth.v1.AuthService/Login" || !has(span, attribute.String("rpc.service", "suokelife.auth.v1.AuthService")) || !has(span, attribute.String("rpc.method", "Login")) {
			t.Errorf("span %s with %v", span.Name(), span.Attributes())
		}
	}
	want := []string{"server below client: Error", "client below client: Error", "client below root: Unset"}
	if !slices.Equal(got, want) || len(traces) != 1 {
		t.Errorf("spans %q in %d traces, want %q in one", got, len(traces), want)
	}
}

func has(span sdktrace.ReadOnlySpan, want attribute.KeyValue) bool {
	return slices.Contains(span.Attributes(), want)
}

// TestTheDeadlineGoesAlong sees the caller's deadline two servers down.
func TestTheDeadlineGoesAlong(t *testing.T) {
	open := []string{"suokelife.auth.v1.AuthService"}
	var left time.Duration
	leaf := serveLogin(t, func(ctx context.Context) (*authv1.LoginResponse, error) {
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
		return &authv1.LoginResponse{}, nil
	}, rpc.ServerOptions(rpc.ServerConfig{Open: open})...)
	toLeaf := dial(t, rpc.Config{Target: leaf, Retry: &rpc.Retry{Tries: 1}})
	middle := serveLogin(t, func(ctx context.Context) (*authv1.LoginResponse, error) {
		return &authv1.LoginResponse{}, logIn(ctx, toLeaf)
	}, rpc.ServerOptions(rpc.ServerConfig{Open: open})...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := logIn(ctx, dial(t, rpc.Config{Target: middle, Retry: &rpc.Retry{Tries: 1}})); err != nil {
		t.Fatal(err)
	}
	if left <= 0 || left > time.Minute {
		t.Errorf("%v are left, want the rest of a minute", left)
	}
}

// TestContextErrorsOfHandlers are statuses, as a handler returns them from what it calls.
func TestContextErrorsOfHandlers(t *testing.T) {
	for err, want := range map[error]codes.Code{
		context.DeadlineExceeded: codes.DeadlineExceeded,
		context.Canceled:         codes.Canceled,
		errors.New("any"):        codes.Unknown,
	} {
		address := serveWatch(t, func() error { return err })
		if got := watchHealth(t.Context(), dial(t, rpc.Config{Target: address})); status.Code(got) != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}
