package rpc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/charmbracelet/x/ansi"
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
	"github.com/suokelife/suokectl/pkg/rpc/load"
)

// target is a server for load, which answers by a function.
type target struct {
	userv1.UnimplementedUserServiceServer
	stats func(context.Context) error
}

func (s target) Stats(ctx context.Context, _ *userv1.StatsRequest) (*userv1.StatsResponse, error) {
	return &userv1.StatsResponse{}, s.stats(ctx)
}

// serveLoad returns its address and what ends it.
func serveLoad(t *testing.T, stats func(context.Context) error) (address string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	userv1.RegisterUserServiceServer(server, target{stats: stats})
	reflection.Register(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String(), server.Stop
}

func well(context.Context) error { return nil }

func result(t *testing.T, out string) load.Result {
	t.Helper()
	var r load.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return r
}

func TestBenchInterruptedShowsWhatThereIs(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	var calls atomic.Int32
	address, _ := serveLoad(t, func(ctx context.Context) error {
		if calls.Add(1) <= 20 {
			return nil
		}
		cancel(failure.ErrInterrupted)
		<-ctx.Done()
		return ctx.Err()
	})
	code, out, talk := run(ctx, t, false, "rpc", "bench", address, "Stats", "--plaintext", "-c", "1", "--duration", "1h", "-o", "json", "--html", filepath.Join(t.TempDir(), "page.html"))
	r := result(t, out)
	if code != failure.CodeInterrupted || !r.Partial || r.Calls != 20 || r.Aborted != 1 || r.Failed != 0 || !strings.Contains(talk, "wrote ") {
		t.Errorf("exit %d, %+v, %s", code, r, talk)
	}
}

func TestBenchIsBoundedByMaxTime(t *testing.T) {
	address, _ := serveLoad(t, well)
	code, out, talk := run(t.Context(), t, false, "rpc", "bench", address, "Stats", "--plaintext", "--duration", "1h", "--max-time", "300ms")
	if code != failure.CodeFailed || !strings.Contains(out, "PARTIAL: ended before its time") || !strings.Contains(talk, "--max-time ran out after 300ms") {
		t.Errorf("exit %d, %s, %s", code, out, talk)
	}
}

func TestBenchOfAServerThatDies(t *testing.T) {
	var calls atomic.Int32
	half := make(chan struct{})
	address, stop := serveLoad(t, func(ctx context.Context) error {
		switch n := calls.Add(1); {
		case n == 100:
			close(half)
			fallthrough
		case n > 100: // which are in flight when it dies
			<-ctx.Done()
		}
		return nil
	})
	dead := make(chan struct{})
	go func() { <-half; stop(); close(dead) }()
	code, out, _ := run(t.Context(), t, false, "rpc", "bench", address, "Stats", "--plaintext", "-c", "2", "-n", "2000", "-o", "json")
	<-dead
	r := result(t, out)
	count := map[string]int{} // of the answer before the last the server may not have told any more
	for _, c := range r.Codes {
		count[c.Code] = c.Calls
	}
	if code != 0 || r.Calls != 2000 || count["OK"] < 98 || count["UNAVAILABLE"] == 0 || count["OK"]+count["UNAVAILABLE"] != 2000 {
		t.Errorf("exit %d, codes %v", code, count)
	}
}

func TestBenchFailsWhenNoCallGoesWell(t *testing.T) {
	const harm = "no\x1b[2J\u202e<script>alert(1)</script>"
	address, _ := serveLoad(t, func(context.Context) error { return status.Error(codes.Internal, harm) })
	page := filepath.Join(t.TempDir(), "page.html")
	code, out, talk := run(t.Context(), t, true, "rpc", "bench", address, "Stats", "--plaintext", "-n", "10", "--html", page)
	talk = strings.ReplaceAll(talk, "\r\x1b[K", "") // the meter's own
	if code != failure.CodeFailed || strings.ContainsAny(out+talk, "\x1b\u202e") || !strings.Contains(out, "INTERNAL") || !strings.Contains(talk, "no call went well") {
		t.Errorf("exit %d, %q, %q", code, out, talk)
	}
	html, err := os.ReadFile(page)
	if err != nil || strings.Contains(string(html), "<script") || !strings.Contains(string(html), "&lt;script&gt;") {
		t.Errorf("the page: %v\n%s", err, html)
	}
}

// Calls of a run are one request, and one in traces.
func TestBenchSendsItsHeaders(t *testing.T) {
	seen := make(chan metadata.MD, 8)
	address, _ := serveLoad(t, func(ctx context.Context) error {
		md, _ := metadata.FromIncomingContext(ctx)
		seen <- md
		return nil
	})
	code, _, talk := run(t.Context(), t, false, "rpc", "bench", address, "Stats", "--plaintext", "-n", "4", "-c", "2", "--connections", "2", "--request-id", "one-run", "-H", "x-mine: yes")
	close(seen)
	n := 0
	for md := range seen {
		n++
		if md.Get("x-request-id")[0] != "one-run" || md.Get("x-mine")[0] != "yes" || len(md.Get("traceparent")) != 1 || !strings.HasPrefix(md.Get("x-client-version")[0], "suokectl/") {
			t.Errorf("headers: %v", md)
		}
	}
	if code != 0 || n != 4 || !strings.Contains(talk, "request id: one-run") {
		t.Errorf("exit %d after %d calls: %s", code, n, talk)
	}
}

func TestBenchOnATerminal(t *testing.T) {
	address, _ := serveLoad(t, well)
	for _, columns := range []int{48, 200} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			code, out, talk := runWide(t, columns, "rpc", "bench", address, "Stats", "--plaintext", "--rate", "200", "--duration", "1200ms")
			if code != 0 || !strings.Contains(out, "240 calls in 1.") {
				t.Errorf("exit %d, %s, %s", code, out, talk)
			}
			_, table, _ := strings.Cut(out, "\n\n")
			for _, line := range strings.Split(table, "\n") {
				if ansi.StringWidth(line) > columns {
					t.Errorf("a line is wider than %d: %q", columns, line)
				}
			}
			frames := strings.Split(talk, "\r\x1b[K")
			if len(frames) < 3 || !strings.Contains(frames[1], "of 1.2s") {
				t.Errorf("progress: %q", talk)
			}
			for _, frame := range frames[:len(frames)-1] {
				if ansi.StringWidth(frame) >= columns {
					t.Errorf("progress is wider than %d: %q", columns, frame)
				}
			}
		})
	}
}

