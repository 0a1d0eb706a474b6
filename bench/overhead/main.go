//go:build unix

// Command overhead measures what a channel of pkg/rpc adds to a unary call over
// a bare grpc.ClientConn: interceptor, picker, breaker and retry. The channel also
// sends a request id and trace headers, whose cost on the wire is not its own:
// what it adds is told over a bare connection that sends the same headers, and
// over one that sends none. The server is a process of its own, so that what is
// counted is the client's alone; the contenders take turns.
//
//	go run ./bench/overhead [-calls 5000] [-rounds 9] [-json FILE]
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/spec"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

// The goals: what the channel may add to a call.
const (
	goalTime   = 3 * time.Microsecond
	goalAllocs = 8
)

const (
	serve   = "serve" // the argument that makes this program the server
	version = "bench/1"
)

func main() {
	calls := flag.Int("calls", 5000, "calls a round")
	rounds := flag.Int("rounds", 9, "rounds of each contender")
	jsonFile := flag.String("json", "", "write the result as JSON to this file")
	flag.Parse()
	var err error
	if flag.Arg(0) == serve {
		err = server(os.Stdout, os.Stdin)
	} else {
		err = run(context.Background(), os.Stdout, *calls, *rounds, *jsonFile)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "overhead:", err)
		os.Exit(1)
	}
}

// server prints its address and serves until its input ends.
func server(out io.Writer, in io.Reader) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	fmt.Fprintln(out, listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, in)
		s.Stop()
	}()
	return s.Serve(listener)
}

// cost is what one call takes: wall and CPU time in nanoseconds, and allocations.
type cost struct {
	Wall   float64 `json:"wall_ns"`
	CPU    float64 `json:"cpu_ns"`
	Allocs float64 `json:"allocs"`
}

// result has the costs of the contenders, and what the channel adds to those of
// the others.
type result struct {
	Calls        int  `json:"calls"`
	Rounds       int  `json:"rounds"`
	Bare         cost `json:"bare"`
	SameHeaders  cost `json:"same_headers"`
	Channel      cost `json:"channel"`
	Added        cost `json:"added_to_same_headers"`
	AddedToPlain cost `json:"added_to_bare"`
}

// withHeaders is a connection that sends what a channel sends.
type withHeaders struct{ *grpc.ClientConn }

func (c withHeaders) Invoke(ctx context.Context, method string, args, reply any, options ...grpc.CallOption) error {
	list := []string{spec.HeaderRequestID, telemetry.RequestID(ctx), spec.HeaderClientVersion, version, spec.HeaderAPIVersion, "v1"}
	list = telemetry.AppendTraceHeaders(list, telemetry.NextSpan(trace.SpanContext{}))
	return c.ClientConn.Invoke(metadata.AppendToOutgoingContext(ctx, list...), method, args, reply, options...)
}

func run(ctx context.Context, out io.Writer, calls, rounds int, jsonFile string) error {
	address, stop, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer stop()
	bare, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer bare.Close() //nolint:errcheck // it only says that it is closed
	channel, err := rpc.NewChannel(ctx, rpc.Config{
		Target: "health", ClientVersion: version, APIVersion: "v1",
		Instances: func(context.Context) ([]string, error) { return []string{address}, nil },
	})
	if err != nil {
		return err
	}
	defer channel.Close()                  //nolint:errcheck // it only says that it is closed
	ctx = telemetry.WithRequestID(ctx, "") // a service calls on behalf of a request, which has one
	conns := []grpc.ClientConnInterface{bare, withHeaders{bare}, channel}
	samples := make([][]cost, len(conns))
	for round := range rounds + 1 { // the first warms up
		for i, conn := range conns {
			sample, err := measure(ctx, conn, calls)
			if err != nil {
				return err
			}
			if round > 0 {
				samples[i] = append(samples[i], sample)
			}
		}
	}
	r := result{Calls: calls, Rounds: rounds, Bare: median(samples[0]), SameHeaders: median(samples[1]), Channel: median(samples[2])}
	r.Added, r.AddedToPlain = r.Channel.minus(r.SameHeaders), r.Channel.minus(r.Bare)
	return r.report(out, jsonFile)
}

func (c cost) minus(o cost) cost {
	return cost{Wall: c.Wall - o.Wall, CPU: c.CPU - o.CPU, Allocs: c.Allocs - o.Allocs}
}

func startServer(ctx context.Context) (address string, stop func(), err error) {
	cmd := exec.CommandContext(ctx, os.Args[0], serve)
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { _ = in.Close(); _ = cmd.Wait() }
	scanner := bufio.NewScanner(stdout)
	if !scanner.Scan() {
		stop()
		return "", nil, cmp.Or(scanner.Err(), io.ErrUnexpectedEOF)
	}
	return scanner.Text(), stop, nil
}

// measure makes calls with a deadline of their own, as the specification's calls
// have (G3), one after the other.
func measure(ctx context.Context, conn grpc.ClientConnInterface, calls int) (cost, error) {
	client, request := grpc_health_v1.NewHealthClient(conn), &grpc_health_v1.HealthCheckRequest{}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start, cpu := time.Now(), cpuTime()
	for range calls {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := client.Check(ctx, request)
		cancel()
		if err != nil {
			return cost{}, err
		}
	}
	wall, used := time.Since(start), cpuTime()-cpu
	runtime.ReadMemStats(&after)
	n := float64(calls)
	return cost{Wall: float64(wall) / n, CPU: float64(used) / n, Allocs: float64(after.Mallocs-before.Mallocs) / n}, nil
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail with these arguments
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(list []cost) cost {
	of := func(get func(cost) float64) float64 {
		var values []float64
		for _, c := range list {
			values = append(values, get(c))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return cost{
		Wall:   of(func(c cost) float64 { return c.Wall }),
		CPU:    of(func(c cost) float64 { return c.CPU }),
		Allocs: of(func(c cost) float64 { return c.Allocs }),
	}
}

func (r result) report(out io.Writer, jsonFile string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "a call\twall µs\tCPU µs\tallocations\t")
	line := func(name string, c cost) {
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.1f\t\n", name, c.Wall/1e3, c.CPU/1e3, c.Allocs)
	}
	line("bare ClientConn", r.Bare)
	line("bare, the same headers", r.SameHeaders)
	line("rpc.Channel", r.Channel)
	line("added to the first", r.AddedToPlain)
	line("added to the second", r.Added)
	line("goal, at most", cost{Wall: float64(goalTime), CPU: float64(goalTime), Allocs: goalAllocs})
	if err := w.Flush(); err != nil || jsonFile == "" {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(jsonFile, append(text, '\n'), 0o644)
}
