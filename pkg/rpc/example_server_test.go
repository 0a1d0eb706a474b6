package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/secure"
)

// A server whose callers need a service token, which probes and tools do not.
func ExampleServerOptions() {
	server := grpc.NewServer(rpc.ServerOptions(rpc.ServerConfig{
		Verifier: &secure.Verifier{Secret: secret},
		Open:     rpc.HealthAndReflection(),
	})...)
	authv1.RegisterAuthServiceServer(server, authServer{login: func(ctx context.Context) (*authv1.LoginResponse, error) {
		caller, _ := secure.Caller(ctx)
		fmt.Println("called by", caller.Issuer)
		return &authv1.LoginResponse{}, nil
	}})
	reflection.Register(server)
	health := rpc.RegisterHealth(server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { _ = server.Serve(listener) }()

	ctx := context.Background()
	for _, issuer := range []string{"", "user-service"} {
		config := rpc.Config{Target: listener.Addr().String()}
		if issuer != "" {
			tokens, err := secure.NewTokenSource(secure.TokenConfig{Issuer: issuer, Secret: secret})
			if err != nil {
				panic(err)
			}
			config.Credentials = secure.CallCredentials{Token: tokens.Token, AllowPlaintext: true}
		}
		channel, err := rpc.NewChannel(ctx, config)
		if err != nil {
			panic(err)
		}
		answer, err := grpc_health_v1.NewHealthClient(channel).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		fmt.Println(answer.GetStatus(), err)
		_, err = authv1.NewAuthServiceClient(channel).Login(ctx, &authv1.LoginRequest{})
		fmt.Println(status.Code(err))
		channel.Close()
	}
	fmt.Println(health.Shutdown(ctx, 0)) // a service gives notice of some seconds
	// Output:
	// SERVING <nil>
	// Unauthenticated
	// SERVING <nil>
	// called by user-service
	// OK
	// <nil>
}

// What a failed call has tried.
func ExampleCallError() {
	server := grpc.NewServer()
	authv1.RegisterAuthServiceServer(server, authServer{login: func(context.Context) (*authv1.LoginResponse, error) {
		return nil, status.Error(codes.Unavailable, "the session store is away")
	}})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	channel, err := rpc.NewChannel(context.Background(), rpc.Config{
		Target: listener.Addr().String(),
		Retry:  &rpc.Retry{Tries: 2, AttemptTimeout: time.Second, Backoff: resilience.Backoff{First: 10 * time.Millisecond}},
	})
	if err != nil {
		panic(err)
	}
	defer channel.Close()
	_, err = authv1.NewAuthServiceClient(channel).Login(context.Background(), &authv1.LoginRequest{})
	fmt.Println(err)
	if failed, ok := errors.AsType[*rpc.CallError](err); ok {
		for _, attempt := range failed.Attempts {
			fmt.Println(attempt.Number, attempt.Code, attempt.RetryReason)
		}
	}
	// Output:
	// UNAVAILABLE: the session store is away (after 2 tries)
	// 1 UNAVAILABLE UNAVAILABLE is retried
	// 2 UNAVAILABLE
}

// A target as people type it.
func ExampleParseTarget() {
	for _, text := range []string{"auth-service", "consul:///auth-service?version=v1&tag=prod", "127.0.0.1:50051", "unix:/run/auth.sock"} {
		target, err := rpc.ParseTarget(text)
		fmt.Printf("%q %q %q %v %v\n", target.Service, target.Address, target.Version, target.Tags, err)
	}
	// Output:
	// "auth-service" "" "" [] <nil>
	// "auth-service" "" "v1" [prod] <nil>
	// "" "127.0.0.1:50051" "" [] <nil>
	// "" "unix:/run/auth.sock" "" [] <nil>
}

// Definitions from proto sources, for a server without reflection.
func ExampleCompileProtos() {
	dir, err := os.MkdirTemp("", "protos-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	source := `syntax = "proto3"; package shop.v1; message Order { string item = 1; } service Shop { rpc Buy(Order) returns (Order); }`
	if err := os.WriteFile(filepath.Join(dir, "shop.proto"), []byte(source), 0o600); err != nil {
		panic(err)
	}
	definitions, err := rpc.CompileProtos([]string{dir}, "shop.proto")
	if err != nil {
		panic(err)
	}
	methods, err := definitions.Methods("Shop")
	fmt.Println(methods[0].FullName, methods[0].Kind, err)
	_, err = definitions.Method("Byu")
	fmt.Println(err)
	// Output:
	// shop.v1.Shop/Buy unary <nil>
	// the definitions have no method "Byu"; did you mean shop.v1.Shop/Buy?
}
