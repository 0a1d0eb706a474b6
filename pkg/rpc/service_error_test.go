package rpc_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// TestServiceErrorsCrossTheWire returns each kind from a handler and finds it in the caller's error.
func TestServiceErrorsCrossTheWire(t *testing.T) {
	var answer error
	address := serveLogin(t, func(context.Context) (*authv1.LoginResponse, error) { return nil, answer }, rpc.ServerOptions(rpc.ServerConfig{Open: []string{"suokelife.auth.v1.AuthService"}})...)
	ch := dial(t, rpc.Config{Target: address, Retry: once()})
	details := map[string]any{"limit": 5.0, "who": "ada", "nested": map[string]any{"a": []any{true, nil}}}
	for _, c := range []struct {
		name string
		err  error
		code codes.Code
	}{
		{"temporary", resilience.NewTemporary("busy", "too many at once", details), codes.Unavailable},
		{"permanent", resilience.NewPermanent("gone", "the account is closed", nil), codes.FailedPrecondition},
		{"unavailable", resilience.NewUnavailable("ledger", details), codes.Unavailable},
		{"of no kind", &resilience.ServiceError{Code: "odd", Message: "odd"}, codes.FailedPrecondition},
		{"with a cause that has a status", &resilience.ServiceError{Code: "no_user", Message: "nobody of that name", Err: status.Error(codes.NotFound, "x")}, codes.NotFound},
		{"wrapped", errors.Join(errors.New("while logging in"), resilience.NewTemporary("busy", "too many at once", nil)), codes.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer = c.err
			err := logIn(t.Context(), ch)
			if status.Code(err) != c.code {
				t.Errorf("code %v, want %v", status.Code(err), c.code)
			}
			sent, _ := errors.AsType[*resilience.ServiceError](c.err)
			got, ok := errors.AsType[*resilience.ServiceError](err)
			if !ok || got.Code != sent.Code || got.Message != sent.Message || got.Retry != sent.Retry || got.Timeout != sent.Timeout || !reflect.DeepEqual(got.Details, sent.Details) {
				t.Errorf("got %+v, want %+v", got, sent)
			}
			if kinds(err) != kinds(c.err) {
				t.Errorf("kinds %v, want %v", kinds(err), kinds(c.err))
			}
		})
	}
}

func kinds(err error) [3]bool {
	_, temporary := errors.AsType[*resilience.TemporaryError](err)
	_, permanent := errors.AsType[*resilience.PermanentError](err)
	_, unavailable := errors.AsType[*resilience.UnavailableError](err)
	return [3]bool{temporary, permanent, unavailable}
}

// TestServiceStatusRoundTrip holds FromStatus(ServiceStatus(e)) to what e says, for any e.
func TestServiceStatusRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := &resilience.ServiceError{
			Code: rapid.String().Draw(t, "code"), Message: rapid.String().Draw(t, "message"), Retry: rapid.Bool().Draw(t, "retry"),
		}
		if sent.Retry {
			sent.Timeout = time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "timeout"))
		}
		if names := rapid.SliceOfDistinct(rapid.String(), rapid.ID[string]).Draw(t, "names"); len(names) > 0 {
			sent.Details = map[string]any{}
			for _, name := range names {
				sent.Details[name] = rapid.String().Draw(t, "value")
			}
		}
		s, ok := rpc.ServiceStatus(sent)
		if !ok {
			t.Fatal("no status")
		}
		got, ok := errors.AsType[*resilience.ServiceError](rpc.FromStatus(s.Err()))
		if !ok || !reflect.DeepEqual(got, sent) {
			t.Fatalf("got %+v, want %+v", got, sent)
		}
	})
}

// TestForeignStatusesStayWhatTheyAre have no service error in them.
func TestForeignStatusesStayWhatTheyAre(t *testing.T) {
	foreign, err := status.New(codes.Unavailable, "busy").WithDetails(&errdetails.ErrorInfo{Reason: "BUSY", Domain: "elsewhere.example"})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{foreign.Err(), status.Error(codes.NotFound, "x"), errors.New("no status"), nil} {
		if got := rpc.FromStatus(err); got != err { //nolint:errorlint // the very same is wanted
			t.Errorf("FromStatus(%v) = %v", err, got)
		}
	}
	if _, ok := rpc.ServiceStatus(errors.New("any")); ok {
		t.Error("a plain error has a service status")
	}
}

// TestTheServersDelayWins waits as long as google.rpc.RetryInfo asks, where the backoff would wait a minute.
func TestTheServersDelayWins(t *testing.T) {
	var calls int
	address := serveLogin(t, func(context.Context) (*authv1.LoginResponse, error) {
		if calls++; calls > 1 {
			return &authv1.LoginResponse{}, nil
		}
		s, err := status.New(codes.Unavailable, "busy").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Millisecond)})
		if err != nil {
			return nil, err
		}
		return nil, s.Err()
	})
	ch := dial(t, rpc.Config{Target: address, Retry: &rpc.Retry{Tries: 2, AttemptTimeout: time.Second, Backoff: resilience.Backoff{First: time.Minute}}})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := logIn(ctx, ch); err != nil || calls != 2 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

// TestStreamsCarryServiceErrors asks a server stream that ends with one.
func TestStreamsCarryServiceErrors(t *testing.T) {
	address := serveWatch(t, func() error { return resilience.NewUnavailable("health", nil) })
	ch := dial(t, rpc.Config{Target: address})
	err := watchHealth(t.Context(), ch)
	if _, ok := errors.AsType[*resilience.UnavailableError](err); !ok || status.Code(err) != codes.Unavailable {
		t.Errorf("err = %v, want *resilience.UnavailableError", err)
	}
}
