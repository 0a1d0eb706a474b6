package discover

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// These tests run for hours on a clock that jumps to the next timer. What stands between a client and the agent there
// is a pipe: a bubble of synctest sees no sockets.

// pipeAgent is the part of an agent that keeping a registration needs, with outages of every kind.
type pipeAgent struct {
	mu       sync.Mutex
	mode     outage
	known    map[string]time.Time // TTL checks and when they were last reported
	status   map[string]string
	ttl      map[string]time.Duration
	services map[string]bool
	beats    []time.Time
	writes   int

	conns  chan net.Conn
	closed chan struct{}
}

type outage string

const (
	up         outage = "up"
	refusing   outage = "refusing connections"
	hanging    outage = "hanging"
	leaderless outage = "without a leader"
	wiped      outage = "up with nothing remembered"
)

func (a *pipeAgent) Accept() (net.Conn, error) {
	select {
	case conn := <-a.conns:
		return conn, nil
	case <-a.closed:
		return nil, net.ErrClosed
	}
}
func (a *pipeAgent) Close() error   { close(a.closed); return nil }
func (a *pipeAgent) Addr() net.Addr { return &net.IPAddr{} }

func (a *pipeAgent) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if a.is(refusing) {
		return nil, syscall.ECONNREFUSED
	}
	ours, theirs := net.Pipe()
	select {
	case a.conns <- theirs:
		return ours, nil
	case <-a.closed:
		return nil, syscall.ECONNREFUSED
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (a *pipeAgent) is(mode outage) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mode == mode
}

func (a *pipeAgent) set(mode outage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if mode == wiped {
		mode = up
		clear(a.known)
		clear(a.services)
	}
	a.mode = mode
}

func (a *pipeAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case a.is(hanging):
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the client gives up
		<-r.Context().Done()
		return
	case a.is(refusing):
		panic(http.ErrAbortHandler)
	case a.is(leaderless):
		http.Error(w, "No cluster leader", http.StatusInternalServerError)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1/agent/")
	switch {
	case path == "service/register":
		a.register(r.Body)
	case strings.HasPrefix(path, "check/update/"):
		id := strings.TrimPrefix(path, "check/update/")
		if _, is := a.known[id]; !is {
			http.Error(w, `Unknown check ID "`+id+`"`, http.StatusNotFound)
			return
		}
		var update struct{ Status string }
		_ = json.NewDecoder(r.Body).Decode(&update)
		a.known[id], a.status[id] = time.Now(), update.Status
		a.beats = append(a.beats, time.Now())
	case strings.HasPrefix(path, "service/deregister/"):
		clear(a.known)
		clear(a.services)
	case strings.HasPrefix(path, "service/maintenance/"):
	case strings.HasPrefix(path, "service/"):
		if !a.services[strings.TrimPrefix(path, "service/")] {
			http.Error(w, "unknown service ID", http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, `{"ID": "s-10.0.0.7-1", "Service": "s", "Address": "10.0.0.7", "Port": 1}`)
	case strings.HasPrefix(r.URL.Path, "/v1/health/service/"):
		w.Header().Set("X-Consul-Index", "1")
		_, _ = io.WriteString(w, "[]")
	default:
		_, _ = io.WriteString(w, "{}")
	}
}

func (a *pipeAgent) register(body io.Reader) {
	a.writes++
	var r struct {
		ID     string
		Checks []struct{ CheckID, TTL, Status string }
	}
	_ = json.NewDecoder(body).Decode(&r)
	a.services[r.ID] = true
	for _, check := range r.Checks {
		if check.TTL == "" {
			continue
		}
		if _, is := a.known[check.CheckID]; !is {
			a.known[check.CheckID], a.status[check.CheckID] = time.Now(), check.Status
		}
		a.ttl[check.CheckID], _ = time.ParseDuration(check.TTL)
	}
}

// health is what a caller would see of the instance.
func (a *pipeAgent) health() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.services) == 0 {
		return "absent"
	}
	for id, at := range a.known {
		if time.Since(at) > a.ttl[id] {
			return "expired"
		}
		return a.status[id]
	}
	return "unchecked"
}

