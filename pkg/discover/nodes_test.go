package discover_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
)

// counted is a client whose requests are counted on their way to the server.
func counted(t *testing.T, server *consul.Server) (*discover.Client, *atomic.Int32) {
	t.Helper()
	var requests atomic.Int32
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server.Addr()})
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	t.Cleanup(transport.CloseIdleConnections)
	proxy.Transport = transport
	front := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		proxy.ServeHTTP(w, r)
	})
	return client(t, discover.Config{Address: front.URL}), &requests
}

func TestManyServicesInFewRequests(t *testing.T) {
	server, registrar := start(t)
	const many = 1000
	for i := range many {
		r := discover.Registration{Name: fmt.Sprintf("s%04d", i), Version: "v1", Address: "127.0.0.1", Port: 1, Tags: []string{"t"}}
		if _, err := registrar.Register(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	register(t, registrar, "s0007", "v2", 2, discover.Critical)
	c, requests := counted(t, server)
	all, err := c.Services(t.Context(), discover.Query{})
	if err != nil || len(all) != many+1 || requests.Load() > 5 {
		t.Fatalf("%d services in %d requests, %v", len(all), requests.Load(), err)
	}
	seven := all[8] // after "consul"
	want := discover.Counts{Instances: 2, Passing: 1, Critical: 1}
	if seven.Name != "s0007" || seven.Counts != want || seven.ByVersion["v2"].Critical != 1 || seven.ByTag["t"].Passing != 1 {
		t.Errorf("got %+v", seven)
	}
	filtered, err := c.Services(t.Context(), discover.Query{Filter: "Service.Port == 2"})
	if err != nil || len(filtered) != 1 || filtered[0].Counts != (discover.Counts{Instances: 1, Critical: 1}) {
		t.Errorf("filtered: %+v, %v", filtered, err)
	}
}

// TestServicesAgree: however the services are asked for, each is what asking for it alone tells.
func TestServicesAgree(t *testing.T) {
	_, c := start(t)
	health := rapid.SampledFrom([]discover.Health{discover.Passing, discover.Warning, discover.Critical})
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.StringMatching(`[a-c]{1,2}`).Draw(r, "name")
		tags := rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y"}), 0, 2).Draw(r, "tags")
		register(t, c, name, rapid.SampledFrom([]string{"", "v1", "v2"}).Draw(r, "version"), rapid.IntRange(1, 4).Draw(r, "port"), health.Draw(r, "health"), tags...)
		byNode, err := c.Services(t.Context(), discover.Query{})
		if err != nil {
			r.Fatal(err)
		}
		byService, err := c.Services(t.Context(), discover.Query{Filter: `Service.ID != ""`})
		if err != nil || fmt.Sprint(byNode) != fmt.Sprint(byService) {
			r.Fatalf("by node %v\nby service %v, %v", byNode, byService, err)
		}
		for _, service := range byNode {
			alone, err := c.Service(t.Context(), service.Name)
			if err != nil || fmt.Sprint(alone) != fmt.Sprint(service) {
				r.Fatalf("among all %v\nalone %v, %v", service, alone, err)
			}
		}
	})
}

// TestServicesByQuery: only what the query lets in is counted, in whatever health.
func TestServicesByQuery(t *testing.T) {
	_, c := start(t)
	shop(t, c)
	got, err := c.Services(t.Context(), discover.Query{Version: "v1", Tags: []string{"prod"}})
	if err != nil || len(got) != 1 || got[0].Counts != (discover.Counts{Instances: 2, Passing: 1, Critical: 1}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestNodes(t *testing.T) {
	server, c := start(t)
	shop(t, c)
	put(t, server, "/v1/agent/check/register", `{"ID": "disk", "Name": "disk", "TTL": "1h", "Status": "warning"}`)
	got, err := c.Nodes(t.Context(), discover.Query{})
	if err != nil || len(got) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	n := got[0]
	if n.Name != "lab" || n.Address != "127.0.0.1" || n.Datacenter != "dc1" || n.Health != discover.Warning ||
		n.Services != 3 || n.Instances != 6 || n.Critical != 2 || len(n.Checks) != 2 || n.Meta == nil {
		t.Errorf("got %+v", n)
	}
	if got, err = c.Nodes(t.Context(), discover.Query{Filter: `Address == "10.0.0.1"`}); err != nil || len(got) != 0 {
		t.Errorf("filtered: %+v, %v", got, err)
	}
	if names, err := c.NodeNames(t.Context()); err != nil || fmt.Sprint(names) != "[lab]" {
		t.Errorf("names: %v, %v", names, err)
	}
}

// TestPartOfTheDataIsHidden: whichever of the requests ACLs filter, the answer is an error and never a part.
func TestPartOfTheDataIsHidden(t *testing.T) {
	server, c := start(t)
	shop(t, c)
	for _, path := range []string{"/v1/catalog/services", "/v1/catalog/nodes", "/v1/catalog/node-services/", "/v1/health/state/any"} {
		proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server.Addr()})
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		proxy.Transport = transport
		proxy.ErrorLog = log.New(io.Discard, "", 0) // the first error ends the other requests
		proxy.ModifyResponse = func(resp *http.Response) error {
			if strings.HasPrefix(resp.Request.URL.Path, path) {
				resp.Header.Set("X-Consul-Results-Filtered-By-ACLs", "true")
			}
			return nil
		}
		c := client(t, discover.Config{Address: serve(t, proxy.ServeHTTP).URL})
		_, services := c.Services(t.Context(), discover.Query{})
		_, nodes := c.Nodes(t.Context(), discover.Query{})
		for _, err := range []error{services, nodes} {
			if !errors.Is(err, discover.ErrFiltered) {
				t.Errorf("%s: got %v", path, err)
			}
		}
	}
}
