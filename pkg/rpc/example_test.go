package rpc_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/suokelife/suokectl/internal/lab/services"
	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
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
