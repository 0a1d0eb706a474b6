package discover_test

import (
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
)

// probed is a Consul that knows these addresses as instances of auth-service.
func probed(t *testing.T, addresses ...string) (consulAddress string) {
	t.Helper()
	server, err := consul.Start(consul.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	client, err := discover.New(discover.Config{Address: server.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() }) // never fails
	for _, address := range addresses {
		host, text, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		port, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		r := discover.Registration{Name: "auth-service", Version: "v1", Address: host, Port: port}
		if _, err := client.Register(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	return server.Addr()
}

// secured is a server whose certificate is good for example.com until 2084; said is the last line of its answers.
func secured(t *testing.T) (address, caFile string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			http.Error(w, "\x1b[31mred\u202e", http.StatusTeapot)
		}
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(caFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return server.Listener.Addr().String(), caFile
}

func TestProbe(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	plain := strings.TrimPrefix(web.URL, "http://")
	tlsAddress, ca := secured(t)
	for _, row := range []struct {
		address, args string
		code          int
		want          string // is in the table's row
	}{
		{plain, "", 0, "tcp    ok"},
		{plain, "--tcp", 0, "tcp    ok"},
		{plain, "--http /x", 1, "http   http_status"},
		{plain, "--grpc", 1, "grpc   protocol"},
		{plain, "--grpc=auth.v1.Auth", 1, "grpc   protocol"},
		{plain, "--tls", 1, "tls    tls"},
		{"127.0.0.1:1", "", 1, "tcp    refused"},
		{tlsAddress, "--tls", 1, "days  certificate is "},
		{tlsAddress, "--tls --cacert " + ca + " --servername example.com", 0, "tls    ok"},
		{tlsAddress, "--tls --cacert " + ca + " --servername wrong.example", 1, "certificate is not for wrong.example but for "},
		{tlsAddress, "--tls --insecure", 0, "tls    ok"},
		{tlsAddress, "--tls --insecure --http health", 0, "http   ok"},
		{tlsAddress, "--tls --insecure --http /other", 1, "418"},
	} {
		f := newTerminal(t, probed(t, row.address))
		err := f.run(t, append([]string{"probe", "auth-service"}, strings.Fields(row.args)...)...)
		if failure.Code(t.Context(), err) != row.code || !strings.Contains(f.out.String(), row.want) {
			t.Errorf("%s: %v\n%s%s", row.args, err, f.out, f.errOut)
		}
		if row.code == 1 && err.Error() != "1 of 1 instance of auth-service did not answer well" {
			t.Errorf("%s: %v", row.args, err)
		}
	}
}

func TestProbeShowsNoEscapes(t *testing.T) {
	address, _ := secured(t)
	f := newTerminal(t, probed(t, address))
	f.IO.SetTTY(true, true, true)
	f.IO.SetWidth(200)
	if err := f.run(t, "probe", "auth-service", "--tls", "--insecure", "--http", "/other"); failure.Code(t.Context(), err) != 1 {
		t.Error(err)
	}
	if strings.Contains(f.out.String(), "\x1b[31mred") || !strings.Contains(f.out.String(), "418") {
		t.Errorf("got %q", f.out)
	}
}

func TestProbeData(t *testing.T) {
	address, _ := secured(t)
	f := newTerminal(t, probed(t, address, "127.0.0.1:1"))
	err := f.run(t, "probe", "auth-service", "--tls", "--insecure", "--jq",
		`.[] | [.instance.id, .kind, .ok, .failure, .latency_ms > 0, .certificate.subject, .certificate.expires_in_s > 0] | map(tostring) | join(" ")`)
	if failure.Code(t.Context(), err) != 1 {
		t.Error(err)
	}
	want := "auth-service-127.0.0.1-1 tls false refused true null false\n" +
		"auth-service-" + strings.Replace(address, ":", "-", 1) + " tls true null true O=Acme Co true\n"
	if f.out.String() != want {
		t.Errorf("got %s\nwant %s", f.out, want)
	}
}

// TestProbeWarnsOfCertificates that are about to expire, and not of others.
func TestProbeWarnsOfCertificates(t *testing.T) {
	for _, row := range []struct {
		left time.Duration
		code int
		want string // on stderr
	}{
		{29*24*time.Hour + time.Hour, 0, "expires in 29 days, at "},
		{90 * time.Minute, 0, "expires in 1 hour, at "},
		{31 * 24 * time.Hour, 0, ""},
		{-time.Hour, 1, ""},
	} {
		config, ca := certificateFor(t, row.left)
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.TLS = config
		server.StartTLS()
		t.Cleanup(server.Close)
		f := newTerminal(t, probed(t, server.Listener.Addr().String()))
		err := f.run(t, "probe", "auth-service", "--tls", "--cacert", ca)
		if failure.Code(t.Context(), err) != row.code || !strings.Contains(f.errOut.String(), row.want) || (row.want == "") != (f.errOut.Len() == 0) {
			t.Errorf("%s left: %v\n%s%s", row.left, err, f.out, f.errOut)
		}
	}
}

func TestProbeMisuse(t *testing.T) {
	f := newTerminal(t, "127.0.0.1:1")
	for _, args := range []string{
		"--tcp --http /", "--tcp --tls", "--grpc --http /", "--parallel 0", "--probe-timeout 0s", "--http / --insecure", "--tcp --cacert x",
	} {
		err := f.run(t, append([]string{"probe", "x"}, strings.Fields(args)...)...)
		if err == nil || strings.Contains(err.Error(), "Consul") {
			t.Errorf("%s: %v", args, err)
		}
	}
	if err := f.run(t, "probe", "x"); failure.Code(t.Context(), err) != 1 || !strings.Contains(err.Error(), "Consul at 127.0.0.1:1: connection refused") {
		t.Errorf("Consul is down: %v", err)
	}
}
