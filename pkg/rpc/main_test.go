package rpc_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/reflection"

	"github.com/suokelife/suokectl/internal/lab/services"
	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/secure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secret = []byte("a secret that services share")

const login = `{"username":"ada","password":"correct horse"}`

// token returns credentials that may travel in plaintext.
func token(t *testing.T) secure.CallCredentials {
	t.Helper()
	source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "rpc-test", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	return secure.CallCredentials{Token: source.Token, AllowPlaintext: true}
}

// quick are the specification's retries with short waits.
func quick() *rpc.Retry {
	return &rpc.Retry{Tries: 3, AttemptTimeout: 2 * time.Second, Backoff: resilience.Backoff{First: 10 * time.Millisecond}}
}

// start starts a demo service for the length of a test.
func start(t *testing.T, o services.Options) *services.Server {
	t.Helper()
	o.Secret = secret
	s, err := services.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// serve starts a server of the test's own.
func serve(t *testing.T, register func(*grpc.Server), options ...grpc.ServerOption) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, listener, register, options...)
	return listener.Addr().String()
}

func serveOn(t *testing.T, listener net.Listener, register func(*grpc.Server), options ...grpc.ServerOption) {
	t.Helper()
	server := grpc.NewServer(options...)
	register(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// authServer answers Login by a function.
type authServer struct {
	authv1.UnimplementedAuthServiceServer
	login func(context.Context) (*authv1.LoginResponse, error)
}

func (s authServer) Login(ctx context.Context, _ *authv1.LoginRequest) (*authv1.LoginResponse, error) {
	return s.login(ctx)
}

func serveLogin(t *testing.T, answer func(context.Context) (*authv1.LoginResponse, error), options ...grpc.ServerOption) string {
	t.Helper()
	return serve(t, func(s *grpc.Server) {
		authv1.RegisterAuthServiceServer(s, authServer{login: answer})
		reflection.Register(s)
	}, options...)
}

func withTLS(c credentials.TransportCredentials) []grpc.ServerOption {
	return []grpc.ServerOption{grpc.Creds(c)}
}

// dial opens a channel for the length of a test.
func dial(t *testing.T, c rpc.Config) *rpc.Channel {
	t.Helper()
	if c.Retry == nil {
		c.Retry = quick()
	}
	ch, err := rpc.NewChannel(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ch.Close(); err != nil {
			t.Error(err)
		}
	})
	return ch
}

func fixed(addresses ...string) func(context.Context) ([]string, error) {
	return func(context.Context) ([]string, error) { return addresses, nil }
}

// refusing returns an address where nothing listens.
func refusing(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// blackHole accepts connections and never answers.
func blackHole(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var held []net.Conn
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			held = append(held, conn)
		}
		for _, conn := range held {
			conn.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	return listener.Addr().String()
}

func invoke(t *testing.T, ch *rpc.Channel, method, body string) *rpc.Call {
	t.Helper()
	call, err := ch.Call(t.Context(), rpc.Request{Method: method, Body: strings.NewReader(body)})
	if err != nil {
		t.Fatalf("Invoke(%s): %v", method, err)
	}
	return call
}

func wantError(t *testing.T, err, want error, text string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
		t.Errorf("err = %v, want %v with %q", err, want, text)
	}
}
