//go:build unix

package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"go.uber.org/goleak"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/definition"
)

// specified is the specification's registration; how its process is asked is filled in.
const specified = `
consul:
  host: "consul.suokelife.com"
  port: 8500
  service:
    name: "auth-service"
    version: "v1"
    tags: ["prod", "auth", "security"]
    meta:
      api_version: "v1.2.3"
      team: "security-team"
    check: {%s}
`

const tortured = "auth-service"

// The bounds within which a watcher's view equals the truth. A change through a healthy connection is a matter of
// round trips, and of the interval of a check that Consul asks. After a failed read a watch waits, 0.5 s to 1.5 s at
// first and twice as long after each further failure; a restart takes some seconds, in which three reads or so fail.
// Who registered with an agent that forgot it finds out at its next heartbeat, or after 10 s without heartbeats.
const (
	boundChange  = 2 * time.Second
	boundAsked   = 5 * time.Second
	boundFault   = 8 * time.Second
	boundRestart = 30 * time.Second
)

// TestDiscoverTorture flaps checks, restarts and wipes the agent, and spoils the connection to it; after each the view
// of a watcher equals what Consul itself says, within the bound. In the end nothing is left behind.
//
// It is not parallel: it counts goroutines.
func TestDiscoverTorture(t *testing.T) {
	before := goleak.IgnoreCurrent()
	h := newTorture(t, testenv.Consul(t))
	h.flap(t)
	h.spoil(t)
	h.restart(t)
	h.noDuplicates(t)
	h.leave(t)
	h.stop(t)
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
	t.Logf("\n%s", h.table())
}

// torture is a Consul, a proxy before it, a watcher behind that proxy, services past it, and what is true.
type torture struct {
	server  *testenv.ConsulServer
	proxy   *spoiler
	direct  *discover.Client // of the services
	watched *discover.Client
	end     func() // of the watch; waits for it
	changed chan struct{}

	mu     sync.Mutex
	view   map[string]string // instance to health, as the watcher was told last
	outage error             // of the last update

	page     *httptest.Server
	asked    *process // Consul asks how it is, on its page
	reports  *process // it tells Consul
	services []*process
	truth    map[string]string // what is to be seen: set by the test alone

	times map[string]*measured
	order []string
}

// process is a service that keeps its registration.
type process struct {
	id     string
	status discover.Status
	end    func() error
}

// measured are the times after which the view was true, after events of one kind.
type measured struct {
	bound time.Duration
	took  []time.Duration
}

func newTorture(t *testing.T, server *testenv.ConsulServer) *torture {
	t.Helper()
	proxy := newSpoiler(t, server.Addr)
	h := &torture{
		server: server, proxy: proxy, changed: make(chan struct{}, 1),
		truth: map[string]string{}, times: map[string]*measured{},
	}
	for client, address := range map[**discover.Client]string{&h.direct: server.Addr, &h.watched: proxy.Addr()} {
		made, err := discover.New(discover.Config{Address: address, Timeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		*client = made
	}
	h.asked = &process{}
	h.page = httptest.NewServer(&h.asked.status)
	t.Cleanup(h.page.Close)
	h.serve(t, h.asked, 7001, fmt.Sprintf("http: %q, interval: 1s, timeout: 1s", h.page.URL))
	h.reports = h.serve(t, &process{}, 7002, "ttl: 6s")
	h.serve(t, &process{}, 7003, "ttl: 6s")

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for update := range h.watched.Watch(ctx, tortured, discover.Query{Health: discover.Any}) {
			h.told(update)
		}
	})
	h.end = func() { cancel(); running.Wait() }
	t.Cleanup(h.end)
	h.settle(t, "first sight", boundAsked)
	return h
}

// serve keeps a process registered as the specification's YAML says, with a check of its own.
func (h *torture) serve(t *testing.T, p *process, port int, check string) *process {
	t.Helper()
	read, err := definition.Parse("service.yaml", fmt.Appendf(nil, specified, check))
	if err != nil {
		t.Fatal(err)
	}
	r := read.Registration
	r.Address, r.Port = "127.0.0.1", port
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.direct.Keep(ctx, r, discover.KeepOptions{Status: &p.status}) }()
	p.id = r.ID()
	p.end = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = p.end() }) // looked at by leave
	h.truth[p.id] = "passing"
	h.services = append(h.services, p)
	return p
}

