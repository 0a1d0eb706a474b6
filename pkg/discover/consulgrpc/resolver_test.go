package consulgrpc_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"

	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/consulgrpc"
)

func TestConnectionFollowsConsul(t *testing.T) {
	client := newClient(t, startConsul(t, "").Addr())
	first, _ := serve(t, "127.0.0.1:0")
	second, _ := serve(t, "[::1]:0")
	firstID := register(t, client, "auth", first)
	conn := dial(t, client, target("auth"))
	eventually(t, conn, first)
	secondID := register(t, client, "auth", second)
	eventually(t, conn, first, second)
	report(t, client, firstID, discover.Critical)
	eventually(t, conn, second)
	report(t, client, secondID, discover.Warning)
	fails(t, conn, "no instance of auth passes (1 critical, 1 warning)")
	report(t, client, firstID, discover.Passing)
	eventually(t, conn, first)
	if err := client.Deregister(t.Context(), firstID); err != nil {
		t.Fatal(err)
	}
	if err := client.Deregister(t.Context(), secondID); err != nil {
		t.Fatal(err)
	}
	fails(t, conn, "Consul knows no service auth")
	register(t, client, "auth", second)
	eventually(t, conn, second)
}

func TestCallsSayWhyThereIsNone(t *testing.T) {
	server := startConsul(t, "")
	client := newClient(t, server.Addr())
	register(t, client, "auth-service", "127.0.0.1:1")
	report(t, client, register(t, client, "sick", "127.0.0.1:2"), discover.Critical)
	put(t, server, `{"Name": "portless", "Address": "127.0.0.1"}`)
	gone := newClient(t, "127.0.0.1:1")
	for _, row := range []struct {
		client *discover.Client
		target string
		want   string
	}{
		{client, target("auth-sevrice"), "did you mean auth-service?"},
		{client, target("auth-service?version=v9"), "no instance of auth-service has version v9; there is v1"},
		{client, target("auth-service?tag=blue"), "tag blue"},
		{client, target("auth-service?meta.team=core"), "team"},
		{client, target("auth-service?dc=nowhere"), "it knows no such datacenter"},
		{client, target("sick"), "no instance of sick passes (1 critical)"},
		{client, target("portless"), "portless was registered without a port"},
		{gone, target("auth-service"), "Consul at 127.0.0.1:1: connection refused"},
	} {
		t.Run(row.target, func(t *testing.T) {
			start := time.Now()
			fails(t, dial(t, row.client, row.target), row.want)
			if took := time.Since(start); took > bound/2 {
				t.Errorf("the call failed after %s", took)
			}
		})
	}
}

