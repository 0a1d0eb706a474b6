package consulgrpc_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/consulgrpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bound is how long a change may take to reach a picker before a test gives up.
const bound = 20 * time.Second

func startConsul(t *testing.T, addr string) *consul.Server {
	t.Helper()
	server, err := consul.Start(consul.Options{Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() }) // some tests have closed it
	return server
}

func newClient(t *testing.T, address string) *discover.Client {
	t.Helper()
	client, err := discover.New(discover.Config{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() }) // never fails
	return client
}

// serve starts a gRPC server with a health service on a free port.
func serve(t *testing.T, address string, options ...grpc.ServerOption) (hostPort string, state *health.Server) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	state = health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, state)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String(), state
}

// register registers a server under the name, passing, and returns the id of its TTL check.
func register(t *testing.T, client *discover.Client, name, hostPort string) (id string) {
	t.Helper()
	instance := instanceAt(t, hostPort)
	id, err := client.Register(t.Context(), discover.Registration{
		Name: name, Version: "v1", Address: instance.Address, Port: instance.Port,
		Checks: []discover.CheckConfig{{TTL: time.Hour}},
	})
	if err != nil {
		t.Fatal(err)
	}
	report(t, client, id, discover.Passing)
	return id
}

func report(t *testing.T, client *discover.Client, id string, health discover.Health) {
	t.Helper()
	if err := client.Report(t.Context(), discover.CheckID(id, 0), health, "told so"); err != nil {
		t.Fatal(err)
	}
}

// put registers by Consul's own API what our registrations do not say.
func put(t *testing.T, server *consul.Server, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+server.Addr()+"/v1/agent/service/register", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatal(response.Status)
	}
}

func instanceAt(t *testing.T, hostPort string) discover.Instance {
	t.Helper()
	host, text, err := net.SplitHostPort(hostPort)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return discover.Instance{ID: "i", Name: "i", Address: host, Port: port}
}

func dial(t *testing.T, client *discover.Client, target string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(target, append([]grpc.DialOption{
		grpc.WithResolvers(consulgrpc.NewBuilder(client)),
		grpc.WithDefaultServiceConfig(consulgrpc.ServiceConfig),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // some tests have closed it
	return conn
}

// call makes one call and returns the server's address.
func call(t *testing.T, conn *grpc.ClientConn, options ...grpc.CallOption) (hostPort string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	var from peer.Peer
	_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, append(options, grpc.Peer(&from))...)
	if err != nil {
		return "", err
	}
	return from.Addr.String(), nil
}

// reached makes calls and counts the servers that answered.
func reached(t *testing.T, conn *grpc.ClientConn, calls int) map[string]int {
	t.Helper()
	count := map[string]int{}
	for range calls {
		server, err := call(t, conn)
		if err != nil {
			t.Fatal(err)
		}
		count[server]++
	}
	return count
}

// eventually makes calls until those of one round reach the servers, and no other.
func eventually(t *testing.T, conn *grpc.ClientConn, servers ...string) {
	t.Helper()
	var last map[string]int
	var failed error
	for deadline := time.Now().Add(bound); time.Now().Before(deadline); {
		last, failed = map[string]int{}, nil
		for range 4 * (len(servers) + 1) {
			server, err := call(t, conn)
			if err != nil {
				failed = err
				break
			}
			last[server]++
		}
		complete := failed == nil && len(last) == len(servers)
		for _, server := range servers {
			complete = complete && last[server] > 0
		}
		if complete {
			return
		}
	}
	t.Fatalf("calls go to %v (%v), want %v", last, failed, servers)
}

// fails makes calls until one fails with the text; every failure must come at once.
func fails(t *testing.T, conn *grpc.ClientConn, want string) {
	t.Helper()
	var last error
	for deadline := time.Now().Add(bound); time.Now().Before(deadline); {
		_, last = call(t, conn)
		if code := status.Code(last); code != codes.OK && code != codes.Unavailable {
			t.Fatalf("failed with %v", last)
		}
		if last != nil && strings.Contains(last.Error(), want) {
			return
		}
	}
	t.Fatalf("last failed with %v, want %q", last, want)
}

func target(name string) string { return fmt.Sprintf("consul:///%s", name) }