// told is called in the watch's goroutine.
func (h *torture) told(update discover.Update) {
	view := map[string]string{}
	for _, i := range update.Instances {
		view[i.ID] = string(i.Health)
	}
	h.mu.Lock()
	h.view, h.outage = view, update.Err
	h.mu.Unlock()
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

func (h *torture) seen() (view map[string]string, outage error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.view, h.outage
}

// settle waits until the watcher sees what is true and Consul itself, when it is asked, says so.
func (h *torture) settle(t *testing.T, event string, bound time.Duration) {
	t.Helper()
	start := time.Now()
	deadline := time.NewTimer(bound)
	defer deadline.Stop()
	again := time.NewTicker(50 * time.Millisecond) // Consul may come to say so without a change in the view
	defer again.Stop()
	for {
		view, outage := h.seen()
		if outage == nil && maps.Equal(view, h.truth) {
			took := time.Since(start)
			if maps.Equal(h.ask(t), h.truth) {
				h.measure(event, bound, took)
				return
			}
		}
		select {
		case <-h.changed:
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("%s: after %s the watcher sees %v (%v), it should %v; Consul says %v", event, bound, view, outage, h.truth, h.ask(t))
		}
	}
}

func (h *torture) measure(event string, bound, took time.Duration) {
	m := h.times[event]
	if m == nil {
		m = &measured{bound: bound}
		h.times[event], h.order = m, append(h.order, event)
	}
	m.took = append(m.took, took)
}

// ask asks Consul past the proxy and past our library, by plain HTTP: every instance with the worst of its checks.
func (h *torture) ask(t *testing.T) map[string]string {
	t.Helper()
	var entries []struct {
		Service struct{ ID string }
		Checks  []struct{ Status string }
	}
	h.get(t, "/v1/health/service/"+tortured, &entries)
	truth := map[string]string{}
	for _, e := range entries {
		if _, twice := truth[e.Service.ID]; twice {
			t.Fatalf("%s is there twice", e.Service.ID)
		}
		truth[e.Service.ID] = "passing"
		for _, check := range e.Checks {
			if check.Status != "passing" {
				truth[e.Service.ID] = check.Status
			}
		}
	}
	return truth
}

func (h *torture) get(t *testing.T, path string, into any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.server.Addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatalf("%s: %s: %v", path, response.Status, err)
	}
}

// turn turns the health of a process over: a change that is to be seen.
func (h *torture) turn(p *process) {
	health := discover.Passing
	if h.truth[p.id] == "passing" {
		health = discover.Critical
	}
	p.status.Set("database", health, "")
	h.truth[p.id] = string(health)
}

func (h *torture) flap(t *testing.T) {
	for range 200 {
		h.turn(h.reports)
		h.settle(t, "a reported health flaps", boundChange)
	}
	for range 6 {
		h.turn(h.asked)
		h.settle(t, "a health that is asked flaps", boundAsked)
	}
}

// spoil changes something while the connection is bad in one way, and looks when it is good again.
func (h *torture) spoil(t *testing.T) {
	for _, fault := range []struct {
		name        string
		times       int
		begin, lift func()
	}{
		{"bytes are 40 ms late", 20, func() { h.proxy.delay(40 * time.Millisecond) }, func() { h.proxy.delay(0) }},
		{"bytes stand still", 10, h.proxy.pause, h.proxy.resume},
		{"connections are reset", 10, h.proxy.reset, func() {}},
		{"Consul's half is closed", 10, h.proxy.closeFromServer, func() {}},
		{"the watcher's half is closed", 10, h.proxy.closeFromClient, func() {}},
		{"an answer is cut in the middle", 10, func() { h.proxy.cutAfter(900) }, func() { h.proxy.cutAfter(0) }},
		{"connections are refused", 5, h.proxy.refuse, h.proxy.accept},
	} {
		for range fault.times {
			fault.begin()
			h.turn(h.reports)
			h.proxy.awaitTouched(t, fault.name)
			fault.lift()
			h.settle(t, fault.name, boundFault)
		}
		h.proxy.awaitOpen(t, 1) // one watch, one connection
	}
}

// restart restarts the agent, every second time while the watcher's bytes stand still.
func (h *torture) restart(t *testing.T) {
	for i, wiped := range []bool{false, true, true, false, false} {
		event := "the agent restarts"
		if wiped {
			event = "the agent restarts empty"
		}
		if i%2 == 1 {
			h.proxy.pause()
		}
		if err := h.server.Restart(wiped); err != nil {
			t.Fatal(err)
		}
		h.turn(h.reports)
		h.proxy.resume()
		h.settle(t, event, boundRestart)
		h.turn(h.reports)
		h.settle(t, "a reported health flaps", boundChange)
	}
}

// noDuplicates looks into the agent and the catalogue: each instance is registered once.
func (h *torture) noDuplicates(t *testing.T) {
	t.Helper()
	var agent map[string]struct{ Service string }
	h.get(t, "/v1/agent/services", &agent)
	var catalogue []struct{ ServiceID string }
	h.get(t, "/v1/catalog/service/"+tortured, &catalogue)
	var ids []string
	for _, row := range catalogue {
		ids = append(ids, row.ServiceID)
	}
	slices.Sort(ids)
	want := slices.Sorted(maps.Keys(h.truth))
	if !slices.Equal(ids, want) || !slices.Equal(slices.Sorted(maps.Keys(agent)), want) {
		t.Errorf("the catalogue has %v, the agent %v, registered were %v", ids, agent, want)
	}
}

// leave ends the processes, each of which takes its registration along.
func (h *torture) leave(t *testing.T) {
	t.Helper()
	for _, p := range h.services {
		if err := p.end(); err != nil {
			t.Error(err)
		}
		delete(h.truth, p.id)
		h.settle(t, "a process ends", boundChange)
	}
}

// stop ends everything; no connection may remain when the watch has ended.
func (h *torture) stop(t *testing.T) {
	t.Helper()
	h.end()
	_, _ = h.watched.Close(), h.direct.Close() // neither fails
	h.proxy.awaitOpen(t, 0)
	h.proxy.close()
	http.DefaultClient.CloseIdleConnections()
	h.server.Stop()
	h.page.Close()
}

func (h *torture) table() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "event\ttimes\tslowest view\tmedian\tbound")
	for _, event := range h.order {
		m := h.times[event]
		slices.Sort(m.took)
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", event, len(m.took),
			m.took[len(m.took)-1].Round(100*time.Microsecond), m.took[len(m.took)/2].Round(100*time.Microsecond), m.bound)
	}
	_ = w.Flush()
	return out.String()
}
