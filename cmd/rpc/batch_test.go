package rpc_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"

	"github.com/suokelife/suokectl/internal/clitest"
	"github.com/suokelife/suokectl/internal/failure"
	userv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/user/v1"
	"github.com/suokelife/suokectl/pkg/rpc/batch"
)

// counting is a server that takes a moment for each call and keeps a record of
// what it was asked.
type counting struct {
	userv1.UnimplementedUserServiceServer
	address string

	mu      sync.Mutex
	asked   map[string]int
	calls   int
	waited  int // for so many calls
	reached chan struct{}
}

func startCounting(t *testing.T) *counting {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &counting{address: listener.Addr().String(), asked: map[string]int{}}
	server := grpc.NewServer()
	userv1.RegisterUserServiceServer(server, c)
	reflection.Register(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *counting) GetProfile(_ context.Context, r *userv1.GetProfileRequest) (*userv1.GetProfileResponse, error) {
	c.mu.Lock()
	c.asked[r.GetUserId()]++
	if c.calls++; c.calls == c.waited {
		close(c.reached)
	}
	c.mu.Unlock()
	time.Sleep(time.Millisecond) // is the work
	return &userv1.GetProfileResponse{UserId: r.GetUserId()}, nil
}

// times is how often it was asked for a user.
func (c *counting) times(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked[id]
}

// after returns a channel that is closed after so many more calls.
func (c *counting) after(calls int) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waited, c.reached = c.calls+calls, make(chan struct{})
	return c.reached
}

// profiles writes a file of n lines, each with its number.
func profiles(t *testing.T, dir string, n int) string {
	t.Helper()
	var lines bytes.Buffer
	for i := range n {
		fmt.Fprintf(&lines, "{\"user_id\":\"%d\"}\n", i+1)
	}
	path := filepath.Join(dir, "profiles.ndjson")
	if err := os.WriteFile(path, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// process is the real program, with files of its own.
func process(t *testing.T, dir string, args ...string) (cmd *exec.Cmd, talk *bytes.Buffer) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), program)
	cmd.Args, cmd.Dir, cmd.Env = append([]string{"suokectl"}, args...), dir, os.Environ()
	for name, value := range clitest.Home(dir) {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	talk = &bytes.Buffer{}
	cmd.Stderr = talk
	return cmd, talk
}

func readResults(t *testing.T, path string, want int) []batch.Result {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var list []batch.Result
	for line := range bytes.Lines(text) {
		var r batch.Result
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if list = append(list, r); r.Line != len(list) {
			t.Fatalf("result %d is of line %d", len(list), r.Line)
		}
	}
	if len(list) != want {
		t.Fatalf("%d results, want %d", len(list), want)
	}
	return list
}

// A process that is killed again and again, at any point, sends nothing twice, and
// has one result for each line in the end. What was in flight at a kill is unknown
// until it is sent again on purpose.
func TestBatchSurvivesKills(t *testing.T) {
	const n, kills, concurrency = 2000, 6, 16
	server, dir := startCounting(t), t.TempDir()
	file, out := profiles(t, dir, n), filepath.Join(dir, "results.ndjson")
	args := []string{"rpc", "batch", file, server.address, "GetProfile", "--plaintext", "--out", out, "-c", fmt.Sprint(concurrency)}
	for range kills {
		cmd, talk := process(t, dir, args...)
		reached := server.after(1 + rand.IntN(n/kills-concurrency))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-reached:
		case err := <-ended:
			t.Fatalf("it ended by itself: %v\n%s", err, talk)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err == nil {
			t.Fatal("it ended before it was killed")
		}
	}

	cmd, talk := process(t, dir, args...)
	err := cmd.Run()
	unknown := map[string]bool{}
	for _, r := range readResults(t, out, n) {
		id := fmt.Sprint(r.Line)
		switch {
		case r.Outcome == batch.OutcomeUnknown:
			unknown[id] = true
		case r.Code != "OK" || !strings.Contains(string(r.Response), `"`+id+`"`) || server.times(id) != 1:
			t.Fatalf("%+v, and the server was asked %d times", r, server.times(id))
		}
		if server.times(id) > 1 {
			t.Fatalf("line %s was sent %d times", id, server.times(id))
		}
	}
	if len(unknown) > kills*concurrency {
		t.Errorf("%d lines are unknown after %d kills of %d calls at a time", len(unknown), kills, concurrency)
	}
	if len(unknown) > 0 && (err == nil || !strings.Contains(talk.String(), "--resend-unknown")) {
		t.Errorf("%d lines are unknown, and it says %v\n%s", len(unknown), err, talk)
	}

	cmd, talk = process(t, dir, append(args, "--resend-unknown")...)
	if err := cmd.Run(); err != nil {
		t.Errorf("%v\n%s", err, talk)
	}
	for _, r := range readResults(t, out, n) {
		id := fmt.Sprint(r.Line)
		if times := server.times(id); r.Code != "OK" || times != 1 && !unknown[id] || times > 2 {
			t.Fatalf("%+v, and the server was asked %d times", r, times)
		}
	}
	t.Logf("%d of %d lines were in flight at %d kills", len(unknown), n, kills)
}

