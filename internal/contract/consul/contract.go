// Package consul is what this project relies on in Consul, case by case. The same suite runs on the lab's server and
// on the real engine; a case that only one of them passes is a defect of the lab, or a difference worth telling.
package consul

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// Target is a running agent that nothing else uses meanwhile.
type Target struct {
	Addr string // host:port of its HTTP API
	DNS  string // host:port of its DNS interface, UDP and TCP
	// Restart stops the agent and starts it again at the same address with nothing remembered.
	Restart func()
	// DeregisterWithin is how long the agent may take to deregister a service whose check asks for it after the
	// shortest time there is: a minute and the time between two looks on a real agent.
	DeregisterWithin time.Duration
}

// Run runs every case as a subtest.
func Run(t *testing.T, target Target) {
	t.Run("parallel", func(t *testing.T) {
		for _, group := range [][]testCase{registration, checks, reads, filters, nodes, names, blocking, maintenance, failures, keyValue} {
			for _, c := range group {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(newAgent(t, target))
				})
			}
		}
	})
	for _, c := range alone {
		t.Run(c.name, func(t *testing.T) { c.run(newAgent(t, target)) })
	}
}

type testCase struct {
	name string
	run  func(a *agent)
}

const (
	patience = 20 * time.Second // longer than anything but deregistration takes
	interval = "1s"             // the shortest that an agent runs a check at
)

// agent is the target as one case sees it; name is a service name that no other case uses.
type agent struct {
	*testing.T
	target Target
	client *api.Client
	name   string
}

func newAgent(t *testing.T, target Target) *agent {
	config := api.DefaultNonPooledConfig()
	config.Address, config.Token, config.Scheme = target.Addr, "", "http"
	client, err := api.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	name := t.Name()[strings.LastIndex(t.Name(), "/")+1:]
	return &agent{T: t, target: target, client: client, name: strings.ToLower(strings.ReplaceAll(name, "_", "-"))}
}

func (a *agent) must(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

// register registers an instance of the case's service, to be gone after the case.
func (a *agent) register(change func(*api.AgentServiceRegistration)) *api.AgentServiceRegistration {
	a.Helper()
	reg := &api.AgentServiceRegistration{Name: a.name, Address: "127.0.0.1", Port: 4000}
	if change != nil {
		change(reg)
	}
	a.must(a.client.Agent().ServiceRegister(reg))
	id := reg.ID
	if id == "" {
		id = reg.Name
	}
	a.Cleanup(func() { _ = a.client.Agent().ServiceDeregister(id) }) // the case may have done it
	return reg
}

// registerTTL registers an instance with a TTL check, whose id is "service:" and the instance's.
func (a *agent) registerTTL(id, status string, tags ...string) {
	a.Helper()
	a.register(func(r *api.AgentServiceRegistration) {
		r.ID, r.Tags = id, tags
		r.Check = &api.AgentServiceCheck{TTL: "10m", Status: status}
	})
}

// instances reads the case's service, all of it or the passing part, with all of the tags.
func (a *agent) instances(passing bool, tags ...string) []*api.ServiceEntry {
	a.Helper()
	got, _, err := a.client.Health().ServiceMultipleTags(a.name, tags, passing, nil)
	a.must(err)
	return got
}

// await reads the case's service with blocking queries until the condition holds.
func (a *agent) await(what string, holds func([]*api.ServiceEntry) bool) []*api.ServiceEntry {
	a.Helper()
	return a.awaitFor(patience, what, holds)
}

func (a *agent) awaitFor(limit time.Duration, what string, holds func([]*api.ServiceEntry) bool) []*api.ServiceEntry {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), limit)
	defer cancel()
	var last []*api.ServiceEntry
	for index := uint64(0); ; {
		query := (&api.QueryOptions{WaitIndex: index, WaitTime: time.Minute}).WithContext(ctx)
		got, meta, err := a.client.Health().Service(a.name, "", false, query)
		if err != nil {
			a.Fatalf("waited for %s; last seen: %s; %v", what, describe(last), err)
		}
		if holds(got) {
			return got
		}
		last, index = got, meta.LastIndex
	}
}

// awaitStatus waits until the only instance has that status in all.
func (a *agent) awaitStatus(status string) {
	a.Helper()
	a.await("status "+status, func(got []*api.ServiceEntry) bool {
		return len(got) == 1 && got[0].Checks.AggregatedStatus() == status
	})
}

// awaitOutput waits until the agent's own view of the case's only check says text.
func (a *agent) awaitOutput(text string) {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		output := a.check("service:" + a.name).Output
		if strings.Contains(output, text) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			a.Fatalf("output of the check is %q, want it to contain %q", output, text)
		}
	}
}

// check is the agent's own view of a check.
func (a *agent) check(id string) *api.AgentCheck {
	a.Helper()
	all, err := a.client.Agent().Checks()
	a.must(err)
	if all[id] == nil {
		a.Fatalf("no check %q", id)
	}
	return all[id]
}

// reply is an answer as it came over the wire.
type reply struct {
	code   int
	body   string
	header http.Header
}

// text is the status and the body.
func (r reply) text() string { return fmt.Sprintf("%d %s", r.code, r.body) }

// do sends a request as it stands.
func (a *agent) do(method, path, body string) reply {
	a.Helper()
	req, err := http.NewRequestWithContext(a.Context(), method, "http://"+a.target.Addr+path, strings.NewReader(body))
	a.must(err)
	transport := &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Minute}
	if len(body) > 64<<10 {
		req.Header.Set("Expect", "100-continue") // who refuses a body does not read it, and hangs up on who sends it all the same
	}
	resp, err := transport.RoundTrip(req)
	a.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	a.must(err)
	return reply{resp.StatusCode, string(text), resp.Header}
}

func describe(entries []*api.ServiceEntry) string {
	var parts []string
	for _, e := range entries {
		parts = append(parts, e.Service.ID+" "+e.Checks.AggregatedStatus())
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func ids(entries []*api.ServiceEntry) string {
	var out []string
	for _, e := range entries {
		out = append(out, e.Service.ID)
	}
	return strings.Join(out, " ")
}

func (a *agent) equal(what string, got, want any) {
	a.Helper()
	if got != want {
		a.Fatalf("%s is %v, want %v", what, got, want)
	}
}