// TestStockPolicies: the resolver serves policies of gRPC too, though they say less.
func TestStockPolicies(t *testing.T) {
	client := newClient(t, startConsul(t, "").Addr())
	first, _ := serve(t, "127.0.0.1:0")
	second, _ := serve(t, "127.0.0.1:0")
	register(t, client, "auth", first)
	register(t, client, "auth", second)
	robin := grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`)
	eventually(t, dial(t, client, target("auth"), robin), first, second)
	if _, err := call(t, dial(t, client, target("auth"), grpc.WithDefaultServiceConfig("{}"))); err != nil {
		t.Errorf("pick_first: %v", err)
	}
	fails(t, dial(t, client, target("nobody"), grpc.WithDefaultServiceConfig("{}")), "Consul knows no service nobody")
}

func TestCallsGoOnWithoutConsul(t *testing.T) {
	server := startConsul(t, "")
	client := newClient(t, server.Addr())
	backend, _ := serve(t, "127.0.0.1:0")
	register(t, client, "auth", backend)
	conn := dial(t, client, target("auth"))
	eventually(t, conn, backend)
	updates := watching(t, client, "auth")
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	for update := range updates { // another watch has seen the outage, so the connection's has, or is about to
		if update.Err != nil {
			break
		}
	}
	reached(t, conn, 100)

	startConsul(t, server.Addr()) // wiped: nobody is registered
	fails(t, conn, "Consul knows no service auth")
	register(t, client, "auth", backend)
	eventually(t, conn, backend)
}

// watching tells what a watch of its own sees, until the test ends.
func watching(t *testing.T, client *discover.Client, name string) <-chan discover.Update {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	updates := make(chan discover.Update)
	var running sync.WaitGroup
	running.Go(func() {
		defer close(updates)
		for update := range client.Watch(ctx, name, discover.Query{}) {
			select {
			case updates <- update:
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return updates
}

// TestFailingConnectionsDoNotHammerConsul: gRPC asks for another resolution whenever a connection fails.
func TestFailingConnectionsDoNotHammerConsul(t *testing.T) {
	server := startConsul(t, "")
	var asked atomic.Int32
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server.Addr()})
	transport := &http.Transport{}
	proxy.Transport = transport
	proxy.ErrorLog = log.New(io.Discard, "", 0) // of the reads that the connection's end cuts
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/health/service/") {
			asked.Add(1)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
		transport.CloseIdleConnections()
	})
	client := newClient(t, strings.TrimPrefix(front.URL, "http://"))
	for _, port := range []string{"1", "2", "3"} { // nothing listens there
		register(t, client, "auth", "127.0.0.1:"+port)
	}
	conn := dial(t, client, target("auth"))
	for range 200 {
		if _, err := call(t, conn); err == nil {
			t.Fatal("a call reached nobody")
		}
		conn.ResetConnectBackoff()
	}
	if n := asked.Load(); n > 3 {
		t.Errorf("Consul was asked %d times", n)
	}
	_ = conn.Close() // before the proxy, whose requests it holds
}

func TestWrongTargetsFailTheCall(t *testing.T) {
	client := newClient(t, "127.0.0.1:1")
	fails(t, dial(t, client, target("auth?versio=v1")), `the parameter "versio" is not known; did you mean version?`)
}

// recorder is a connection that only keeps what the resolver tells it.
type recorder struct {
	states chan resolver.State
	errs   chan error
}

func (r recorder) UpdateState(state resolver.State) error               { r.states <- state; return nil }
func (r recorder) ReportError(err error)                                { r.errs <- err }
func (r recorder) NewAddress([]resolver.Address)                        {}
func (r recorder) ParseServiceConfig(string) *serviceconfig.ParseResult { return nil }

func TestEndpointsCarryWeightAndLocality(t *testing.T) {
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("index") != "" {
			<-r.Context().Done()
			return
		}
		w.Header().Set("X-Consul-Index", "7")
		_, _ = io.WriteString(w, `[
			{"Node": {"Node": "n", "Address": "10.0.0.1", "Locality": {"Region": "eu", "Zone": "eu-1"}},
			 "Service": {"ID": "a", "Service": "auth", "Port": 1, "Weights": {"Passing": 7, "Warning": 2}}, "Checks": []},
			{"Node": {"Node": "n", "Address": "10.0.0.1"},
			 "Service": {"ID": "b", "Service": "auth", "Address": "::1", "Port": 2, "Weights": {"Passing": 7, "Warning": 2}},
			 "Checks": [{"CheckID": "c", "Status": "warning", "ServiceID": "b"}]},
			{"Node": {"Node": "n", "Address": "10.0.0.1"}, "Service": {"ID": "c", "Service": "auth", "Port": 0}, "Checks": []}]`)
	}))
	t.Cleanup(front.Close)
	client := newClient(t, strings.TrimPrefix(front.URL, "http://"))
	told := recorder{make(chan resolver.State, 9), make(chan error, 9)}
	parsed, err := url.Parse("consul:///auth?health=warning")
	if err != nil {
		t.Fatal(err)
	}
	following, err := consulgrpc.NewBuilder(client).Build(resolver.Target{URL: *parsed}, told, resolver.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer following.Close()
	var got []string
	for _, e := range (<-told.states).Endpoints {
		got = append(got, fmt.Sprint(e.Addresses[0].Addr, " ", consulgrpc.Weight(e), " ", consulgrpc.Locality(e)))
	}
	if want := "10.0.0.1:1 7 {eu eu-1}, [::1]:2 2 { }"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
}
