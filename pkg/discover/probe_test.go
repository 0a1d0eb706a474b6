package discover_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/suokelife/suokectl/pkg/discover"
)

// accepting accepts connections and hands each to serve in a goroutine, until the test ends.
func accepting(t *testing.T, address string, serve func(net.Conn)) discover.Instance {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
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
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return instanceAt(t, listener.Addr().String())
}

// neverAnswers reads until the caller hangs up and never answers.
func neverAnswers(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// mail speaks first, and not HTTP.
func mail(conn net.Conn) { _, _ = io.WriteString(conn, "220 mail at your service\r\n") }

func instanceAt(t *testing.T, address string) discover.Instance {
	t.Helper()
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return discover.Instance{ID: "i-" + text, Name: "i", Address: host, Port: port}
}

// deadInstance is an address at which nothing listens.
func deadInstance(t *testing.T) discover.Instance {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return instanceAt(t, listener.Addr().String())
}

// testCA signs certificates.
type testCA struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newTestCA(t *testing.T) testCA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour * 48), NotAfter: time.Now().Add(time.Hour * 24 * 365), KeyUsage: x509.KeyUsageCertSign,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return testCA{certificate, key}
}

func (a testCA) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// serverFor returns a server's configuration with a certificate for a host that ends at the time given.
func (a testCA) serverFor(t *testing.T, host string, notAfter time.Time) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "auth"}, NotBefore: time.Now().Add(-time.Hour * 24),
		NotAfter: notAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// listenTLS serves HTTP over TLS with a status.
func listenTLS(t *testing.T, config *tls.Config, status int) discover.Instance {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = config
	server.StartTLS()
	t.Cleanup(server.Close)
	return instanceAt(t, server.Listener.Addr().String())
}

func probe(t *testing.T, instance discover.Instance, choose discover.Prober) discover.ProbeResult {
	t.Helper()
	results := discover.ProbeAll(t.Context(), []discover.Instance{instance}, choose, discover.ProbeOptions{Timeout: 5 * time.Second})
	return results[0]
}

func TestProbe(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			http.Error(w, "database\nis away", http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(web.Close)
	at := instanceAt(t, web.Listener.Addr().String())
	hangsUp := accepting(t, "127.0.0.1:0", func(net.Conn) {})
	hints := accepting(t, "127.0.0.1:0", func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
	})
	endless := accepting(t, "127.0.0.1:0", func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for err := error(nil); err == nil; _, err = io.WriteString(c, "X-More: and more\r\n") {
		}
	})
	talks := accepting(t, "127.0.0.1:0", mail)
	for _, row := range []struct {
		what     string
		instance discover.Instance
		choose   discover.Prober
		failure  discover.ProbeFailure
		reason   string // is in it
	}{
		{"TCP", at, discover.TCPProbe, "", ""},
		{"TCP that is refused", deadInstance(t), discover.TCPProbe, discover.ProbeRefused, "connection refused"},
		{"no port", discover.Instance{Address: "127.0.0.1"}, discover.TCPProbe, discover.ProbeNoPort, "without a port"},
		{"no such name", discover.Instance{Address: "no.such.name.invalid", Port: 1}, discover.TCPProbe, discover.ProbeNoHost, "no such host"},
		{"no such address", discover.Instance{Address: "not an address", Port: 1}, discover.TCPProbe, discover.ProbeNoHost, "no such host"},
		{"HTTP", at, discover.HTTPProbe("/good", nil), "", ""},
		{"HTTP of a path without a slash", at, discover.HTTPProbe("good", nil), "", ""},
		{"HTTP that fails", at, discover.HTTPProbe("/bad", nil), discover.ProbeHTTPStatus, "it answered 503 Service Unavailable: database"},
		{"HTTP that hangs up", hangsUp, discover.HTTPProbe("/", nil), discover.ProbeClosed, "closed the connection"},
		{"HTTP that hints first", hints, discover.HTTPProbe("/", nil), "", ""},
		{"HTTP without an end", endless, discover.HTTPProbe("/", nil), discover.ProbeProtocol, "malformed"},
		{"HTTP of what is no HTTP", talks, discover.HTTPProbe("/", nil), discover.ProbeProtocol, "malformed HTTP"},
		{"HTTP that is refused", deadInstance(t), discover.HTTPProbe("/", nil), discover.ProbeRefused, "connection refused"},
		{"TLS of plaintext", at, discover.TLSProbe(nil), discover.ProbeTLS, "first record does not look like a TLS handshake"},
		{"TLS that hangs up", hangsUp, discover.TLSProbe(nil), discover.ProbeClosed, "closed the connection"},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			got := probe(t, row.instance, row.choose)
			if got.OK != (row.failure == "") || got.Failure != row.failure || !strings.Contains(got.Reason, row.reason) {
				t.Errorf("got %+v", got)
			}
			if got.LatencyMS <= 0 || got.Target == "" || got.Instance.ID != row.instance.ID || strings.Contains(got.Reason, "\n") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestProbeCertificates(t *testing.T) {
	ca := newTestCA(t)
	soon := time.Now().Add(10 * 24 * time.Hour)
	trusting := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: ca.roots()}
	named := trusting.Clone()
	named.ServerName = "auth.example"
	careless := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}
	good := listenTLS(t, ca.serverFor(t, "127.0.0.1", soon), http.StatusOK)
	expired := listenTLS(t, ca.serverFor(t, "127.0.0.1", time.Now().Add(-time.Hour)), http.StatusOK)
	other := listenTLS(t, ca.serverFor(t, "auth.example", soon), http.StatusOK)
	failing := listenTLS(t, ca.serverFor(t, "127.0.0.1", soon), http.StatusTeapot)
	for _, row := range []struct {
		what     string
		instance discover.Instance
		config   *tls.Config
		http     bool // alone
		failure  discover.ProbeFailure
		reason   string // is in the reason and the certificate's problem
	}{
		{what: "good", instance: good, config: trusting},
		{what: "expired", instance: expired, config: trusting, failure: discover.ProbeTLS, reason: "certificate expired at "},
		{what: "expired and not verified", instance: expired, config: careless},
		{what: "other name", instance: other, config: trusting, failure: discover.ProbeTLS, reason: "certificate is not for 127.0.0.1 but for auth.example"},
		{what: "the name that is given", instance: other, config: named},
		{what: "unknown root", instance: good, config: &tls.Config{MinVersion: tls.VersionTLS12}, failure: discover.ProbeTLS, reason: "signed by CN=test root, which is not among the roots"},
		{what: "bad status", instance: failing, config: trusting, http: true, failure: discover.ProbeHTTPStatus, reason: "418"},
	} {
		kinds := map[string]discover.Prober{"tls": discover.TLSProbe(row.config), "http": discover.HTTPProbe("/", row.config)}
		if row.http {
			delete(kinds, "tls")
		}
		for kind, choose := range kinds {
			t.Run(row.what+" by "+kind, func(t *testing.T) {
				t.Parallel()
				got := probe(t, row.instance, choose)
				if got.Kind != kind || got.Failure != row.failure || !strings.Contains(got.Reason, row.reason) {
					t.Errorf("got %+v", got)
				}
				c := got.Certificate
				if c == nil || c.Subject != "CN=auth" || c.Issuer != "CN=test root" || len(c.SANs) != 1 || c.NotAfter.IsZero() {
					t.Fatalf("certificate is %+v", c)
				}
				if wrong := row.failure == discover.ProbeTLS || row.config == careless; wrong != (c.Problem != "") {
					t.Errorf("problem is %q", c.Problem)
				}
				if row.instance.ID == expired.ID && c.ExpiresIn() > 0 || row.instance.ID == good.ID && (c.ExpiresIn() > 240*time.Hour || c.ExpiresIn() < 239*time.Hour) {
					t.Errorf("expires in %s", c.ExpiresIn())
				}
			})
		}
	}
}

