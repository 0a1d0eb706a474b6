package discover_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts the lab's Consul and a client of it.
func start(t *testing.T) (*consul.Server, *discover.Client) {
	t.Helper()
	server, err := consul.Start(consul.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server, client(t, discover.Config{Address: server.Addr()})
}

func client(t *testing.T, config discover.Config) *discover.Client {
	t.Helper()
	c, err := discover.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // never fails
	return c
}

// register registers an instance at that port whose TTL check is told the status.
func register(t *testing.T, c *discover.Client, name, version string, port int, status discover.Health, tags ...string) string {
	t.Helper()
	id, err := c.Register(t.Context(), discover.Registration{
		Name: name, Version: version, Address: "127.0.0.1", Port: port, Tags: tags,
		Checks: []discover.CheckConfig{{TTL: time.Hour}},
	})
	if err != nil {
		t.Fatal(err)
	}
	report(t, c, id, status, "told to be "+string(status))
	return id
}

func report(t *testing.T, c *discover.Client, id string, status discover.Health, note string) {
	t.Helper()
	if err := c.Report(t.Context(), discover.CheckID(id, 0), status, note); err != nil {
		t.Fatal(err)
	}
}

// put sends a PUT as other tools would.
func put(t *testing.T, server *consul.Server, path, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+server.Addr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("PUT %s: %s", path, resp.Status)
	}
}

// shop registers the world that most tests ask about.
func shop(t *testing.T, c *discover.Client) {
	t.Helper()
	register(t, c, "auth-service", "v1", 4001, discover.Passing, "prod", "auth")
	register(t, c, "auth-service", "v1", 4002, discover.Critical, "prod", "auth")
	register(t, c, "auth-service", "v2", 4003, discover.Warning, "canary")
	register(t, c, "auth-service", "", 4004, discover.Passing)
	register(t, c, "user-service", "v1", 4005, discover.Critical)
}

func ids(instances []discover.Instance) string {
	var out []string
	for _, i := range instances {
		out = append(out, strings.TrimPrefix(i.ID, i.Name+"-127.0.0.1-"))
	}
	return strings.Join(out, " ")
}

func TestInstances(t *testing.T) {
	_, c := start(t)
	shop(t, c)
	for _, row := range []struct {
		what string
		q    discover.Query
		want string
	}{
		{"passing only, in a stable order", discover.Query{}, "4001 4004"},
		{"warning too", discover.Query{Health: discover.Warning}, "4001 4003 4004"},
		{"any", discover.Query{Health: discover.Any}, "4001 4002 4003 4004"},
		{"of a version; none without one", discover.Query{Version: "v1", Health: discover.Any}, "4001 4002"},
		{"with all of the tags", discover.Query{Tags: []string{"prod", "auth"}}, "4001"},
		{"tags in any case", discover.Query{Tags: []string{"PROD"}}, "4001"},
		{"in a datacenter", discover.Query{Datacenter: "dc1"}, "4001 4004"},
		{"near the agent", discover.Query{Near: "_agent"}, "4001 4004"},
	} {
		t.Run(row.what, func(t *testing.T) {
			got, err := c.Instances(t.Context(), "auth-service", row.q)
			if err != nil {
				t.Fatal(err)
			}
			if ids(got) != row.want {
				t.Errorf("got %q, want %q", ids(got), row.want)
			}
		})
	}
}

