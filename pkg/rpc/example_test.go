package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/internal/lab/services"
	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/secure"
)

// A resilient client of a discovered service, for generated stubs and for calls
// by name.
func Example() {
	server, err := services.Start(services.Options{Name: "auth-service", Secret: secret})
	if err != nil {
		panic(err)
	}
	defer server.Close()

	tokens, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "user-service", Secret: secret})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	channel, err := rpc.NewChannel(ctx, rpc.Config{
		Target:      "auth-service",
		Instances:   func(context.Context) ([]string, error) { return []string{server.Addr()}, nil },
		Credentials: secure.CallCredentials{Token: tokens.Token, AllowPlaintext: true},
	})
	if err != nil {
		panic(err)
	}
	defer channel.Close()

	session, err := authv1.NewAuthServiceClient(channel).Login(ctx, &authv1.LoginRequest{Username: "ada", Password: "correct horse"})
	fmt.Println(session.GetAccessToken() != "", err)

	call, err := channel.Call(ctx, rpc.Request{Method: "Login", Body: strings.NewReader(`{"username":"ada","password":"guess"}`)})
	fmt.Println(call.Status.Code, call.Status.Message, err)
	// Output:
	// true <nil>
	// UNAUTHENTICATED username or password is wrong <nil>
}

// Stubs of a pool are made once; each call finds the present channel of its key.
func ExamplePool() {
	server, err := services.Start(services.Options{Name: "auth-service", Secret: secret})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	tokens, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "user-service", Secret: secret})
	if err != nil {
		panic(err)
	}

	pool := rpc.NewPool(rpc.PoolConfig{Dial: func(k rpc.Key) (rpc.Config, error) {
		return rpc.Config{
			Target:      k.Service,
			Instances:   func(context.Context) ([]string, error) { return []string{server.Addr()}, nil },
			APIVersion:  k.Version,
			Credentials: secure.CallCredentials{Token: tokens.Token, AllowPlaintext: true},
		}, nil
	}})
	defer pool.Close()
	auth := authv1.NewAuthServiceClient(pool.Conn(rpc.Key{Service: "auth-service", Version: "v1"}))

	session, err := auth.Login(context.Background(), &authv1.LoginRequest{Username: "ada", Password: "correct horse"})
	fmt.Println(session.GetAccessToken() != "", err)
	// Output: true <nil>
}

// A handler's error says whether and when to try again, and the caller's error
// says the same.
func ExampleServiceStatus() {
	handled := resilience.NewTemporary("quota_exceeded", "the daily quota is used up", map[string]any{"limit": 100})
	sent, _ := rpc.ServiceStatus(handled)

	received := rpc.FromStatus(sent.Err())
	if service, ok := errors.AsType[*resilience.ServiceError](received); ok {
		fmt.Println(sent.Code(), service.Code, service.Details["limit"], service.Retry, service.Timeout)
	}
	// Output: Unavailable quota_exceeded 100 true 1s
}

// When the only instance of a service has failed too often, calls fail at once,
// and a fallback takes over.
func ExampleUnavailableError() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	down := authServer{login: func(context.Context) (*authv1.LoginResponse, error) {
		return nil, resilience.NewUnavailable("auth", nil)
	}}
	server := grpc.NewServer(rpc.ServerOptions(rpc.ServerConfig{Open: []string{"suokelife.auth.v1.AuthService"}})...)
	defer server.Stop()
	authv1.RegisterAuthServiceServer(server, down)
	go func() { _ = server.Serve(listener) }()

	ctx := context.Background()
	channel, err := rpc.NewChannel(ctx, rpc.Config{
		Target:    "auth-service",
		Instances: func(context.Context) ([]string, error) { return []string{listener.Addr().String()}, nil },
		Retry:     &rpc.Retry{Tries: 1, AttemptTimeout: 5 * time.Second},
		Breaker:   &resilience.BreakerConfig{Failures: 2},
	})
	if err != nil {
		panic(err)
	}
	defer channel.Close()
	logIn := func(ctx context.Context) (string, error) { return "", logIn(ctx, channel) }
	askCache := func(_ context.Context, err *rpc.UnavailableError) (string, error) {
		return "the cache of " + err.Service, nil
	}
	for range 3 {
		answer, err := resilience.WithFallback(ctx, logIn, askCache)
		fmt.Printf("%q %v\n", answer, status.Code(err))
	}
	// Output:
	// "" Unavailable
	// "" Unavailable
	// "the cache of auth-service" OK
}

// Through a mesh: the sidecar finds the instances of the host, and of the version
// on which its routes match.
func ExampleConfig_mesh() {
	sidecar, err := services.Start(services.Options{Name: "auth-service", Secret: secret}) // stands for it
	if err != nil {
		panic(err)
	}
	defer sidecar.Close()
	tokens, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "user-service", Secret: secret})
	if err != nil {
		panic(err)
	}
	channel, err := rpc.NewChannel(context.Background(), rpc.Config{
		Target:      sidecar.Addr(),
		Authority:   "auth-service",
		APIVersion:  "v1",
		Credentials: secure.CallCredentials{Token: tokens.Token, AllowPlaintext: true}, // as far as the sidecar
	})
	if err != nil {
		panic(err)
	}
	defer channel.Close()
	call, err := channel.Call(context.Background(), rpc.Request{
		Method: "Login", Body: strings.NewReader(`{"username":"ada","password":"correct horse"}`),
	})
	fmt.Println(call.Status.Code, call.RequestHeaders["x-api-version"], err)
	// Output: OK [v1] <nil>
}

// A service with no instance is known before any call.
func ExampleDiscoveryError() {
	_, err := rpc.NewChannel(context.Background(), rpc.Config{
		Target:    "auth-service",
		Instances: func(context.Context) ([]string, error) { return nil, nil },
	})
	if nobody, ok := errors.AsType[*rpc.DiscoveryError](err); ok {
		fmt.Println(nobody.Service, errors.Is(err, rpc.ErrNoInstances))
		fmt.Println(err)
	}
	// Output:
	// auth-service true
	// find auth-service: it has no instances
}

// Why a server cannot be talked to, which gRPC says in text alone.
func ExampleTransportError() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	listener.Close() // nothing listens there any more
	channel, err := rpc.NewChannel(context.Background(), rpc.Config{Target: listener.Addr().String(), Name: "auth-service"})
	if err != nil {
		panic(err)
	}
	defer channel.Close()
	_, err = authv1.NewAuthServiceClient(channel).Login(context.Background(), &authv1.LoginRequest{})
	err = channel.Explain(err)
	fmt.Println(errors.Is(err, rpc.ErrRefused), status.Code(err))
	// Output: true Unavailable
}
