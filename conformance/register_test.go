//go:build unix

package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
)

// awaitOnly waits until auth-service is exactly one passing instance.
func awaitOnly(ctx context.Context, t *testing.T, client *discover.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var last discover.Update
	for last = range client.Watch(ctx, "auth-service", discover.Query{Health: discover.Any}) {
		if last.Err == nil && len(last.Instances) == 1 && last.Instances[0].Health == discover.Passing {
			return
		}
	}
	t.Fatalf("last seen: %+v", last)
}

// TestConsulRegistrationIsKept: heartbeats keep it passing, agents that restart with their state or without it come to
// have it once, and the end of the process takes it away.
func TestConsulRegistrationIsKept(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t)
	client := discoverClient(t, discover.Config{Address: server.Addr})
	ctx := t.Context()
	told := make(chan discover.KeepEvent, 1000)
	const ttl = 2 * time.Second
	stop, err := discover.Serve(ctx, discover.Config{Address: server.Addr}, discover.Registration{
		Name: "auth-service", Version: "v1", Address: "127.0.0.1", Port: 4001, Checks: []discover.CheckConfig{{TTL: ttl}},
	}, discover.KeepOptions{Told: func(e discover.KeepEvent) { told <- e }, StopWithin: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	awaitOnly(ctx, t, client)
	quiet, cancel := context.WithTimeout(ctx, 5*ttl)
	defer cancel()
	for update := range client.Watch(quiet, "auth-service", discover.Query{}) {
		if update.Err == nil && len(update.Instances) != 1 {
			t.Fatalf("it did not stay: %+v", update)
		}
	}
	kinds := map[discover.KeepEventKind]int{}
	for round, wipe := range []bool{false, true, false, true} {
		if err := server.Restart(wipe); err != nil {
			t.Fatal(err)
		}
		awaitOnly(ctx, t, client)
		for before := kinds[discover.KeepReregistered]; wipe && kinds[discover.KeepReregistered] == before; {
			select { // others see the instance before the agent answers us
			case e := <-told:
				kinds[e.Kind]++
			case <-time.After(time.Minute):
				t.Fatal("it was not told that the agent had forgotten")
			}
		}
		t.Logf("round %d, wiped %v: it is there once", round, wipe)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	_, err = client.Instances(ctx, "auth-service", discover.Query{Health: discover.Any})
	if !errors.Is(err, discover.ErrNoInstance) {
		t.Errorf("after the end: %v", err)
	}
	for len(told) > 0 {
		kinds[(<-told).Kind]++
	}
	if kinds[discover.KeepRegistered] != 1 || kinds[discover.KeepReregistered] != 2 || kinds[discover.KeepDeregistered] != 1 {
		t.Errorf("told %v; the agent forgot twice", kinds)
	}
}

// TestConsulRegistration holds what registering relies on: what is told of an instance, that a maintenance stays, that
// checks go which are named no longer, and what is said of an id that another node has.
func TestConsulRegistration(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t)
	client := discoverClient(t, discover.Config{Address: server.Addr})
	ctx := t.Context()
	r := discover.Registration{
		Name: "auth-service", Version: "v1", Address: "10.0.0.7", Port: 4001, Tags: []string{"prod"},
		Weights: discover.Weights{Passing: 7, Warning: 2}, Locality: discover.Locality{Region: "eu", Zone: "b"},
		Checks: []discover.CheckConfig{{TTL: time.Hour}, {HTTP: "http://127.0.0.1:1/"}, {GRPC: "127.0.0.1:1/auth", TLS: true}},
	}
	plan := func(want string) {
		t.Helper()
		p, err := client.PlanRegistration(ctx, r)
		if err != nil || p.Action != want {
			t.Errorf("plan: %+v, %v; want %s", p, err, want)
		}
	}
	plan("create")
	id, err := client.Register(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	plan("keep")
	got, err := client.Instances(ctx, "auth-service", discover.Query{Health: discover.Any})
	if err != nil || len(got) != 1 || got[0].Weights != r.Weights || got[0].Locality != r.Locality {
		t.Errorf("instances: %+v, %v", got, err)
	}

	if err := client.Maintain(ctx, id, "new disk"); err != nil {
		t.Fatal(err)
	}
	r.Checks = r.Checks[:1]
	plan("replace")
	if _, err := client.Register(ctx, r); err != nil {
		t.Fatal(err)
	}
	reason, on, err := client.Maintenance(ctx, id)
	registered, _ := client.Registered(ctx, id)
	if err != nil || !on || reason != "new disk" || len(registered.Checks) != 2 {
		t.Errorf("after registering again: maintenance %v %q, %v; %+v", on, reason, err, registered.Checks)
	}
	if err := client.EndMaintenance(ctx, id); err != nil {
		t.Error(err)
	}
	if err := client.Maintain(ctx, "", "all of it"); err != nil {
		t.Error(err)
	}
	if reason, on, err := client.Maintenance(ctx, ""); err != nil || !on || reason != "all of it" {
		t.Errorf("the node: %v %q, %v", on, reason, err)
	}
	if err := client.EndMaintenance(ctx, ""); err != nil {
		t.Error(err)
	}
	if err := client.Conflict(ctx, r); err != nil {
		t.Errorf("its own id: %v", err)
	}
	elsewhere(t, server, id)
	err = client.Conflict(ctx, r)
	var conflict *discover.ConflictError
	if !errors.As(err, &conflict) || conflict.Node != "elsewhere" || conflict.At != "10.0.0.9:4001" {
		t.Fatalf("an id that another node has: %v", err)
	}
	if err := client.Deregister(ctx, id); err != nil {
		t.Error(err)
	}
	wantText(t, client.Deregister(ctx, id), "it is registered at node elsewhere, and only the agent there can change it")
	wantText(t, client.Maintain(ctx, id, ""), "it is registered at node elsewhere")
	if err := client.Evict(ctx, conflict); err != nil {
		t.Error(err)
	}
	if err := client.Conflict(ctx, r); err != nil {
		t.Errorf("after it is taken out of the catalogue: %v", err)
	}
}

// elsewhere puts an instance of that id on another node into the catalogue.
func elsewhere(t *testing.T, server *testenv.ConsulServer, id string) {
	t.Helper()
	body := fmt.Sprintf(`{"Node": "elsewhere", "Address": "10.0.0.9", "Service": {"ID": %q, "Service": "auth-service", "Port": 4001}}`, id)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+server.Addr+"/v1/catalog/register", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, text)
	}
}
