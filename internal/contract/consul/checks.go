package consul

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

var checks = []testCase{
	{"an HTTP check follows the status code", func(a *agent) {
		var code atomic.Int32
		code.Store(http.StatusOK)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(int(code.Load()))
			_, _ = w.Write([]byte("I am here"))
		}))
		defer server.Close()
		a.watched(api.AgentServiceCheck{HTTP: server.URL, Interval: interval})
		a.awaitStatus(api.HealthPassing)
		a.equal("output", a.check("service:"+a.name).Output, "HTTP GET "+server.URL+": 200 OK Output: I am here")
		code.Store(http.StatusTooManyRequests)
		a.awaitStatus(api.HealthWarning)
		code.Store(http.StatusServiceUnavailable)
		a.awaitStatus(api.HealthCritical)
		code.Store(http.StatusNoContent)
		a.awaitStatus(api.HealthPassing)
	}},
	{"an HTTP check sends its method, header and body", func(a *agent) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || r.Header.Get("X-Probe") != "yes" || r.ContentLength != 4 {
				w.WriteHeader(http.StatusBadRequest)
			}
		}))
		defer server.Close()
		a.watched(api.AgentServiceCheck{
			HTTP: server.URL, Interval: interval, Method: http.MethodPost, Body: "ping",
			Header: map[string][]string{"X-Probe": {"yes"}},
		})
		a.awaitStatus(api.HealthPassing)
	}},
	{"an HTTP check that takes too long is critical", func(a *agent) {
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(patience):
			}
		}))
		defer server.Close()
		a.watched(api.AgentServiceCheck{
			HTTP: server.URL, Interval: interval, Timeout: "100ms", Status: api.HealthPassing,
		})
		a.awaitStatus(api.HealthCritical)
	}},
	{"a TCP check follows the listener", func(a *agent) {
		listener := a.listen()
		address := listener.Addr().String()
		a.watched(api.AgentServiceCheck{TCP: address, Interval: interval})
		a.awaitStatus(api.HealthPassing)
		a.equal("output", a.check("service:"+a.name).Output, "TCP connect "+address+": Success")
		a.must(listener.Close())
		a.awaitStatus(api.HealthCritical)
		a.awaitOutput("connection refused")
	}},
	{"a check that was never good tells why to its agent", func(a *agent) {
		listener := a.listen()
		a.must(listener.Close())
		a.watched(api.AgentServiceCheck{TCP: listener.Addr().String(), Interval: interval})
		a.awaitOutput("connect: connection refused")
		a.equal("the catalogue's output", a.instances(false)[0].Checks[1].Output, "")
	}},
	{"a gRPC check follows the health service", func(a *agent) {
		address, status := a.serveHealth()
		a.watched(api.AgentServiceCheck{GRPC: address + "/demo", Interval: interval})
		a.awaitOutput("NotFound")
		status.SetServingStatus("demo", grpc_health_v1.HealthCheckResponse_SERVING)
		a.awaitStatus(api.HealthPassing)
		a.equal("output", a.check("service:"+a.name).Output, "gRPC check "+address+"/demo: success")
		status.SetServingStatus("demo", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
		a.awaitStatus(api.HealthCritical)
		a.awaitOutput("serving status: NOT_SERVING")
	}},
	{"a gRPC check without a service asks for the whole server", func(a *agent) {
		address, _ := a.serveHealth()
		a.watched(api.AgentServiceCheck{GRPC: address, Interval: interval})
		a.awaitStatus(api.HealthPassing)
	}},
	{"a TTL check is what was last reported", func(a *agent) {
		a.registerTTL("", "")
		id, agentAPI := "service:"+a.name, a.client.Agent()
		a.must(agentAPI.PassTTL(id, "fine"))
		a.awaitStatus(api.HealthPassing)
		a.equal("output", a.check(id).Output, "fine")
		a.must(agentAPI.WarnTTL(id, "slow"))
		a.awaitStatus(api.HealthWarning)
		a.must(agentAPI.FailTTL(id, "broken"))
		a.awaitStatus(api.HealthCritical)
		a.must(agentAPI.UpdateTTL(id, "again fine", "pass"))
		a.awaitStatus(api.HealthPassing)
		a.equal("output", a.check(id).Output, "again fine")
	}},
	{"a TTL check that nobody reports to turns critical", func(a *agent) {
		a.watched(api.AgentServiceCheck{TTL: "2s"})
		a.must(a.client.Agent().PassTTL("service:"+a.name, "beat"))
		a.awaitStatus(api.HealthPassing)
		a.awaitStatus(api.HealthCritical)
		a.equal("output", a.check("service:"+a.name).Output, "TTL expired (last output before timeout follows): beat")
		a.must(a.client.Agent().PassTTL("service:"+a.name, "back"))
		a.awaitStatus(api.HealthPassing)
	}},
	{"reports keep a TTL check alive", func(a *agent) {
		a.watched(api.AgentServiceCheck{TTL: "3s"})
		beats := time.NewTicker(time.Second)
		defer beats.Stop()
		for range 5 {
			a.must(a.client.Agent().PassTTL("service:"+a.name, "beat"))
			<-beats.C
		}
		a.equal("status", a.check("service:"+a.name).Status, api.HealthPassing)
	}},
	{"the worst check counts", func(a *agent) {
		a.register(func(r *api.AgentServiceRegistration) {
			r.Checks = api.AgentServiceChecks{
				{CheckID: a.name + "-a", TTL: "10m", Status: api.HealthPassing},
				{CheckID: a.name + "-b", TTL: "10m", Status: api.HealthWarning},
			}
		})
		a.equal("passing", len(a.instances(true)), 0)
		a.equal("status", a.instances(false)[0].Checks.AggregatedStatus(), api.HealthWarning)
		a.must(a.client.Agent().PassTTL(a.name+"-b", ""))
		a.awaitStatus(api.HealthPassing)
		a.equal("passing", len(a.instances(true)), 1)
	}},
	{"a check may ask for several failures in a row", func(a *agent) {
		var bad atomic.Bool
		var calls atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if bad.Load() {
				calls.Add(1)
				w.WriteHeader(http.StatusInternalServerError)
			}
		}))
		defer server.Close()
		a.watched(api.AgentServiceCheck{HTTP: server.URL, Interval: interval, FailuresBeforeCritical: 3})
		a.awaitStatus(api.HealthPassing)
		bad.Store(true)
		a.awaitStatus(api.HealthCritical)
		if calls.Load() < 3 {
			a.Fatalf("critical after %d failures, want 3", calls.Load())
		}
	}},
	{"a service that stays critical is deregistered when its check says so", func(a *agent) {
		a.watched(api.AgentServiceCheck{TTL: "1s", DeregisterCriticalServiceAfter: "1s"})
		a.awaitFor(a.target.DeregisterWithin, "no instance", func(got []*api.ServiceEntry) bool { return len(got) == 0 })
	}},
}

// watched registers an instance with that check.
func (a *agent) watched(check api.AgentServiceCheck) {
	a.Helper()
	a.register(func(r *api.AgentServiceRegistration) { r.Check = &check })
}

func (a *agent) listen() net.Listener {
	a.Helper()
	listener, err := (&net.ListenConfig{}).Listen(a.Context(), "tcp", "127.0.0.1:0")
	a.must(err)
	a.Cleanup(func() { _ = listener.Close() }) // the case may have done it
	return listener
}

func (a *agent) serveHealth() (address string, status *health.Server) {
	a.Helper()
	listener, server := a.listen(), grpc.NewServer()
	status = health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, status)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	a.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			a.Error(fmt.Errorf("serve health: %w", err))
		}
	})
	return listener.Addr().String(), status
}