// onPipe runs a test in a bubble with an agent and a client of it.
func onPipe(t *testing.T, run func(t *testing.T, a *pipeAgent, c *Client)) {
	synctest.Test(t, func(t *testing.T) {
		a := &pipeAgent{
			mode: up, known: map[string]time.Time{}, status: map[string]string{}, ttl: map[string]time.Duration{},
			services: map[string]bool{}, conns: make(chan net.Conn), closed: make(chan struct{}),
		}
		server := &http.Server{Handler: a}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(a) })
		c, err := New(Config{Address: "agent:8500"})
		if err != nil {
			t.Fatal(err)
		}
		c.transport.DialContext = a.dial
		defer func() {
			_ = c.Close()
			_ = server.Close()
			serving.Wait()
		}()
		run(t, a, c)
	})
}

// keeping keeps a registration until the returned function ends it.
func keeping(c *Client, r Registration, o KeepOptions) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Keep(ctx, r, o) }()
	return func() error {
		cancel()
		return <-ended
	}
}

var onTTL = Registration{Name: "s", Address: "10.0.0.7", Port: 1, Checks: []CheckConfig{{TTL: 30 * time.Second}}}

func TestHeartbeatsComeAtAThirdOfTheTTL(t *testing.T) {
	onPipe(t, func(t *testing.T, a *pipeAgent, c *Client) {
		stop := keeping(c, onTTL, KeepOptions{})
		time.Sleep(24 * time.Hour)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(a.beats); i++ {
			if gap := a.beats[i].Sub(a.beats[i-1]); gap < 9*time.Second || gap > 10*time.Second {
				t.Fatalf("heartbeat %d came after %s", i, gap)
			}
		}
		if len(a.beats) < 24*360 || a.writes != 1 {
			t.Errorf("%d heartbeats and %d registrations in a day", len(a.beats), a.writes)
		}
	})
}

// TestEveryOutageIsOutlived: whatever becomes of the agent, soon after it is there again the instance is, too.
func TestEveryOutageIsOutlived(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		modes := rapid.SliceOfN(rapid.SampledFrom([]outage{refusing, hanging, leaderless, wiped, up}), 1, 8).Draw(r, "modes")
		lasts := rapid.SliceOfN(rapid.IntRange(1, 400), len(modes), len(modes)).Draw(r, "seconds")
		registration := onTTL
		if rapid.Bool().Draw(r, "no TTL") {
			registration.Checks = []CheckConfig{{HTTP: "http://10.0.0.7:1/"}}
		}
		onPipe(t, func(t *testing.T, a *pipeAgent, c *Client) {
			var status Status
			if lasts[0]%2 == 0 {
				a.set(modes[0]) // from the beginning
			}
			failed, recovered := 0, 0
			stop := keeping(c, registration, KeepOptions{Status: &status, Told: func(e KeepEvent) {
				switch e.Kind {
				case KeepFailed:
					failed++
					if e.RetryIn > 10*time.Second || e.RetryIn <= 0 {
						r.Errorf("retry in %s", e.RetryIn)
					}
				case KeepRecovered:
					recovered++
				}
			}})
			for i, mode := range modes {
				a.set(mode)
				time.Sleep(time.Duration(lasts[i]) * time.Second)
				a.set(up)
				want := []Health{Passing, Warning, Critical}[lasts[i]%3]
				status.Set("part", want, "")
				// A request that hangs is given up after 10 s, and tried again after at most 10 s.
				time.Sleep(21 * time.Second)
				if got := a.health(); got != string(want) && got != "unchecked" {
					r.Errorf("after %s for %d s it is %s, not %s", mode, lasts[i], got, want)
				}
			}
			if err := stop(); err != nil {
				r.Error(err)
			}
			if a.health() != "absent" || failed > 0 && recovered == 0 {
				r.Errorf("left %s behind; %d failures and %d recoveries were told", a.health(), failed, recovered)
			}
		})
	})
}