func TestBenchOffATerminalShowsNoProgress(t *testing.T) {
	address, _ := serveLoad(t, well)
	code, _, talk := run(t.Context(), t, false, "rpc", "bench", address, "Stats", "--plaintext", "--rate", "50", "--duration", "1200ms")
	if code != 0 || strings.Contains(talk, "\r") || strings.Count(talk, "\n") != 1 {
		t.Errorf("exit %d, %q", code, talk)
	}
}

func TestBenchMisuse(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	address, _ := serveLoad(t, well)
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"tries":                       {[]string{"--tries", "3"}, "does not try again"},
		"no caller":                   {[]string{"-c", "0"}, "at least one caller"},
		"no connection":               {[]string{"--connections", "0"}, "--connections 0"},
		"a negative number":           {[]string{"-n", "-1"}, "cannot be negative"},
		"a negative time":             {[]string{"--warmup", "-1s"}, "cannot be negative"},
		"a rate that is none":         {[]string{"--rate", "NaN"}, "--rate NaN"},
		"arrivals of no kind":         {[]string{"--rate", "1", "--arrivals", "bursts"}, "bursts"},
		"arrivals without a rate":     {[]string{"--arrivals", "poisson"}, "needs --rate"},
		"steps without a ramp":        {[]string{"--ramp-steps", "3"}, "needs --ramp"},
		"two kinds of data":           {[]string{"-d", "{}", "--data-template", "{}"}, "exclude each other"},
		"columns without a template":  {[]string{"--csv", "x"}, "needs --data-template"},
		"two to compare with":         {[]string{"--compare", "a", "--compare", "b"}, "one earlier result"},
		"data that does not fit":      {[]string{"-d", `{"nope":1}`}, "nope"},
		"data that is no JSON":        {[]string{"-d", `{} {`}, "read request 2"},
		"a template that is none":     {[]string{"--data-template", "{{"}, "template"},
		"a template that does not go": {[]string{"--data-template", "{{.Row.x}}", "--csv", file("a.csv", "y\n1\n")}, "template"},
		"a template that fits not":    {[]string{"--data-template", `{"nope":{{.N}}}`}, "nope"},
		"no such method":              {nil, "Nope"},
	} {
		t.Run(name, func(t *testing.T) {
			method := "Stats"
			if test.args == nil {
				method = "Nope"
			}
			code, out, talk := run(t.Context(), t, false, append([]string{"rpc", "bench", address, method, "--plaintext"}, test.args...)...)
			if out != "" || !strings.Contains(talk, test.want) || code != failure.CodeMisuse && method == "Stats" || code == 0 {
				t.Errorf("exit %d, %q, %q", code, out, talk)
			}
		})
	}
	for name, args := range map[string][]string{
		"nothing to compare": {"--compare", file("one.json", "{}")},
		"no result":          {"--compare", file("two.json", "[]"), "--compare", file("three.json", "{}")},
		"no such file":       {"--compare", "missing", "--compare", "missing"},
	} {
		if code, out, _ := run(t.Context(), t, false, append([]string{"rpc", "bench"}, args...)...); code == 0 || out != "" {
			t.Errorf("%s: exit %d, %q", name, code, out)
		}
	}
}

func TestBenchRefusesStreamsOfRequests(t *testing.T) {
	code, _, talk := run(t.Context(), t, false, "rpc", "bench", serve(t), "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "--plaintext")
	if code != failure.CodeMisuse || !strings.Contains(talk, "takes a stream") {
		t.Errorf("exit %d, %s", code, talk)
	}
}

// runWide runs a command line on a terminal of so many columns.
func runWide(t *testing.T, columns int, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ios, _, out, errOut := iostreams.Test()
	ios.SetTTY(true, true, true)
	ios.SetWidth(columns)
	home := clitest.Home(t.TempDir())
	f := &app.Factory{IO: ios, Version: "test", Dir: t.TempDir(), Getenv: func(name string) string { return home[name] }}
	code = root.Run(t.Context(), f, args)
	return code, out.String(), errOut.String()
}
