package rpc_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/cmd/root"
	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/clitest"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	userv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/user/v1"
)

func TestMain(m *testing.M) { clitest.Main(m) }

func TestScripts(t *testing.T) { clitest.Scripts(t, "testdata/script") }

// hostile answers with text that means harm to a terminal.
type hostile struct {
	userv1.UnimplementedUserServiceServer
}

const harm = "\x1b[2Jred\u202eder"

func (hostile) GetProfile(ctx context.Context, _ *userv1.GetProfileRequest) (*userv1.GetProfileResponse, error) {
	return &userv1.GetProfileResponse{Email: harm}, grpc.SetHeader(ctx, metadata.Pairs("x-envoy-attempt-count", "3"))
}

func (hostile) Stats(ctx context.Context, _ *userv1.StatsRequest) (*userv1.StatsResponse, error) {
	return nil, status.Error(codes.Internal, harm)
}

func (hostile) SetMaintenance(ctx context.Context, _ *userv1.SetMaintenanceRequest) (*userv1.SetMaintenanceResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func serve(t *testing.T, options ...grpc.ServerOption) string {
	t.Helper()
	server := grpc.NewServer(options...)
	userv1.RegisterUserServiceServer(server, hostile{})
	reflection.Register(server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
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

// run runs a command line in a world of its own.
func run(ctx context.Context, t *testing.T, tty bool, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return runIn(ctx, t, t.TempDir(), tty, args...)
}

// runIn runs it in a folder.
func runIn(ctx context.Context, t *testing.T, dir string, tty bool, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ios, _, out, errOut := iostreams.Test()
	ios.SetTTY(tty, tty, tty)
	home := clitest.Home(t.TempDir())
	f := &app.Factory{IO: ios, Version: "test", Dir: dir, Getenv: func(name string) string { return home[name] }}
	code = root.Run(ctx, f, args)
	return code, out.String(), errOut.String()
}

// A server that takes the connection and says nothing.
func TestABlackHole(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	address := silent.Addr().String()
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"list, --timeout":  {[]string{"rpc", "list", "--timeout", "50ms"}, 124, "--timeout ran out after 50ms"},
		"list, --max-time": {[]string{"rpc", "list", "--max-time", "50ms"}, 68, "--max-time ran out after 50ms"},
		"call, --timeout":  {[]string{"rpc", "call", "--timeout", "50ms", "a.B/C"}, 68, "--timeout ran out after 50ms"},
	} {
		t.Run(name, func(t *testing.T) {
			args := slices.Insert(test.args, 2, "--plaintext", address)
			code, stdout, stderr := run(t.Context(), t, false, args...)
			if code != test.code || stdout != "" || !strings.Contains(stderr, test.want) || !strings.Contains(stderr, address) {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
			}
		})
	}
}

// Whether a call that ran out of time is made again is a convention.
func TestRetryAfterADeadline(t *testing.T) {
	address := serve(t)
	for convention, want := range map[string]string{
		"always":     " s, although the call may have been carried out",
		"idempotent": "not retried: the call may have been carried out, and its method is not defined as idempotent",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "suokectl.yaml"), []byte("retry_after_deadline: "+convention+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, talk := runIn(t.Context(), t, dir, false, "rpc", "call", address, "SetMaintenance", "--plaintext", "--attempt-timeout", "50ms", "--tries", "2")
		if code != 68 || !strings.Contains(talk, want) {
			t.Errorf("%s: exit %d, %s", convention, code, talk)
		}
	}
}

func TestNetworkTextIsHarmlessOnATerminal(t *testing.T) {
	address := serve(t)
	for _, args := range [][]string{
		{"rpc", "call", address, "GetProfile", "--plaintext"},
		{"rpc", "call", address, "GetProfile", "--plaintext", "-o", "json"},
		{"rpc", "call", address, "GetProfile", "--plaintext", "--jq", ".messages[0].email"},
		{"rpc", "call", address, "Stats", "--plaintext"},
	} {
		_, out, talk := run(t.Context(), t, true, args...)
		if text := out + talk; strings.ContainsAny(text, "\x1b\u202e") || !strings.Contains(text, "red") {
			t.Errorf("%v printed %q", args, text)
		}
	}
	if _, out, _ := run(t.Context(), t, false, "rpc", "call", address, "GetProfile", "--plaintext", "--jq", ".messages[0].email"); out != harm+"\n" {
		t.Errorf("off a terminal the data changed: %q", out)
	}
}

// A sidecar that repeats by itself is found out.
func TestAttemptsOfTheMeshAreTold(t *testing.T) {
	if _, _, talk := run(t.Context(), t, false, "rpc", "call", serve(t), "GetProfile", "--plaintext"); !strings.Contains(talk, "the mesh made 3 attempts of the last one") {
		t.Error(talk)
	}
}

func TestInterruptedCallTellsItsStatus(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(300*time.Millisecond, func() { cancel(failure.ErrInterrupted) })
	code, out, talk := run(ctx, t, false, "rpc", "call", serve(t), "SetMaintenance", "--plaintext", "-o", "json")
	if code != failure.CodeInterrupted || !strings.Contains(out, `"code": "CANCELLED"`) || !strings.Contains(talk, "request id: ") {
		t.Errorf("exit %d, stdout %s, stderr %s", code, out, talk)
	}
}

func TestATokenIsNotSentInPlaintextToAnotherMachine(t *testing.T) {
	file := t.TempDir() + "/token"
	if err := os.WriteFile(file, bytes.Repeat([]byte("x"), 10), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, talk := run(t.Context(), t, false, "rpc", "list", "192.0.2.1:50051", "--plaintext", "--token-file", file)
	if code != failure.CodeFailed || !strings.Contains(talk, "not sent in plaintext to another machine") {
		t.Errorf("exit %d: %s", code, talk)
	}
}
