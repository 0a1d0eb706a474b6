package rpc_test

import (
	"context"
	"crypto/x509"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"

	"github.com/suokelife/suokectl/internal/lab/services"
	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/secure"
)

func welcome(context.Context) (*authv1.LoginResponse, error) { return &authv1.LoginResponse{}, nil }

func TestTimings(t *testing.T) {
	roots := newAuthority(t)
	roots.issue("server", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	config, err := secure.ClientTLS{CA: roots.file("ca")}.Config()
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "auth.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, listener, func(s *grpc.Server) {
		authv1.RegisterAuthServiceServer(s, authServer{login: welcome})
		reflection.Register(s)
	})
	secured := serveLogin(t, welcome, withTLS(roots.serverTLS("server", false))...)
	plain := serveLogin(t, welcome)
	for name, c := range map[string]struct {
		config                rpc.Config
		connect, tls, resolve bool
	}{
		"TLS":         {rpc.Config{Target: secured, TLS: config, Timings: true}, true, true, true},
		"plaintext":   {rpc.Config{Target: plain, Timings: true}, true, false, true},
		"a socket":    {rpc.Config{Target: "unix:" + socket, Timings: true}, true, false, true},
		"a socket //": {rpc.Config{Target: "unix://" + socket, Timings: true}, true, false, true},
		"discovered":  {rpc.Config{Target: "auth", Instances: fixed(plain), Timings: true}, true, false, true},
		"not wanted":  {rpc.Config{Target: plain}, false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			call := invoke(t, dial(t, c.config), "Login", "{}")
			got := call.Timings
			if call.Err() != nil {
				t.Fatal(call.Err())
			}
			if got.ConnectMS > 0 != c.connect || got.TLSMS > 0 != c.tls || got.ResolveMS > 0 != c.resolve || got.FirstByteMS > 0 != c.connect {
				t.Errorf("%+v", got)
			}
			if got.FirstByteMS > got.FirstMessageMS || got.FirstMessageMS > got.TotalMS || got.ResolveMS+got.TLSMS+got.ConnectMS > got.TotalMS {
				t.Errorf("the order is wrong: %+v", got)
			}
		})
	}
}

func TestSentHeadersAreShownWithoutCredentials(t *testing.T) {
	server := start(t, services.Options{Name: "user-service"})
	ch := dial(t, rpc.Config{Target: server.Addr(), Credentials: token(t), ClientVersion: "test/1", APIVersion: "v1"})
	call, err := ch.Call(t.Context(), rpc.Request{Method: "Stats", Headers: pairs("x-data-bin", "\x00\x01", "x-tenant", "blue")})
	if err != nil || call.Err() != nil {
		t.Fatal(err, call.Err())
	}
	for name, want := range map[string]string{
		"authorization": rpc.Redacted, "x-data-bin": "AAE=", "x-tenant": "blue", "x-client-version": "test/1", "x-api-version": "v1",
		"x-request-id": call.RequestID,
	} {
		if got := strings.Join(call.RequestHeaders[name], ","); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}
