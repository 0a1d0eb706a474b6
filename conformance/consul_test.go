//go:build unix

package conformance

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	contract "github.com/suokelife/suokectl/internal/contract/consul"
	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/gateway"
)

// stockOutput has the agent pass on new output of an old status as late as it does out of the box.
func stockOutput(config map[string]any, _ *testenv.ConsulServer) {
	delete(config, "check_update_interval")
}

func TestConsul(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, stockOutput)
	contract.Run(t, contract.Target{
		Addr:             server.Addr,
		DNS:              server.DNS,
		Restart:          func() { wipe(t, server) },
		DeregisterWithin: 3 * time.Minute,
	})
}

// TestConsulDiscover registers, asks, explains and watches with our own client, and wipes the agent meanwhile.
func TestConsulDiscover(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, stockOutput)
	client := discoverClient(t, discover.Config{Address: server.Addr})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	registerTTL(ctx, t, client, "auth-service", 1, discover.Passing)
	registerTTL(ctx, t, client, "auth-service", 2, discover.Critical)

	instances, err := client.Instances(ctx, "auth-service", discover.Query{Version: "v1", Tags: []string{"prod"}})
	if err != nil || len(instances) != 1 || instances[0].HostPort() != "127.0.0.1:1" {
		t.Fatalf("instances: %+v, %v", instances, err)
	}
	_, err = client.Instances(ctx, "auth-service", discover.Query{Version: "v2"})
	wantText(t, err, "no instance of auth-service has version v2; there is v1")
	_, err = client.Instances(ctx, "auth-sevrice", discover.Query{})
	wantText(t, err, "did you mean auth-service?")
	_, err = client.Instances(ctx, "auth-service", discover.Query{Datacenter: "nowhere"})
	wantText(t, err, "it knows no such datacenter")
	all, err := client.Explain(ctx, "auth-service", discover.Query{}, discover.ExplainOptions{})
	if err != nil || len(all) != 2 || !strings.Contains(strings.Join(all[1].Sentences(), ""), "is critical: said so") {
		t.Fatalf("explanations: %+v, %v", all, err)
	}
	watchThroughWipe(ctx, t, server, client)
}

// TestGatewayHosts asks real Consul's DNS for the hosts that Kong is told, and finds what was registered.
func TestGatewayHosts(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t)
	client := discoverClient(t, discover.Config{Address: server.Addr})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	registerTTL(ctx, t, client, "auth-service", 50051, discover.Passing)
	registerTTL(ctx, t, client, "auth-service", 50052, discover.Critical)
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.DNS)
	}}
	for _, service := range []gateway.Service{{Name: "auth-service"}, {Name: "auth-service", Tags: []string{"prod"}}} {
		text, err := gateway.Render(gateway.DNS, []gateway.Service{service})
		if err != nil {
			t.Fatal(err)
		}
		findings, err := gateway.CheckLive(ctx, client, "kong.yaml", text)
		if err != nil || gateway.Defects(findings) != 0 {
			t.Errorf("findings %+v, %v", findings, err)
		}
		_, host, _ := strings.Cut(string(text), "host: ")
		host, _, _ = strings.Cut(host, "\n")
		_, records, err := resolver.LookupSRV(ctx, "", "", host+".")
		if err != nil || len(records) != 1 || records[0].Port != 50051 {
			t.Errorf("%s: %+v, %v", host, records, err)
		}
	}
}

func watchThroughWipe(ctx context.Context, t *testing.T, server *testenv.ConsulServer, client *discover.Client) {
	t.Helper()
	wiped, outage := false, false
	for update := range client.Watch(ctx, "auth-service", discover.Query{}) {
		switch {
		case !wiped && len(update.Instances) == 1:
			wiped = true
			wipe(t, server)
			registerTTL(ctx, t, client, "auth-service", 3, discover.Passing)
		case update.Err != nil:
			outage = true
			if len(update.Instances) != 1 {
				t.Fatalf("the last good set was not kept: %+v", update)
			}
		case len(update.Instances) == 1 && update.Instances[0].Port == 3:
			return
		}
	}
	t.Fatalf("the watch never saw the new world; wiped %v, outage seen %v", wiped, outage)
}

// TestConsulACL asks an agent that denies what is not allowed.
func TestConsulACL(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.WithACL())
	ctx := t.Context()
	manager := discoverClient(t, discover.Config{Address: server.Addr, Token: server.Token})
	registerTTL(ctx, t, manager, "auth-service", 1, discover.Passing)
	if _, err := manager.Instances(ctx, "auth-service", discover.Query{}); err != nil {
		t.Error(err)
	}
	nobody := discoverClient(t, discover.Config{Address: server.Addr})
	_, err := nobody.Instances(ctx, "auth-service", discover.Query{})
	wantText(t, err, "is a token missing?")
	if !errors.Is(err, discover.ErrFiltered) || errors.Is(err, discover.ErrNoInstance) {
		t.Errorf("%v is taken for an empty service", err)
	}
	_, err = nobody.Services(ctx, discover.Query{})
	wantText(t, err, "is a token missing?")
	_, err = nobody.Register(ctx, discover.Registration{Name: "x", Address: "127.0.0.1", Port: 1})
	wantText(t, err, "lacks permission '")
	stranger := discoverClient(t, discover.Config{Address: server.Addr, Token: "00000000-0000-0000-0000-00000000dead"})
	_, err = stranger.Instances(ctx, "auth-service", discover.Query{})
	wantText(t, err, "it does not know this token")
}

func wipe(t *testing.T, server *testenv.ConsulServer) {
	t.Helper()
	if err := server.Restart(true); err != nil {
		t.Fatal(err)
	}
}

func discoverClient(t *testing.T, config discover.Config) *discover.Client {
	t.Helper()
	client, err := discover.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() }) // never fails
	return client
}

func registerTTL(ctx context.Context, t *testing.T, client *discover.Client, name string, port int, health discover.Health) {
	t.Helper()
	id, err := client.Register(ctx, discover.Registration{
		Name: name, Version: "v1", Address: "127.0.0.1", Port: port, Tags: []string{"prod"},
		Checks: []discover.CheckConfig{{TTL: time.Hour}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Report(ctx, discover.CheckID(id, 0), health, "said so"); err != nil {
		t.Fatal(err)
	}
}

func wantText(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
}
