package load_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/rpc/load"
)

// healthService serves until it is stopped.
func healthService() (address string, stop func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	return listener.Addr().String(), func() { server.Stop(); <-done }
}

// How long do users wait who come at their own time, fifty a second?
func Example() {
	address, stop := healthService()
	defer stop()
	ctx := context.Background()
	channel, err := rpc.NewChannel(ctx, rpc.Config{Target: address, Bare: true})
	if err != nil {
		panic(err)
	}
	defer channel.Close()

	result, err := load.Run(ctx, load.Config{
		Conns:    []grpc.ClientConnInterface{channel},
		Method:   "grpc.health.v1.Health/Check",
		Headers:  channel.Headers(ctx),
		Rate:     50,
		Warmup:   100 * time.Millisecond,
		Duration: 400 * time.Millisecond,
		Timeout:  5 * time.Second,
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(result.Calls, "calls,", result.Failed, "failed,", result.Missed, "missed")
	fmt.Println("p99 is known:", result.Latency.P99MS > 0)
	// Output:
	// 20 calls, 0 failed, 0 missed
	// p99 is known: true
}

// Requests of a template are the same in each run with the same seed.
func ExampleGenerated() {
	template, err := load.ParseTemplate(`{"service":{{json (pick "a" "b")}},"number":{{.N}}}`, nil, 1)
	if err != nil {
		panic(err)
	}
	bodies := load.Generated(func(n uint64) ([]byte, error) {
		text, err := template.Render(n)
		if err != nil {
			return nil, err
		}
		return text, nil // encoded as the method's message, in earnest
	})
	_ = load.Config{Bodies: bodies}
	text, _ := template.Render(41)
	fmt.Println(string(text))
	// Output: {"service":"a","number":42}
}

// What changed between two runs, and whether that may be noise?
func ExampleCompare() {
	before := &load.Result{Method: "a.B/C", Rate: 1000, Latency: load.Latency{P50MS: 2}}
	after := &load.Result{Method: "a.B/C", Rate: 900, Latency: load.Latency{P50MS: 2}}
	for _, change := range load.Compare(before, after).Changes[:2] {
		fmt.Println(change.Figure, change.Ratio, change.Verdict)
	}
	// Output:
	// rate 0.9 unknown
	// p50_ms 1 noise
}
