package rpc_test

import (
	"bufio"
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/suokelife/suokectl/internal/failure"
)

// Each change is told when it happens, on a pipe as well, and to nobody is no wait.
func TestHealthIsWatched(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	status, server := health.NewServer(), grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, status)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	defer func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	cmd, talk := process(t, t.TempDir(), "rpc", "health", listener.Addr().String(), "--plaintext", "--watch", "-o", "ndjson")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	for _, want := range []grpc_health_v1.HealthCheckResponse_ServingStatus{1, 2, 1} {
		status.SetServingStatus("", want)
		if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, `"status":"`+want.String()+`"`) {
			t.Fatalf("%q, %v, want %v", line, err, want)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != failure.CodeInterrupted {
		t.Errorf("it ended with %v\n%s", cmd.ProcessState, talk)
	}
}

// A service that cannot be dialled at all is asked again, and again said to be away.
func TestWatchingNobody(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 1500*time.Millisecond, failure.ErrInterrupted)
	defer cancel()
	code, out, talk := run(ctx, t, false, "rpc", "health", "192.0.2.1:1", "--plaintext", "--token-file", secretFile(t, 0o600), "--watch", "-o", "ndjson")
	if code != failure.CodeInterrupted || strings.Count(out, `"status":"UNREACHABLE"`) != 1 || !strings.Contains(out, "not sent in plaintext") {
		t.Errorf("exit %d, %s, %s", code, out, talk)
	}
}
