package consulgrpc_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/consulgrpc"
)

// hole accepts connections and never answers.
func hole(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				_, _ = io.Copy(io.Discard, conn) // until the caller hangs up
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return listener.Addr().String()
}

func TestHealthProbe(t *testing.T) {
	well, state := serve(t, "127.0.0.1:0")
	state.SetServingStatus("auth.v1.Auth", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	overIPv6, _ := serve(t, "[::1]:0")
	locked, _ := serve(t, "127.0.0.1:0", grpc.UnaryInterceptor(func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
		return nil, fmt.Errorf("a token\nis missing")
	}))
	pair, roots := testCertificate(t)
	secured, _ := serve(t, "127.0.0.1:0", grpc.Creds(credentials.NewServerTLSFromCert(&pair)))
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	trusting := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "example.com"}
	for _, row := range []struct {
		what, address, service string
		config                 *tls.Config
		failure                discover.ProbeFailure
		reason                 string // is in it
	}{
		{what: "serving", address: well},
		{what: "serving over IPv6", address: overIPv6},
		{what: "not serving", address: well, service: "auth.v1.Auth", failure: discover.ProbeNotServing, reason: "it is NOT_SERVING"},
		{what: "unknown service", address: well, service: "nobody", failure: discover.ProbeNotServing, reason: `does not know "nobody"`},
		{what: "no health service", address: bare(t), failure: discover.ProbeProtocol, reason: "no service grpc.health.v1.Health"},
		{what: "refuses us", address: locked, failure: discover.ProbeOther, reason: "it answered Unknown: a token is missing"},
		{what: "refused", address: "127.0.0.1:1", failure: discover.ProbeRefused, reason: "connection refused"},
		{what: "no such host", address: "no.such.name.invalid:1", failure: discover.ProbeNoHost, reason: "no such host"},
		{what: "no port", address: "127.0.0.1:0", failure: discover.ProbeNoPort, reason: "without a port"},
		{what: "black hole", address: hole(t), failure: discover.ProbeTimeout, reason: "no answer in time"},
		{what: "black hole over TLS", address: hole(t), config: trusting, failure: discover.ProbeTimeout, reason: "no answer in time"},
		{what: "HTTP/1", address: strings.TrimPrefix(web.URL, "http://"), failure: discover.ProbeProtocol, reason: "does not answer as a gRPC server"},
		{what: "TLS", address: secured, config: trusting},
		{what: "TLS asked in plaintext", address: secured, failure: discover.ProbeProtocol, reason: "does not answer as a gRPC server"},
		{what: "plaintext asked with TLS", address: well, config: trusting, failure: discover.ProbeTLS, reason: "first record does not look like a TLS handshake"},
		{what: "unknown root", address: secured, config: &tls.Config{MinVersion: tls.VersionTLS12}, failure: discover.ProbeTLS, reason: "certificate is "},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			results := discover.ProbeAll(t.Context(), []discover.Instance{instanceAt(t, row.address)},
				consulgrpc.HealthProbe(row.service, row.config), discover.ProbeOptions{Timeout: 2 * time.Second})
			got := results[0]
			if got.Kind != "grpc" || got.OK != (row.failure == "") || got.Failure != row.failure || !strings.Contains(got.Reason, row.reason) {
				t.Errorf("got %+v", got)
			}
			if (got.Certificate != nil) != (row.address == secured && row.config != nil) {
				t.Errorf("certificate is %+v", got.Certificate)
			}
			if row.service != "" && got.Target != row.address+"/"+row.service {
				t.Errorf("target is %s", got.Target)
			}
		})
	}
}

// bare is a gRPC server without a health service.
func bare(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) }) // nil, by Stop
	t.Cleanup(func() {
		server.Stop()
		running.Wait()
	})
	return listener.Addr().String()
}

// testCertificate is net/http's own for tests, which is good for example.com.
func testCertificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return server.TLS.Certificates[0], roots
}

// A server is asked how it and one of its services are.
func ExampleHealthProbe() {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server, state := grpc.NewServer(), health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, state)
	state.SetServingStatus("auth.v1.Auth", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()

	instance := discover.Instance{Address: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port} //nolint:forcetypeassert // a TCP listener's
	for _, service := range []string{"", "auth.v1.Auth"} {
		results := discover.ProbeAll(context.Background(), []discover.Instance{instance}, consulgrpc.HealthProbe(service, nil), discover.ProbeOptions{})
		fmt.Printf("%q: %t %q\n", service, results[0].OK, results[0].Reason)
	}
	// Output:
	// "": true ""
	// "auth.v1.Auth": false "it is NOT_SERVING"
}
