//go:build unix

package conformance

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/consulgrpc"
)

// TestChangesInRealConsulReachThePicker: register, critical, deregister, an agent that is away and one that was wiped.
func TestChangesInRealConsulReachThePicker(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t)
	client := discoverClient(t, discover.Config{Address: server.Addr})
	ctx := t.Context()
	const name = "picked"
	first, second := healthServer(t), healthServer(t)
	conn, err := grpc.NewClient("consul:///"+name+"?version=v1&tag=prod",
		grpc.WithResolvers(consulgrpc.NewBuilder(client)), grpc.WithDefaultServiceConfig(consulgrpc.ServiceConfig),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // it only says that it is closed
	become := func(wanted ...string) {
		t.Helper()
		callsGoTo(t, conn, wanted)
	}
	idOf := func(address string) string {
		return discover.Registration{Name: name, Address: "127.0.0.1", Port: port(t, address)}.ID()
	}
	fails := func(want string) {
		t.Helper()
		callsFail(t, conn, want)
	}

	fails("Consul knows no service picked")
	registerTTL(ctx, t, client, name, port(t, first), discover.Passing)
	become(first)
	registerTTL(ctx, t, client, name, port(t, second), discover.Passing)
	become(first, second)
	if err := client.Report(ctx, discover.CheckID(idOf(first), 0), discover.Critical, "out of order"); err != nil {
		t.Fatal(err)
	}
	become(second)
	if err := client.Deregister(ctx, idOf(second)); err != nil {
		t.Fatal(err)
	}
	fails("is critical: out of order")
	registerTTL(ctx, t, client, name, port(t, second), discover.Passing)
	become(second)
	server.Stop()
	for range 200 { // the instance is there, whoever else is not
		if _, err := pickedBy(t, conn); err != nil {
			t.Fatalf("a call failed while Consul was away: %v", err)
		}
	}
	if err := server.Restart(true); err != nil {
		t.Fatal(err)
	}
	fails("Consul knows no service picked")
	registerTTL(ctx, t, client, name, port(t, first), discover.Passing)
	become(first)
}

// pickBound is in what time a change must be felt: a watch that failed asks again after 30 s at most, and jitter.
const pickBound = time.Minute

func callsGoTo(t *testing.T, conn *grpc.ClientConn, wanted []string) {
	t.Helper()
	var got map[string]int
	for deadline := time.Now().Add(pickBound); time.Now().Before(deadline); {
		got = map[string]int{}
		for range 6 {
			if address, err := pickedBy(t, conn); err == nil {
				got[address]++
			}
		}
		complete := len(got) == len(wanted)
		for _, address := range wanted {
			complete = complete && got[address] == 6/len(wanted)
		}
		if complete {
			return
		}
	}
	t.Fatalf("calls go to %v, want %v", got, wanted)
}

func callsFail(t *testing.T, conn *grpc.ClientConn, want string) {
	t.Helper()
	var last error
	for deadline := time.Now().Add(pickBound); time.Now().Before(deadline); {
		if _, last = pickedBy(t, conn); last != nil && strings.Contains(last.Error(), want) {
			return
		}
	}
	t.Fatalf("calls end with %v, want %q", last, want)
}

// pickedBy makes a call and returns the address of who answered.
func pickedBy(t *testing.T, conn *grpc.ClientConn) (address string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), pickBound)
	defer cancel()
	var from peer.Peer
	_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.Peer(&from))
	if err != nil {
		return "", err
	}
	return from.Addr.String(), nil
}

func healthServer(t *testing.T) (address string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}