// TestAProcessThatWasStoppedComesBack: it may have slept, or been stuck, for longer than its TTL and longer than Consul
// keeps it. The clock that it sees jumps by that much.
func TestAProcessThatWasStoppedComesBack(t *testing.T) {
	onPipe(t, func(t *testing.T, a *pipeAgent, c *Client) {
		var stuck atomic.Int64 // a duration
		var kinds []KeepEventKind
		stop := keeping(c, onTTL, KeepOptions{
			Refresh: func(context.Context, *Status) { time.Sleep(time.Duration(stuck.Load())) },
			Told:    func(e KeepEvent) { kinds = append(kinds, e.Kind) },
		})
		time.Sleep(time.Minute)
		stuck.Store(int64(time.Hour))
		time.Sleep(2 * time.Minute)
		if a.health() != "expired" {
			t.Fatalf("a stuck process is %s", a.health())
		}
		stuck.Store(0)
		a.set(wiped) // DeregisterCriticalServiceAfter
		time.Sleep(2 * time.Hour)
		if a.health() != "passing" {
			t.Errorf("after it woke up it is %s", a.health())
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if len(kinds) < 3 || kinds[0] != KeepRegistered || kinds[len(kinds)-1] != KeepDeregistered {
			t.Errorf("told %v", kinds)
		}
	})
}

// TestALookAtTheProcessCostsNoHeartbeat: one that takes all the time that it is given.
func TestALookAtTheProcessCostsNoHeartbeat(t *testing.T) {
	onPipe(t, func(t *testing.T, a *pipeAgent, c *Client) {
		stop := keeping(c, onTTL, KeepOptions{
			Refresh: func(ctx context.Context, status *Status) {
				<-ctx.Done()
				status.Set("database", Warning, "did not answer in time")
			},
			Told: func(e KeepEvent) {
				if e.Kind == KeepFailed {
					t.Error(e.Err)
				}
			},
		})
		time.Sleep(11 * time.Second)
		for range 1000 {
			time.Sleep(time.Second)
			if a.health() != "warning" {
				t.Fatalf("it is %s", a.health())
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestTheEndIsBounded: neither an agent that hangs nor one that is gone holds up the end of the process.
func TestTheEndIsBounded(t *testing.T) {
	for _, mode := range []outage{refusing, hanging, leaderless} {
		onPipe(t, func(t *testing.T, a *pipeAgent, c *Client) {
			stop := keeping(c, onTTL, KeepOptions{StopWithin: 3 * time.Second, Drain: time.Hour})
			time.Sleep(time.Minute)
			a.set(mode)
			begin := time.Now()
			err := stop()
			var left *LeftBehindError
			if !errors.As(err, &left) || left.After != DefaultDeregisterAfter || !strings.Contains(err.Error(), "it stays registered until its checks have been critical for 10m0s") {
				t.Errorf("%s: %v", mode, err)
			}
			if took := time.Since(begin); took > 6*time.Second { // the drain is tried once, and then the deregistration
				t.Errorf("%s: took %s", mode, took)
			}
		})
	}
}

func TestTheEndWaitsForAnAgentThatComesBack(t *testing.T) {
	onPipe(t, func(t *testing.T, a *pipeAgent, c *Client) {
		stop := keeping(c, onTTL, KeepOptions{})
		time.Sleep(time.Minute)
		a.set(refusing)
		time.AfterFunc(2*time.Second, func() { a.set(up) })
		if err := stop(); err != nil || a.health() != "absent" {
			t.Errorf("%v; %s", err, a.health())
		}
	})
}

func TestDrain(t *testing.T) {
	onPipe(t, func(t *testing.T, a *pipeAgent, c *Client) {
		var status Status
		var drained time.Time
		stop := keeping(c, onTTL, KeepOptions{Status: &status, Drain: 7 * time.Second, Told: func(e KeepEvent) {
			if e.Kind == KeepDraining {
				drained = time.Now()
				if health, note := status.Get(); health != Critical || note != "shutdown: shutting down" || a.health() == "absent" {
					t.Errorf("while it drains it is %s (%s), and %s at the agent", health, note, a.health())
				}
			}
		}})
		time.Sleep(time.Minute)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(drained); drained.IsZero() || waited != 7*time.Second {
			t.Errorf("drained for %s", waited)
		}
	})
}
