//go:build unix

package conformance

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"

	"github.com/suokelife/suokectl/pkg/discover"
)

// What makes the test program an instance of a service: the agent to register with, and the service's name.
const (
	instanceConsul  = "SUOKECTL_TEST_INSTANCE_CONSUL"
	instanceService = "SUOKECTL_TEST_INSTANCE_SERVICE"
)

// headerAttempt is where an instance answers which attempt of a call it saw.
const headerAttempt = "attempt"

func isInstance() bool { return os.Getenv(instanceConsul) != "" }

// serveInstance is one instance of a service until its standard input ends: it registers with Consul, keeps that up,
// and prints its address when it is registered.
func serveInstance() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	i := &instance{address: listener.Addr().String()}
	server := grpc.NewServer(grpc.StatsHandler(i))
	testgrpc.RegisterTestServiceServer(server, i)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	stop, err := discover.Serve(context.Background(), discover.Config{Address: os.Getenv(instanceConsul)}, discover.Registration{
		Name: os.Getenv(instanceService), Version: "v1", Address: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port,
		Checks: []discover.CheckConfig{{TTL: stormTTL}},
	}, discover.KeepOptions{})
	if err != nil {
		log.Fatal(err)
	}
	_, _ = os.Stdout.WriteString(i.address + "\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
	server.Stop()
	if err := errors.Join(stop(), <-served); err != nil {
		log.Fatal(err)
	}
}

// instance answers who it is, and how many connections it has.
type instance struct {
	testgrpc.UnimplementedTestServiceServer
	address     string
	connections atomic.Int32
}

func (i *instance) UnaryCall(ctx context.Context, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	attempt := 1
	if before := metadata.ValueFromIncomingContext(ctx, "grpc-previous-rpc-attempts"); len(before) > 0 {
		n, err := strconv.Atoi(before[0])
		if err != nil {
			return nil, err
		}
		attempt += n
	}
	if err := grpc.SetHeader(ctx, metadata.Pairs(headerAttempt, strconv.Itoa(attempt))); err != nil {
		return nil, err
	}
	return &testgrpc.SimpleResponse{ServerId: i.address, Hostname: strconv.Itoa(int(i.connections.Load()))}, nil
}

// FullDuplexCall answers each message with one.
func (i *instance) FullDuplexCall(stream grpc.BidiStreamingServer[testgrpc.StreamingOutputCallRequest, testgrpc.StreamingOutputCallResponse]) error {
	for {
		asked, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = stream.Send(&testgrpc.StreamingOutputCallResponse{Payload: asked.GetPayload()})
		}
		if err != nil {
			return err
		}
	}
}

func (i *instance) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (i *instance) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (i *instance) HandleRPC(context.Context, stats.RPCStats)                         {}

func (i *instance) HandleConn(_ context.Context, s stats.ConnStats) {
	switch s.(type) {
	case *stats.ConnBegin:
		i.connections.Add(1)
	case *stats.ConnEnd:
		i.connections.Add(-1)
	}
}

// instanceProcess is a process that serves an instance.
type instanceProcess struct {
	address string
	cmd     *exec.Cmd
	input   io.Closer
	wait    func() error
}

// startInstance starts a process and waits until it is registered. It ends with the test at the latest.
func startInstance(t *testing.T, consul, service string) *instanceProcess {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), instanceConsul+"="+consul, instanceService+"="+service)
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &instanceProcess{cmd: cmd, input: input, wait: sync.OnceValue(cmd.Wait)}
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("an instance said no address: %v", err)
	}
	p.address = strings.TrimSpace(line)
	return p
}

// signal sends a signal to a process that was not waited for.
func (p *instanceProcess) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("%s to %s: %v", s, p.address, err)
	}
}

// kill ends the process with SIGKILL, which also one that is stopped obeys, and waits for it.
func (p *instanceProcess) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.wait()             // by a signal, or before
}

// end asks the process to deregister and to end.
func (p *instanceProcess) end(t *testing.T) {
	t.Helper()
	p.input.Close()
	if err := p.wait(); err != nil {
		t.Errorf("%s: %v", p.address, err)
	}
}

// connections is how many connections the process has beside the one that asks.
func (p *instanceProcess) connections(t *testing.T) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///"+p.address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reply, err := testgrpc.NewTestServiceClient(conn).UnaryCall(ctx, &testgrpc.SimpleRequest{}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(reply.GetHostname())
	if err != nil {
		t.Fatal(err)
	}
	return n - 1
}

// awaitConnections waits until processes have so many connections in all, since the end of a connection is seen a
// little after it.
func awaitConnections(t *testing.T, processes []*instanceProcess, want func(int) bool) int {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	for {
		n := 0
		for _, p := range processes {
			n += p.connections(t)
		}
		if want(n) {
			return n
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Errorf("the instances have %d connections", n)
			return n
		}
	}
}
