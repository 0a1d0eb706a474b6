package rpc_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/suokelife/suokectl/cmd/root"
	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/clitest"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/lab/services"
)

// world runs command lines that share their folders.
func world(t *testing.T) func(args ...string) (code int, stdout, stderr string) {
	t.Helper()
	home := clitest.Home(t.TempDir())
	return func(args ...string) (int, string, string) {
		ios, _, out, errOut := iostreams.Test()
		f := &app.Factory{IO: ios, Version: "test", Dir: t.TempDir(), Getenv: func(name string) string { return home[name] }}
		code := root.Run(context.WithoutCancel(t.Context()), f, args)
		return code, out.String(), errOut.String()
	}
}

// The keys of a request are completed at each depth, in no time, and although
// the server is gone.
func TestCompletionOfFields(t *testing.T) {
	server, err := services.Start(services.Options{Name: "health-service", Secret: []byte("secret")})
	if err != nil {
		t.Fatal(err)
	}
	address, run := server.Addr(), world(t)
	if code, _, stderr := run("rpc", "list", address, "--plaintext", "--anonymous"); code != 0 {
		t.Fatal(stderr)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, typed string
		want          []string
	}{
		{"GetVitals", ``, []string{`{`}},
		{"GetVitals", `{`, []string{`{"userId":`}},
		{"GetVitals", `{"us`, []string{`{"userId":`}},
		{"GetVitals", `{"userId":"`, nil},
		{"GetVitals", `{"userId":"a", "`, []string{`{"userId":"a", "userId":`}},
		{"GetVitals", `{"nothing`, nil},
		{"RecordVitals", `{"vitals":{"h`, []string{`{"vitals":{"heartRate":`}},
		{"RecordVitals", `{"vitals":{"userId":"a\"{","t`, []string{`{"vitals":{"userId":"a\"{","temperature":`}},
		{"RecordVitals", `{"vitals":{"userId":"a"},"v`, []string{`{"vitals":{"userId":"a"},"vitals":`}},
		{"RecordVitals", `{"vitals":{}}`, nil},
		{"NoSuch", `{`, nil},
	} {
		start := time.Now()
		_, stdout, _ := run("__complete", "rpc", "call", address, c.method, "--plaintext", "-d", c.typed)
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s took %v", c.typed, took)
		}
		lines := strings.Split(strings.TrimSpace(stdout), "\n")
		got := slices.DeleteFunc(lines, func(line string) bool { return line == "" || strings.HasPrefix(line, ":") })
		if !slices.Equal(got, c.want) {
			t.Errorf("%s %s: %q, want %q", c.method, c.typed, got, c.want)
		}
	}
}

// Nothing need be kept of a server that answers in time.
func TestCompletionOfFieldsAsksTheServer(t *testing.T) {
	server, err := services.Start(services.Options{Name: "health-service", Secret: []byte("secret")})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	run := world(t)
	for range 100 { // a busy machine may need more than the bound
		_, stdout, _ := run("__complete", "rpc", "call", server.Addr(), "GetVitals", "--plaintext", "-d", `{"`)
		if strings.Contains(stdout, `{"userId":`) {
			return
		}
	}
	t.Error("no key was completed")
}

func TestSizes(t *testing.T) {
	run := world(t)
	for text, good := range map[string]bool{
		"1": true, "4096": true, "64MiB": true, "64mib": true, "1.5k": true, "10 MB": true, "1gib": true, "2147483647": true,
		"": false, "0": false, "-1": false, "64XiB": false, "NaN": false, "2GiB": false, "1e99": false, "MiB": false,
	} {
		code, _, stderr := run("rpc", "list", "--protoset", "missing", "--max-msg-size", text)
		if said := strings.Contains(stderr, "is no size"); code != 2 || said == good {
			t.Errorf("%q: exit %d, %s", text, code, stderr)
		}
	}
}
