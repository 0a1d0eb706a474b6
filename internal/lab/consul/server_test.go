package consul_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	contract "github.com/suokelife/suokectl/internal/contract/consul"
	"github.com/suokelife/suokectl/internal/lab/consul"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, options consul.Options) *consul.Server {
	t.Helper()
	server, err := consul.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func stop(t *testing.T, server *consul.Server) {
	t.Helper()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
}

// do returns the status and the body of the answer.
func do(t *testing.T, server *consul.Server, method, path, body string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+server.Addr()+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return ""
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.Status + " " + string(text)
}

func TestContract(t *testing.T) {
	options := consul.Options{ReapInterval: 100 * time.Millisecond, MinDeregister: time.Second}
	server := start(t, options)
	options.Addr, options.DNSAddr = server.Addr(), server.DNS()
	defer func() { stop(t, server) }() // the last of them
	contract.Run(t, contract.Target{
		Addr: server.Addr(),
		DNS:  server.DNS(),
		Restart: func() {
			stop(t, server)
			server = start(t, options)
		},
		DeregisterWithin: 20 * time.Second,
	})
}

func TestStartOnATakenAddress(t *testing.T) {
	server := start(t, consul.Options{})
	defer stop(t, server)
	if _, err := consul.Start(consul.Options{Addr: server.Addr()}); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

// TestWhatIsNotKnownIsRefused: an answer that would differ from the engine's is none.
func TestWhatIsNotKnownIsRefused(t *testing.T) {
	server := start(t, consul.Options{})
	defer stop(t, server)
	for check, kind := range map[string]string{
		`{"Args": ["true"], "Interval": "1s"}`: "script", `{"UDP": "x:1", "Interval": "1s"}`: "UDP",
		`{"DockerContainerID": "x", "Interval": "1s"}`: "Docker", `{"H2PING": "x:1", "Interval": "1s"}`: "H2PING",
		`{"AliasService": "x"}`: "alias", `{"OSService": "x", "Interval": "1s"}`: "OSService",
	} {
		got := do(t, server, "PUT", "/v1/agent/service/register", `{"Name": "x", "Check": `+check+`}`)
		if want := "400 Bad Request Invalid check: " + kind + " checks are not part of the lab"; got != want {
			t.Errorf("%s: got %q, want %q", check, got, want)
		}
	}
	for _, path := range []string{"/v1/agent/members?filter=Name==x", "/v1/agent/service/x?hash=1"} {
		if got := do(t, server, "GET", path, ""); !strings.HasSuffix(got, "is not part of the lab") {
			t.Errorf("%s: got %q", path, got)
		}
	}
}

// TestCloseEndsBlockedReads: a read of ten minutes ends with the server, answered or cut, and leaves nothing behind.
func TestCloseEndsBlockedReads(t *testing.T) {
	server := start(t, consul.Options{})
	const reads = 10
	sent, ended := make(chan struct{}, reads), make(chan error, reads)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for range reads {
		go func() { ended <- blockedRead(ctx, server.Addr(), func() { sent <- struct{}{} }) }()
	}
	for range reads {
		<-sent
	}
	stop(t, server)
	for range reads {
		if err := <-ended; errors.Is(err, context.DeadlineExceeded) {
			t.Error("a read outlived the server")
		}
	}
}

func blockedRead(ctx context.Context, addr string, sent func()) error {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent() }})
	const path = "/v1/health/service/x?index=1000000&wait=10m"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func TestManyAtOnce(t *testing.T) {
	server := start(t, consul.Options{})
	defer stop(t, server)
	var all sync.WaitGroup
	for _, id := range strings.Split("abcdefgh", "") {
		all.Go(func() {
			for range 20 {
				do(t, server, "PUT", "/v1/agent/service/register", `{"ID": "`+id+`", "Name": "s", "Check": {"TTL": "1m"}}`)
				do(t, server, "PUT", "/v1/agent/check/pass/service:"+id, "")
				do(t, server, "GET", "/v1/health/service/s", "")
				do(t, server, "GET", "/v1/agent/checks", "")
				do(t, server, "PUT", "/v1/agent/service/deregister/"+id, "")
			}
		})
	}
	all.Wait()
	if got := strings.TrimSpace(do(t, server, "GET", "/v1/health/service/s", "")); got != "200 OK []" {
		t.Errorf("left behind: %s", got)
	}
}
