package consulgrpc_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/consulgrpc"
)

// serveStatus starts a server whose health is the status.
func serveStatus(t *testing.T, of *discover.Status) (hostPort string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, consulgrpc.NewHealthServer(of, "auth.v1.Auth"))
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) }) // nil, by Stop
	t.Cleanup(func() {
		server.Stop()
		running.Wait()
	})
	return listener.Addr().String()
}

func healthClient(t *testing.T, hostPort string) grpc_health_v1.HealthClient {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+hostPort, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // it only says that it is closed
	return grpc_health_v1.NewHealthClient(conn)
}

func TestHealthServerChecks(t *testing.T) {
	var of discover.Status
	client := healthClient(t, serveStatus(t, &of))
	for _, row := range []struct {
		health discover.Health
		want   string
	}{
		{discover.Passing, "SERVING"}, {discover.Warning, "SERVING"}, {discover.Critical, "NOT_SERVING"}, {discover.Passing, "SERVING"},
	} {
		of.Set("database", row.health, "told so")
		for _, service := range []string{"", "auth.v1.Auth"} {
			reply, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
			if err != nil || reply.GetStatus().String() != row.want {
				t.Errorf("%q while it is %s: %v, %v", service, row.health, reply.GetStatus(), err)
			}
		}
		list, err := client.List(t.Context(), &grpc_health_v1.HealthListRequest{})
		if err != nil || len(list.GetStatuses()) != 2 || list.GetStatuses()["auth.v1.Auth"].GetStatus().String() != row.want {
			t.Errorf("list while it is %s: %v, %v", row.health, list, err)
		}
	}
	if _, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "other"}); status.Code(err) != codes.NotFound {
		t.Errorf("unknown service: %v", err)
	}
}

func TestHealthServerTellsChanges(t *testing.T) {
	var of discover.Status
	client := healthClient(t, serveStatus(t, &of))
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	stream, err := client.Watch(ctx, &grpc_health_v1.HealthCheckRequest{Service: "auth.v1.Auth"})
	if err != nil {
		t.Fatal(err)
	}
	next := func(want grpc_health_v1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		if reply, err := stream.Recv(); err != nil || reply.GetStatus() != want {
			t.Fatalf("got %v, %v, want %v", reply.GetStatus(), err, want)
		}
	}
	next(grpc_health_v1.HealthCheckResponse_SERVING)
	of.Set("database", discover.Warning, "slow") // no change to gRPC
	of.Set("database", discover.Critical, "away")
	next(grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	of.Forget("database")
	next(grpc_health_v1.HealthCheckResponse_SERVING)
	stranger, err := client.Watch(ctx, &grpc_health_v1.HealthCheckRequest{Service: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if reply, err := stranger.Recv(); err != nil || reply.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN {
		t.Errorf("unknown service: %v, %v", reply.GetStatus(), err)
	}
}

// TestConsulChecksTheHealthServer: a change of the status keeps callers away, by Consul's own check.
func TestConsulChecksTheHealthServer(t *testing.T) {
	var of discover.Status
	client := newClient(t, startConsul(t, "").Addr())
	address := serveStatus(t, &of)
	at := instanceAt(t, address)
	if _, err := client.Register(t.Context(), discover.Registration{
		Name: "auth", Address: at.Address, Port: at.Port,
		Checks: []discover.CheckConfig{{GRPC: address + "/auth.v1.Auth", Interval: time.Second}},
	}); err != nil {
		t.Fatal(err)
	}
	conn := dial(t, client, target("auth"))
	eventually(t, conn, address)
	of.Set("database", discover.Critical, "away")
	fails(t, conn, "NOT_SERVING")
}

// The health of a process is told to whoever asks by gRPC, such as Consul's checks.
func ExampleNewHealthServer() {
	var status discover.Status
	health := consulgrpc.NewHealthServer(&status, "auth.v1.Auth")
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health)
	defer server.Stop()

	status.Set("database", discover.Critical, "connection refused")
	reply, err := health.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{Service: "auth.v1.Auth"})
	fmt.Println(reply.GetStatus(), err)
	// Output:
	// NOT_SERVING <nil>
}