func TestProbeSelfSigned(t *testing.T) {
	ca := newTestCA(t)
	own := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{ca.certificate.Raw}, PrivateKey: ca.key}}}
	got := probe(t, listenTLS(t, own, http.StatusOK), discover.TLSProbe(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}))
	if got.Failure != discover.ProbeTLS || got.Reason != "certificate is self-signed and not among the roots" {
		t.Errorf("got %+v", got)
	}
}

func TestProbeIPv6(t *testing.T) {
	instance := accepting(t, "[::1]:0", neverAnswers)
	if got := probe(t, instance, discover.TCPProbe); !got.OK || !strings.HasPrefix(got.Target, "[::1]:") {
		t.Errorf("got %+v", got)
	}
	web := httptest.NewUnstartedServer(http.NotFoundHandler())
	_ = web.Listener.Close() // another takes its place
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	web.Listener = listener
	web.Start()
	defer web.Close()
	if got := probe(t, instanceAt(t, listener.Addr().String()), discover.HTTPProbe("/x", nil)); got.Failure != discover.ProbeHTTPStatus {
		t.Errorf("got %+v", got)
	}
}

// TestProbeBlackHoles: what never answers costs the timeout once, however many there are, and no goroutine.
func TestProbeBlackHoles(t *testing.T) {
	hole := accepting(t, "127.0.0.1:0", neverAnswers)
	many := make([]discover.Instance, 8)
	for i := range many {
		many[i] = hole
	}
	for kind, choose := range map[string]discover.Prober{
		"tls": discover.TLSProbe(nil), "http": discover.HTTPProbe("/", nil),
		"https": discover.HTTPProbe("/", &tls.Config{MinVersion: tls.VersionTLS12}),
	} {
		t.Run(kind, func(t *testing.T) {
			start := time.Now()
			const timeout = 200 * time.Millisecond
			for _, got := range discover.ProbeAll(t.Context(), many, choose, discover.ProbeOptions{Timeout: timeout, Parallel: len(many)}) {
				if got.Failure != discover.ProbeTimeout || got.LatencyMS < 200 {
					t.Errorf("got %+v", got)
				}
			}
			if took := time.Since(start); took > timeout*time.Duration(len(many)-1) {
				t.Errorf("took %s: one after another", took)
			}
		})
	}
}