func TestInstanceFields(t *testing.T) {
	server, c := start(t)
	put(t, server, "/v1/agent/service/register", `{"ID": "a", "Name": "bare", "Port": 7}`)
	put(t, server, "/v1/agent/service/register", `{"ID": "b", "Name": "bare", "Address": "2001:db8::1", "Port": 7,
		"Meta": {"version": "v3"}, "Tags": ["x"]}`)
	got, err := c.Instances(t.Context(), "bare", discover.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if got[0].HostPort() != "127.0.0.1:7" || got[0].Version != "" || got[0].Node != "lab" || got[0].Datacenter != "dc1" {
		t.Errorf("an instance without an address is %+v, want the node's address", got[0])
	}
	if got[0].Tags == nil || got[0].Meta == nil || got[0].Checks == nil {
		t.Errorf("%+v has a null where an empty list or object is the contract", got[0])
	}
	if got[1].HostPort() != "[2001:db8::1]:7" || got[1].Version != "v3" {
		t.Errorf("got %+v", got[1])
	}
}

func TestServices(t *testing.T) {
	_, c := start(t)
	shop(t, c)
	got, err := c.Services(t.Context(), discover.Query{})
	if err != nil {
		t.Fatal(err)
	}
	auth := got[0]
	if len(got) != 3 || auth.Name != "auth-service" || got[1].Name != "consul" || got[2].Name != "user-service" {
		t.Fatalf("services are %+v", got)
	}
	if auth.Instances != 4 || auth.Passing != 2 || auth.Warning != 1 || auth.Critical != 1 {
		t.Errorf("counts are %+v", auth)
	}
	if strings.Join(auth.Versions, " ") != "v1 v2" || strings.Join(auth.Tags, " ") != "auth canary prod" {
		t.Errorf("versions and tags are %+v", auth)
	}
	one, err := c.Service(t.Context(), "auth-service")
	if err != nil || one.Instances != 4 {
		t.Errorf("Service: %+v, %v", one, err)
	}
	names, err := c.Names(t.Context())
	if err != nil || strings.Join(names, " ") != "auth-service consul user-service" {
		t.Errorf("Names: %v, %v", names, err)
	}
}

func TestRegister(t *testing.T) {
	_, c := start(t)
	ctx := t.Context()
	first := register(t, c, "s", "v1", 1, discover.Passing, "old")
	again := register(t, c, "s", "v2", 1, discover.Passing, "new")
	got, err := c.Instances(ctx, "s", discover.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if first != "s-127.0.0.1-1" || again != first || len(got) != 1 || got[0].Version != "v2" || got[0].Tags[0] != "new" {
		t.Errorf("registering again made %+v", got)
	}
	if err := c.Deregister(ctx, first); err != nil {
		t.Fatal(err)
	}
	if err := c.Deregister(ctx, first); err == nil || !strings.Contains(err.Error(), "has no instance "+first) {
		t.Errorf("deregistering twice: %v", err)
	}
	if err := c.Report(ctx, discover.CheckID(first, 0), discover.Passing, ""); err == nil || !strings.Contains(err.Error(), "Unknown check ID") {
		t.Errorf("a report after it: %v", err)
	}
}

func TestRegisterRefuses(t *testing.T) {
	c := client(t, discover.Config{Address: "127.0.0.1:1"})
	good := discover.Registration{Name: "s", Address: "127.0.0.1", Port: 1}
	checking := func(url string) func(*discover.Registration) {
		return func(r *discover.Registration) { r.Checks = []discover.CheckConfig{{HTTP: url}} }
	}
	for _, row := range []struct {
		change func(*discover.Registration)
		want   string
	}{
		{func(r *discover.Registration) { r.Name = "" }, "needs a name"},
		{func(r *discover.Registration) { r.Address = "" }, "needs the address"},
		{func(r *discover.Registration) { r.Address = "0.0.0.0" }, "every address"},
		{func(r *discover.Registration) { r.Address = "::" }, "every address"},
		{func(r *discover.Registration) { r.Port = 0 }, "port 0"},
		{func(r *discover.Registration) { r.Port = 70000 }, "port 70000"},
		{func(r *discover.Registration) { r.Checks = []discover.CheckConfig{{}} }, "check 1: exactly one"},
		{func(r *discover.Registration) {
			r.Checks = []discover.CheckConfig{{TTL: time.Second}, {TTL: time.Second, GRPC: "x"}}
		}, "check 2: exactly one"},
		{func(r *discover.Registration) { r.Checks = []discover.CheckConfig{{TTL: -1}} }, "negative"},
		{checking("ftp://u:secret@h/"), `"ftp://u:xxxxx@h/" is no http`},
		{checking("http://u:secret@h:port/"), "it is no URL: invalid port"},
	} {
		r := good
		row.change(&r)
		if _, err := c.Register(t.Context(), r); err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want %q in it", err, row.want)
		}
	}
}

func TestChecksRunForReal(t *testing.T) {
	_, c := start(t)
	health := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) })
	_, err := c.Register(t.Context(), discover.Registration{
		Name: "slow", Address: "127.0.0.1", Port: 1,
		Checks: []discover.CheckConfig{{HTTP: health.URL, Interval: time.Second, Timeout: time.Second}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for update := range c.Watch(ctx, "slow", discover.Query{Health: discover.Warning}) {
		if len(update.Instances) == 1 && update.Instances[0].Health == discover.Warning {
			return
		}
	}
	t.Fatal("the check never warned")
}
