//go:build unix

package conformance

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
)

// consulAPI is Consul's own client, for what ours is not made for.
func consulAPI(t *testing.T, server *testenv.ConsulServer) *api.Client {
	t.Helper()
	client, err := api.NewClient(&api.Config{Address: server.Addr, Token: server.Token})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestConsulQuery registers on two nodes by Consul's own client and asks by ours.
func TestConsulQuery(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	catalogue := consulAPI(t, server).Catalog()
	for i, r := range []*api.CatalogRegistration{
		{Service: &api.AgentService{
			ID: "a", Service: "auth", Address: "2001:db8::1", Port: 7, Tags: []string{"Prod"}, Meta: map[string]string{"version": "v1", "team": "core"},
			Weights: api.AgentWeights{Passing: 5, Warning: 2}, Locality: &api.Locality{Region: "eu", Zone: "eu-1"},
		}, Check: &api.AgentCheck{Node: "far", CheckID: "c", Name: "c", ServiceID: "a", Status: "warning", Output: "slow"}},
		{Service: &api.AgentService{ID: "b", Service: "Auth", Meta: map[string]string{"version": "v2"}}},
		{Service: &api.AgentService{ID: "c", Service: "user", Address: "10.0.0.3", Port: 3}},
	} {
		r.Node, r.Address = "far", "10.0.0.2"
		if _, err := catalogue.Register(r, nil); err != nil {
			t.Fatal(i, err)
		}
	}
	c := discoverClient(t, discover.Config{Address: server.Addr})
	both, err := c.Instances(ctx, "AUTH", discover.Query{Health: discover.Warning})
	if err != nil || len(both) != 2 {
		t.Fatalf("%+v, %v", both, err)
	}
	a, b := both[0], both[1]
	if a.HostPort() != "[2001:db8::1]:7" || a.Weight() != 2 || a.Locality.Zone != "eu-1" || a.Checks[0].Output != "slow" {
		t.Errorf("got %+v", a)
	}
	if b.Name != "Auth" || b.HostPort() != "10.0.0.2:0" || b.Weight() != 1 || b.Health != discover.Passing {
		t.Errorf("got %+v", b)
	}
	for _, q := range []discover.Query{
		{Meta: map[string]string{"team": "core"}}, {Tags: []string{"prod"}}, {Filter: `Service.Meta.team == core`}, {Filter: `"Prod" in Service.Tags`},
	} {
		q.Health = discover.Any
		if got, err := c.Instances(ctx, "auth", q); err != nil || len(got) != 1 || got[0].ID != "a" {
			t.Errorf("%+v: %+v, %v", q, got, err)
		}
	}
	_, err = c.Instances(ctx, "auth", discover.Query{Filter: "Servce.Port == 1"})
	wantText(t, err, "is the filter expression right?")
	_, err = c.Instances(ctx, "auth", discover.Query{Filter: "Service.Port == 1"})
	wantText(t, err, "Service.Port == 1")
	byNode, err := c.Services(ctx, discover.Query{})
	if err != nil {
		t.Fatal(err)
	}
	byService, err := c.Services(ctx, discover.Query{Filter: `Service.ID != ""`})
	if err != nil || fmt.Sprint(byNode) != fmt.Sprint(byService) {
		t.Errorf("by node %+v\nby service %+v, %v", byNode, byService, err)
	}
	nodes, err := c.Nodes(ctx, discover.Query{})
	if err != nil || len(nodes) != 2 || nodes[0].Name != "far" || nodes[0].Services != 3 || nodes[1].Name != "real" || nodes[1].Health != discover.Passing {
		t.Errorf("nodes: %+v, %v", nodes, err)
	}
	if nodes, err = c.Nodes(ctx, discover.Query{Filter: `Address == "10.0.0.2"`, Near: "_agent"}); err != nil || len(nodes) != 1 {
		t.Errorf("filtered: %+v, %v", nodes, err)
	}
}

// TestConsulHidesAPart: a token that may read some services only gets an error from whatever lists all of them, and one
// that is revoked during a watch leaves the last good set.
func TestConsulHidesAPart(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.WithACL())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	manager := discoverClient(t, discover.Config{Address: server.Addr, Token: server.Token})
	registerTTL(ctx, t, manager, "auth-service", 1, discover.Passing)
	registerTTL(ctx, t, manager, "user-service", 2, discover.Passing)
	acl := consulAPI(t, server).ACL()
	policy, _, err := acl.PolicyCreate(&api.ACLPolicy{
		Name: "part", Rules: `node_prefix "" { policy = "read" } service "auth-service" { policy = "read" }`,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := acl.TokenCreate(&api.ACLToken{Policies: []*api.ACLTokenPolicyLink{{ID: policy.ID}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	part := discoverClient(t, discover.Config{Address: server.Addr, Token: token.SecretID, CacheDir: t.TempDir()})
	if got, err := part.Instances(ctx, "auth-service", discover.Query{}); err != nil || len(got) != 1 {
		t.Errorf("what it may read: %+v, %v", got, err)
	}
	_, hidden := part.Instances(ctx, "user-service", discover.Query{})
	_, services := part.Services(ctx, discover.Query{})
	_, nodes := part.Nodes(ctx, discover.Query{})
	for i, err := range []error{hidden, services, nodes} {
		if !errors.Is(err, discover.ErrFiltered) {
			t.Errorf("%d: a part was hidden, and said is %v", i, err)
		}
	}
	revoked := false
	for update := range part.Watch(ctx, "auth-service", discover.Query{}) {
		if len(update.Instances) != 1 {
			t.Fatalf("the last good set was not kept: %+v", update)
		}
		if update.Stale() {
			wantText(t, update.Err, "it does not know this token")
			break
		}
		if _, err := acl.TokenDelete(token.AccessorID, nil); err != nil {
			t.Fatal(err)
		}
		revoked = true
		registerTTL(ctx, t, manager, "auth-service", 1, discover.Critical) // wakes the watch
	}
	if !revoked || ctx.Err() != nil {
		t.Error("the watch never told that its token was revoked")
	}
	last, err := part.Remembered("auth-service", discover.Query{})
	if err != nil || len(last.Instances) != 1 {
		t.Errorf("remembered: %+v, %v", last, err)
	}
}