func TestProbeIsInterrupted(t *testing.T) {
	hole := accepting(t, "127.0.0.1:0", neverAnswers)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for _, got := range discover.ProbeAll(ctx, []discover.Instance{hole, hole}, discover.HTTPProbe("/", nil), discover.ProbeOptions{Parallel: 1, Timeout: time.Hour}) {
		if got.Failure != discover.ProbeInterrupted {
			t.Errorf("got %+v", got)
		}
	}
}

func TestProbeTCPError(t *testing.T) {
	nowhere := deadInstance(t)
	err := discover.ProbeTCP(t.Context(), nowhere)
	var failed *discover.ProbeError
	if !errors.As(err, &failed) || failed.Failure != discover.ProbeRefused || err.Error() != "probe "+nowhere.HostPort()+": connection refused" {
		t.Errorf("got %v", err)
	}
	if err := discover.ProbeTCP(t.Context(), accepting(t, "127.0.0.1:0", neverAnswers)); err != nil {
		t.Error(err)
	}
}

func TestCheckedProbe(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() != "/health?deep=1" {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(web.Close)
	at := instanceAt(t, web.Listener.Addr().String())
	closed := deadInstance(t)
	health := func(service string) discover.Prober {
		return func(i discover.Instance) discover.Probe {
			return discover.Probe{Kind: "grpc", Target: fmt.Sprintf("%d/%s", i.Port, service), Look: func(context.Context) (*discover.Certificate, error) { return nil, nil }}
		}
	}
	for _, row := range []struct {
		what   string
		checks []discover.Check
		want   string // kind and target
	}{
		{"no checks", nil, "tcp " + at.HostPort()},
		{"the node's", []discover.Check{{OnNode: true, Kind: "http", Output: "HTTP GET http://x/: 200 OK Output: "}}, "tcp " + at.HostPort()},
		{"TTL", []discover.Check{{Kind: "ttl"}}, "tcp " + at.HostPort()},
		{"TCP", []discover.Check{{Kind: "tcp", Output: "TCP connect 10.0.0.1:9: Success"}}, "tcp " + at.HostPort()},
		{
			"HTTP at the agent's localhost", []discover.Check{{Kind: "http", Output: fmt.Sprintf("HTTP GET http://localhost:%d/health?deep=1: 200 OK Output: x", at.Port)}},
			fmt.Sprintf("http http://127.0.0.1:%d/health?deep=1", at.Port),
		},
		{
			"HTTP that fails", []discover.Check{{Kind: "ttl"}, {Kind: "http", Output: fmt.Sprintf("Get \"http://user:secret@h:%d/health?deep=1\": dial tcp: refused", at.Port)}},
			fmt.Sprintf("http http://127.0.0.1:%d/health?deep=1", at.Port),
		},
		{"HTTP that has not run", []discover.Check{{Kind: "http"}}, "tcp " + at.HostPort()},
		{"HTTP of a file", []discover.Check{{Kind: "http", Output: "HTTP GET file:///etc/passwd: 200 OK Output: "}}, "tcp " + at.HostPort()},
		{"gRPC", []discover.Check{{Kind: "grpc", Output: "gRPC check 10.0.0.1:50051/auth.v1.Auth: success"}}, "grpc 50051/auth.v1.Auth"},
		{"gRPC of the server", []discover.Check{{Kind: "grpc", Output: "gRPC check [::1]:50051: success"}}, "grpc 50051/"},
		{"gRPC that does not serve", []discover.Check{{Kind: "grpc", Output: "gRPC :50051/x serving status: NOT_SERVING"}}, "grpc 50051/x"},
		{"gRPC that is refused", []discover.Check{{Kind: "grpc", Output: "rpc error: code = Unavailable"}}, fmt.Sprintf("grpc %d/", at.Port)},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			instance := at
			instance.Checks = row.checks
			got := probe(t, instance, discover.CheckedProbe(nil, health))
			if got.Kind+" "+got.Target != row.want || !got.OK {
				t.Errorf("got %+v", got)
			}
			if got.Instance.Port != at.Port {
				t.Errorf("the instance's port became %d", got.Instance.Port)
			}
		})
	}
	instance := closed
	instance.Checks = []discover.Check{{Kind: "http", Output: "HTTP GET http://localhost/: 200 OK Output: "}}
	if got := probe(t, instance, discover.CheckedProbe(nil, health)); got.Target != "http://127.0.0.1/" {
		t.Errorf("without a port in the URL: %+v", got)
	}
}

// Three instances are looked at from here: one answers, one is gone, one was registered without a port.
func ExampleProbeAll() {
	up, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer up.Close()
	port := up.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener's
	instances := []discover.Instance{
		{ID: "up", Address: "127.0.0.1", Port: port}, {ID: "gone", Address: "127.0.0.1", Port: 1}, {ID: "portless", Address: "127.0.0.1"},
	}
	for _, result := range discover.ProbeAll(context.Background(), instances, discover.TCPProbe, discover.ProbeOptions{}) {
		fmt.Printf("%s %t %q\n", result.Instance.ID, result.OK, result.Reason)
	}
	// Output:
	// up true ""
	// gone false "connection refused"
	// portless false "it was registered without a port"
}
