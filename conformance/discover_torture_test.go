//go:build unix

package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"go.uber.org/goleak"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
)

const tortured = "auth-service"

// The bounds within which a watcher's view equals the truth. A change through a healthy connection is a matter of
// round trips; after a failed read a watch waits, 0.5 s to 1.5 s at first and twice as long after each further failure.
// A restart takes some seconds, in which three reads or so fail.
const (
	boundChange  = 2 * time.Second
	boundFault   = 6 * time.Second
	boundRestart = 20 * time.Second
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
	h.stop(t)
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
	t.Logf("\n%s", h.table())
}

// torture is a Consul, a proxy before it, a watcher behind that proxy, and what is true.
type torture struct {
	server  *testenv.ConsulServer
	proxy   *spoiler
	direct  *discover.Client // registers and reports, past the proxy
	watched *discover.Client
	end     func() // of the watch; waits for it
	changed chan struct{}

	mu     sync.Mutex
	view   map[string]string // instance to health, as the watcher was told last
	outage error             // of the last update
	failed int               // updates that told of an outage

	truth map[string]string // what is to be seen: set by the test alone
	ports []int
	times map[string]*measured
	order []string
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
		truth: map[string]string{}, times: map[string]*measured{}, ports: []int{7001, 7002, 7003},
	}
	for client, address := range map[**discover.Client]string{&h.direct: server.Addr, &h.watched: proxy.Addr()} {
		made, err := discover.New(discover.Config{Address: address, Timeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		*client = made
	}
	for _, port := range h.ports {
		h.register(t, port)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for update := range h.watched.Watch(ctx, tortured, discover.Query{Health: discover.Any}) {
			h.told(update)
		}
	})
	h.end = func() { cancel(); running.Wait() }
	t.Cleanup(h.end)
	h.settle(t, "first sight", boundChange)
	return h
}

// told is called in the watch's goroutine.
func (h *torture) told(update discover.Update) {
	view := map[string]string{}
	for _, i := range update.Instances {
		view[i.ID] = string(i.Health)
	}
	h.mu.Lock()
	h.view, h.outage = view, update.Err
	if update.Err != nil {
		h.failed++
	}
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

func (h *torture) outages() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed
}

// settle waits until the watcher sees what is true, and asks Consul itself whether that is true.
func (h *torture) settle(t *testing.T, event string, bound time.Duration) {
	t.Helper()
	start := time.Now()
	deadline := time.NewTimer(bound)
	defer deadline.Stop()
	for {
		view, outage := h.seen()
		if outage == nil && maps.Equal(view, h.truth) {
			break
		}
		select {
		case <-h.changed:
		case <-deadline.C:
			t.Fatalf("%s: after %s the watcher sees %v (%v), it should %v; Consul says %v", event, bound, view, outage, h.truth, h.ask(t))
		}
	}
	took := time.Since(start)
	if says := h.ask(t); !maps.Equal(says, h.truth) {
		t.Fatalf("%s: the watcher sees %v, Consul itself says %v", event, h.truth, says)
	}
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

// register registers an instance whose check passes.
func (h *torture) register(t *testing.T, port int) {
	t.Helper()
	id, err := h.direct.Register(context.Background(), registration(port))
	if err != nil {
		t.Fatal(err)
	}
	h.truth[id] = "critical" // as Consul has a check that has not run
	h.report(t, port, discover.Passing)
}

func registration(port int) discover.Registration {
	return discover.Registration{
		Name: tortured, Version: "v1", Address: "127.0.0.1", Port: port, Tags: []string{"prod"},
		Checks: []discover.CheckConfig{{TTL: time.Hour}},
	}
}

func (h *torture) report(t *testing.T, port int, health discover.Health) {
	t.Helper()
	id := registration(port).ID()
	if err := h.direct.Report(context.Background(), discover.CheckID(id, 0), health, ""); err != nil {
		t.Fatal(err)
	}
	h.truth[id] = string(health)
}

// turn turns the health of the first instance over: a change that is to be seen.
func (h *torture) turn(t *testing.T) {
	t.Helper()
	health := discover.Passing
	if h.truth[registration(h.ports[0]).ID()] == "passing" {
		health = discover.Critical
	}
	h.report(t, h.ports[0], health)
}

func (h *torture) flap(t *testing.T) {
	for range 200 {
		h.turn(t)
		h.settle(t, "a check flaps", boundChange)
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
			h.turn(t)
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
		before := h.outages()
		if err := h.server.Restart(wiped); err != nil {
			t.Fatal(err)
		}
		for _, port := range h.ports {
			h.register(t, port)
		}
		h.turn(t)
		h.proxy.resume()
		h.settle(t, event, boundRestart)
		if h.outages() == before {
			t.Errorf("%s, and the watcher was not told of an outage", event)
		}
		h.turn(t)
		h.settle(t, "a check flaps", boundChange)
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

// stop ends everything; no connection may remain when the watch has ended.
func (h *torture) stop(t *testing.T) {
	t.Helper()
	h.end()
	_, _ = h.watched.Close(), h.direct.Close() // neither fails
	h.proxy.awaitOpen(t, 0)
	h.proxy.close()
	http.DefaultClient.CloseIdleConnections()
	h.server.Stop()
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
