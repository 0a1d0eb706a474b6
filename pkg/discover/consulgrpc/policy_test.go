package consulgrpc_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/peer"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func TestWeights(t *testing.T) {
	server := startConsul(t, "")
	client := newClient(t, server.Addr())
	for _, row := range []struct {
		name    string
		weights []int
		want    []int // of as many calls as they add up to
	}{
		{"equal", []int{1, 1, 1}, []int{4, 4, 4}},
		{"five-to-one", []int{5, 1, 1}, []int{50, 10, 10}},
		{"common-divisor", []int{300, 200}, []int{30, 20}},
		{"huge", []int{65535, 1}, []int{1001, 1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var addresses []string
			for i, weight := range row.weights {
				address, _ := serve(t, "127.0.0.1:0")
				addresses = append(addresses, address)
				at := instanceAt(t, address)
				put(t, server, fmt.Sprintf(`{"ID": "%s-%d", "Name": %q, "Address": %q, "Port": %d, "Weights": {"Passing": %d, "Warning": 1}}`,
					row.name, i, row.name, at.Address, at.Port, weight))
			}
			conn := dial(t, client, target(row.name))
			calls := 0
			for _, n := range row.want {
				calls += n
			}
			reached(t, conn, 1)
			awaitAll(t, conn, addresses)
			got := reached(t, conn, calls)
			for i, address := range addresses {
				if got[address] != row.want[i] {
					t.Errorf("of weights %v: instance %d got %d of %d calls, want %d", row.weights, i, got[address], calls, row.want[i])
				}
			}
		})
	}
}

// awaitAll makes calls until every server has answered one: then all are connected.
func awaitAll(t *testing.T, conn *grpc.ClientConn, servers []string) {
	t.Helper()
	seen := map[string]bool{}
	for range 100_000 {
		server, err := call(t, conn)
		if err != nil {
			t.Fatal(err)
		}
		if seen[server] = true; len(seen) == len(servers) {
			return
		}
	}
	t.Fatalf("only %v answered", seen)
}

// TestTurnsAreSpread: the same instance is not called in a row when its weight does not make it so.
func TestTurnsAreSpread(t *testing.T) {
	server := startConsul(t, "")
	client := newClient(t, server.Addr())
	names := map[string]string{}
	var addresses []string
	for name, weight := range map[string]int{"a": 4, "b": 2, "c": 2} {
		address, _ := serve(t, "127.0.0.1:0")
		addresses = append(addresses, address)
		names[address] = name
		at := instanceAt(t, address)
		put(t, server, fmt.Sprintf(`{"ID": %q, "Name": "auth", "Address": %q, "Port": %d, "Weights": {"Passing": %d, "Warning": 1}}`, name, at.Address, at.Port, weight))
	}
	conn := dial(t, client, target("auth"))
	awaitAll(t, conn, addresses)
	var turns strings.Builder
	for range 16 {
		address, err := call(t, conn)
		if err != nil {
			t.Fatal(err)
		}
		turns.WriteString(names[address])
	}
	if got := turns.String(); strings.Contains(got, "aa") || strings.Count(got, "a") != 8 {
		t.Errorf("turns are %s", got)
	}
}

func TestPickerIsSafeForConcurrentCalls(t *testing.T) {
	client := newClient(t, startConsul(t, "").Addr())
	first, _ := serve(t, "127.0.0.1:0")
	second, _ := serve(t, "127.0.0.1:0")
	register(t, client, "auth", first)
	register(t, client, "auth", second)
	conn := dial(t, client, target("auth"))
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for range 50 {
				var from peer.Peer
				if _, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}, grpc.Peer(&from)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
}
