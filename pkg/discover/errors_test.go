package discover_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/suokelife/suokectl/pkg/discover"
)

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// answering serves one reply to everything.
func answering(t *testing.T, code int, body string) string {
	return serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}).URL
}

// hide says what an agent says when ACLs hide a part of its reply.
func hide(w http.ResponseWriter) {
	w.Header().Set("X-Consul-LastContact", "0")
	w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
}

// closed is an address where nothing listens.
func closed(t *testing.T) string {
	t.Helper()
	listener := listen(t)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() }) // the test may have done it
	return listener
}

func tlsServer(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Consul-Index", "1")
		_, _ = io.WriteString(w, "[]")
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func TestFailures(t *testing.T) {
	hole := listen(t) // takes connections and never says a word
	secure := tlsServer(t)
	plain := answering(t, http.StatusOK, "[]")
	cut := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `[{"Node": {"Node`)
	})
	hidden := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		hide(w)
		_, _ = io.WriteString(w, "[]")
	})
	denied := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Consul-LastContact", "0")
		w.Header().Set("X-Consul-Default-ACL-Policy", "deny")
		_, _ = io.WriteString(w, "[]")
	})
	for _, row := range []struct {
		what   string
		config discover.Config
		kind   error
		want   string
	}{
		{"refused", discover.Config{Address: closed(t)}, discover.ErrUnreachable, "connection refused; is the agent running there?"},
		{"black hole", discover.Config{Address: hole.Addr().String(), Timeout: 50 * time.Millisecond}, discover.ErrUnreachable, "no answer in time"},
		{"TLS where plaintext was meant", discover.Config{Address: secure.Listener.Addr().String()}, discover.ErrUnreachable, "it speaks TLS and was asked in plaintext; is TLS missing?"},
		{"plaintext where TLS was meant", discover.Config{Address: strings.Replace(plain, "http:", "https:", 1)}, discover.ErrUnreachable, "it speaks plaintext and was asked with TLS"},
		{"certificate of an unknown CA", discover.Config{Address: secure.URL}, discover.ErrUnreachable, "is the CA's file missing?"},
		{"no HTTP", discover.Config{Address: accepting(t, "127.0.0.1:0", mail).HostPort()}, discover.ErrUnreachable, "it does not speak HTTP; is this"},
		{"500 with a text", discover.Config{Address: answering(t, 500, "rpc error: EOF")}, nil, "it answered 500 rpc error: EOF"},
		{"no leader", discover.Config{Address: answering(t, 500, "No cluster leader")}, nil, "its servers have not agreed on a leader; ask again"},
		{"a gateway's page", discover.Config{Address: answering(t, 502, "<html>\n502")}, discover.ErrUnreachable, "something before it answered 502 Bad Gateway"},
		{"somebody's login page", discover.Config{Address: answering(t, 403, "<!doctype html>\n<title>Sign in")}, discover.ErrUnreachable, "a web page answered, with 403 Forbidden; is this Consul's HTTP port?"},
		{"a wrong filter", discover.Config{Address: answering(t, 400, "Failed to create boolean expression evaluator: x")}, nil, "is the filter expression right?"},
		{"429", discover.Config{Address: answering(t, 429, "Your IP is issuing too many concurrent connections")}, nil, "it limits the rate"},
		{"ACL denied", discover.Config{Address: answering(t, 403, "Permission denied: token with AccessorID 'x' lacks permission 'service:read'")}, discover.ErrDenied, "lacks permission 'service:read'; it needs that, or another token"},
		{"ACL denied to nobody", discover.Config{Address: answering(t, 403, "Permission denied: anonymous token lacks permission 'service:read'. The anonymous token is used implicitly when a request does not specify a token.")}, discover.ErrDenied, "anonymous token lacks permission 'service:read'; is a token missing?"},
		{"unknown token", discover.Config{Address: answering(t, 403, "ACL not found"), Token: "secret-token"}, discover.ErrDenied, "does not know this token"},
		{"unknown datacenter", discover.Config{Address: answering(t, 500, "No path to datacenter")}, nil, "knows no such datacenter"},
		{"cut in the middle", discover.Config{Address: cut.URL}, discover.ErrUnreachable, "cut off in the middle"},
		{"a web page", discover.Config{Address: answering(t, 200, "<html>")}, nil, "a web page answered; is this Consul's HTTP port?"},
		{"not JSON", discover.Config{Address: answering(t, 200, "hello")}, nil, "its reply is not Consul's JSON (invalid character 'h' looking for beginning of value); is this Consul's HTTP port?"},
		{"404 of something else", discover.Config{Address: answering(t, 404, "404 page not found")}, nil, "it answered 404 404 page not found; is this Consul's HTTP port?"},
		{"JSON of something else", discover.Config{Address: answering(t, 200, `{"error": 1}`)}, nil, "is this Consul's HTTP port?"},
		{"shown nothing as nobody", discover.Config{Address: denied.URL}, discover.ErrFiltered, "is a token missing?"},
		{"filtered by ACLs", discover.Config{Address: hidden.URL}, discover.ErrFiltered, "ACLs hide a part of the reply"},
	} {
		t.Run(row.what, func(t *testing.T) {
			start := time.Now()
			_, err := client(t, row.config).Instances(t.Context(), "auth-service", discover.Query{})
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("got %v, want %q in it", err, row.want)
			}
			var request *discover.RequestError
			if !errors.As(err, &request) || !strings.HasPrefix(err.Error(), "list the instances of auth-service: Consul at "+row.config.Address) {
				t.Errorf("%v does not say what was attempted and where", err)
			}
			if row.kind != nil && !errors.Is(err, row.kind) {
				t.Errorf("%v is not %v", err, row.kind)
			}
			if errors.Is(err, discover.ErrNoInstance) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret-token") {
				t.Errorf("%q is taken for no instance, has several lines or a secret", err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestContextEnds(t *testing.T) {
	hole := listen(t)
	c := client(t, discover.Config{Address: hole.Addr().String()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Names(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.Services(ctx, discover.Query{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestTLS(t *testing.T) {
	server := tlsServer(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	writePEM(t, ca, server.Certificate().Raw)
	good := []discover.Config{
		{Address: server.Listener.Addr().String(), TLS: &discover.TLS{CA: ca, ServerName: "example.com"}},
		{Address: server.URL, TLS: &discover.TLS{CA: ca}},
		{Address: server.URL, TLS: &discover.TLS{CAPath: filepath.Dir(ca)}},
		{Address: server.URL, TLS: &discover.TLS{Insecure: true}},
	}
	for _, config := range good {
		_, err := client(t, config).Instances(t.Context(), "x", discover.Query{})
		if errors.Is(err, discover.ErrUnreachable) {
			t.Errorf("%+v: %v", config.TLS, err)
		}
	}
	_, err := client(t, discover.Config{Address: server.URL, TLS: &discover.TLS{CA: ca, ServerName: "elsewhere"}}).Names(t.Context())
	if err == nil || !strings.Contains(err.Error(), "is the server name to be set?") {
		t.Errorf("a certificate for another name: %v", err)
	}
}

func TestClientCertificateMissing(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	_, err := client(t, discover.Config{Address: server.URL, TLS: &discover.TLS{Insecure: true}}).Names(t.Context())
	if err == nil || !strings.Contains(err.Error(), "is a client certificate missing?") {
		t.Errorf("got %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, row := range []struct {
		config discover.Config
		want   string
	}{
		{discover.Config{}, discover.ErrNoAddress.Error()},
		{discover.Config{Address: "ftp://x"}, "is not host:port"},
		{discover.Config{Address: "http://"}, "is not host:port"},
		{discover.Config{Address: "http://a b"}, "address of Consul"},
		{discover.Config{Address: "https://user:secret@consul:8501"}, "configure them by themselves"},
		{discover.Config{Address: "https://user:secret@consul:port"}, "address of Consul"},
		{discover.Config{Address: "x:1", TLS: &discover.TLS{CA: "/nowhere/ca.pem"}}, "/nowhere/ca.pem"},
		{discover.Config{Address: "x:1", TLS: &discover.TLS{Cert: "/nowhere/cert.pem"}}, "both client cert and client key"},
	} {
		if _, err := discover.New(row.config); err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: got %v, want %q in it", row.config, err, row.want)
		}
	}
}

// TestNothingFromTheEnvironment sets every variable that Consul's own client reads, and sees what arrives.
func TestNothingFromTheEnvironment(t *testing.T) {
	stray := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("asked the address of the environment") })
	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte("from-a-file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"CONSUL_HTTP_ADDR": stray.URL, "CONSUL_HTTP_TOKEN": "from-the-environment", "CONSUL_HTTP_AUTH": "user:password",
		"CONSUL_HTTP_SSL": "true", "CONSUL_CACERT": "/nowhere", "CONSUL_CAPATH": "/nowhere", "CONSUL_CLIENT_CERT": "/nowhere",
		"CONSUL_CLIENT_KEY": "/nowhere", "CONSUL_TLS_SERVER_NAME": "stray", "CONSUL_NAMESPACE": "stray", "CONSUL_PARTITION": "stray",
		"HTTP_PROXY": stray.URL, "http_proxy": stray.URL,
	} {
		t.Setenv(name, value)
	}
	for _, file := range []string{"", tokenFile, "/nowhere/token"} {
		for _, token := range []string{"", "mine", "from-the-environment"} {
			t.Run(fmt.Sprintf("token %q, file %q", token, file), func(t *testing.T) {
				t.Setenv("CONSUL_HTTP_TOKEN_FILE", file)
				asked := false
				server := serve(t, func(w http.ResponseWriter, r *http.Request) {
					asked = true
					if got := r.Header.Get("X-Consul-Token"); got != token {
						t.Errorf("token is %q, want %q", got, token)
					}
					if r.Header.Get("Authorization") != "" || r.URL.Query().Has("ns") || r.URL.Query().Has("partition") {
						t.Errorf("asked %s with %v", r.URL, r.Header)
					}
					_, _ = io.WriteString(w, "{}")
				})
				c := client(t, discover.Config{Address: strings.TrimPrefix(server.URL, "http://"), Token: token})
				if _, err := c.Names(t.Context()); err != nil || !asked {
					t.Errorf("asked: %v, %v", asked, err)
				}
			})
		}
	}
}

func TestSpeaksAsConfigured(t *testing.T) {
	var got *http.Request
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = io.WriteString(w, "{}")
	})
	c := client(t, discover.Config{Address: server.URL + "/prefix/", Datacenter: "dc2", Namespace: "team", Partition: "part", Token: "t"})
	if _, err := c.Names(t.Context()); err != nil {
		t.Fatal(err)
	}
	query := got.URL.Query()
	if got.URL.Path != "/prefix/v1/catalog/services" || query.Get("dc") != "dc2" || query.Get("ns") != "team" ||
		query.Get("partition") != "part" || got.Header.Get("X-Consul-Token") != "t" {
		t.Errorf("asked %s with %v", got.URL, got.Header)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"here": []}`)
	})}}
	server.Start()
	t.Cleanup(server.Close)
	names, err := client(t, discover.Config{Address: "unix://" + path}).Names(t.Context())
	if err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
}

func writePEM(t *testing.T, path string, certificate []byte) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
