package rpc_test

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

// A bare channel shows an instance that fails as it is, however often it does.
func TestBareCallsAreNotRepeatedNorKeptFromAnInstance(t *testing.T) {
	var seen []metadata.MD
	bad := serveLogin(t, func(ctx context.Context) (*authv1.LoginResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		seen = append(seen, md)
		return nil, status.Error(codes.Unavailable, "not today")
	})
	good := serveLogin(t, func(context.Context) (*authv1.LoginResponse, error) { return &authv1.LoginResponse{}, nil })
	ch := dial(t, rpc.Config{Target: "auth-service", Instances: fixed(good, bad), Bare: true, APIVersion: "v1"})
	client := authv1.NewAuthServiceClient(ch)
	outcomes := map[string]int{}
	const wanted = 10 // more than open a breaker
	done := func() bool { return outcomes[bad+" Unavailable"] >= wanted && outcomes[good+" OK"] >= wanted }
	for i := 0; !done() && i < 50_000; i++ { // the second connection may take its time
		var at peer.Peer
		_, err := client.Login(t.Context(), &authv1.LoginRequest{}, grpc.WaitForReady(true), grpc.Peer(&at))
		outcomes[at.Addr.String()+" "+status.Code(err).String()]++
	}
	if len(outcomes) != 2 || !done() {
		t.Errorf("outcomes: %v", outcomes)
	}
	for _, md := range seen {
		if md.Get("x-request-id") != nil || md.Get("traceparent") != nil {
			t.Errorf("a bare call has headers of the channel: %v", md)
		}
	}
}

func TestHeadersAreThoseThatCallsCarry(t *testing.T) {
	ch := dial(t, rpc.Config{Target: refusing(t), APIVersion: "v2", ClientVersion: "test/1"})
	ctx := metadata.AppendToOutgoingContext(telemetry.WithRequestID(t.Context(), "one-run"), "x-mine", "yes")
	md := ch.Headers(ctx)
	for name, want := range map[string]string{"x-request-id": "one-run", "x-api-version": "v2", "x-client-version": "test/1", "x-mine": "yes"} {
		if got := md.Get(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestEncode(t *testing.T) {
	ch := dial(t, rpc.Config{Target: serveLogin(t, nil)})
	descriptors := ch.Reflect(t.Context())
	defer descriptors.Close()
	method, err := descriptors.Method("Login")
	if err != nil {
		t.Fatal(err)
	}
	wire, err := descriptors.Encode(method.Input(), []byte(login))
	var got authv1.LoginRequest
	if err != nil || proto.Unmarshal(wire, &got) != nil || got.GetUsername() != "ada" {
		t.Errorf("Encode = %q, %v: %v", wire, err, &got)
	}
	var field *rpc.FieldError
	if _, err := descriptors.Encode(method.Input(), []byte(`{"user":1}`)); !errors.As(err, &field) || field.Path != "user" {
		t.Errorf("a field that is not there: %v", err)
	}
}