// Whoever reads the results goes away: the process ends by itself, without a panic,
// and the journal knows all that was sent.
func TestBatchOutlivesItsReader(t *testing.T) {
	const n = 5000
	server, dir := startCounting(t), t.TempDir()
	args := []string{"rpc", "batch", profiles(t, dir, n), server.address, "GetProfile", "--plaintext", "--journal", "journal"}
	cmd, talk := process(t, dir, args...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	stdout.Close()
	exit, failed := errors.AsType[*exec.ExitError](cmd.Wait())
	if !failed || exit.ExitCode() != failure.CodeFailed || !strings.Contains(talk.String(), "broken pipe") || strings.Contains(talk.String(), "panic") {
		t.Fatalf("%v\n%s", exit, talk)
	}

	cmd, talk = process(t, dir, args...)
	all, err := os.Create(filepath.Join(dir, "all"))
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	cmd.Stdout = all
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, talk)
	}
	for _, r := range readResults(t, all.Name(), n) {
		if times := server.times(fmt.Sprint(r.Line)); r.Code != "OK" || times != 1 {
			t.Fatalf("%+v, and the server was asked %d times", r, times)
		}
	}
}

func TestInterruptedBatchGoesOn(t *testing.T) {
	const n = 1000
	server, dir := startCounting(t), t.TempDir()
	out := filepath.Join(dir, "results")
	args := []string{"rpc", "batch", profiles(t, dir, n), server.address, "GetProfile", "--plaintext", "--out", out, "-c", "4"}
	ctx, cancel := context.WithCancelCause(t.Context())
	reached := server.after(n / 4)
	go func() { <-reached; cancel(failure.ErrInterrupted) }()
	code, _, talk := run(ctx, t, false, args...)
	if code != failure.CodeInterrupted || !strings.Contains(talk, "hint: the same command goes on where this one ended") {
		t.Fatalf("exit %d: %s", code, talk)
	}
	code, _, talk = run(t.Context(), t, false, args...)
	if code != failure.CodeDone || !strings.Contains(talk, "done by an earlier run: 1000 OK") || server.calls != n {
		t.Errorf("exit %d after %d calls: %s", code, server.calls, talk)
	}
	readResults(t, out, n)
}

func TestBatchOnATerminal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "calls")
	if err := os.WriteFile(file, []byte(`{"method":"GetProfile"}`+"\n"+`{"method":"Stats"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, out, talk := run(t.Context(), t, true, "rpc", "batch", file, serve(t), "--plaintext")
	if text := out + talk; strings.ContainsAny(text, "\x1b\u202e") || strings.Count(out, "\n") != 2 || strings.Count(out, "red") != 2 {
		t.Errorf("printed %q", text)
	}
	_, out, _ = run(t.Context(), t, true, "rpc", "batch", file, serve(t), "--plaintext", "-o", "table")
	if strings.ContainsAny(strings.ReplaceAll(out, "\x1b[1m", ""), "\u202e") || strings.Contains(out, "\x1b[2J") || !strings.Contains(out, "OUTCOME") {
		t.Errorf("the table is %q", out)
	}
}

// How far a run has come is told on a terminal, unless the results are seen there.
func TestBatchTellsItsProgress(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "calls")
	if err := os.WriteFile(file, bytes.Repeat([]byte("{}\n"), 25), 0o600); err != nil {
		t.Fatal(err)
	}
	address, _ := serveLoad(t, well)
	for _, c := range []struct {
		tty   bool
		args  []string
		shown bool
	}{{true, []string{"--out", filepath.Join(dir, "results")}, true}, {true, nil, false}, {false, nil, false}} {
		args := append([]string{"rpc", "batch", file, address, "Stats", "--plaintext", "--rate", "50"}, c.args...)
		code, _, talk := run(t.Context(), t, c.tty, args...)
		if code != 0 || strings.Contains(talk, "\r\x1b[K") != c.shown || c.shown && !regexp.MustCompile(`0\.\d s  \d+ lines  \d+/s  \d+ OK`).MatchString(talk) {
			t.Errorf("exit %d, %q", code, talk)
		}
	}
}
