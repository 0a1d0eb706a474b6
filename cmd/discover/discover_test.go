package discover_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	cmd "github.com/suokelife/suokectl/cmd/discover"
	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/clitest"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
)

func TestMain(m *testing.M) { clitest.Main(m) }

func TestScripts(t *testing.T) { clitest.Scripts(t, "testdata/script") }

// terminal is a factory whose context is the Consul at an address, with what was written to it.
type terminal struct {
	*app.Factory
	out, errOut *bytes.Buffer
}

func newTerminal(t *testing.T, address string, variables ...string) *terminal {
	t.Helper()
	ios, _, out, errOut := iostreams.Test()
	env := map[string]string{"HOME": t.TempDir(), "SUOKECTL_CONSUL_ADDRESS": address}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	f := &app.Factory{IO: ios, Getenv: func(name string) string { return env[name] }, Dir: t.TempDir()}
	t.Cleanup(func() { _ = f.Close() }) // idle connections only
	return &terminal{Factory: f, out: out, errOut: errOut}
}

// run runs `suokectl discover` with the arguments.
func (f *terminal) run(t *testing.T, args ...string) error {
	t.Helper()
	root := &cobra.Command{Use: "suokectl", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(cmd.NewCmdDiscover(f.Factory))
	root.SetArgs(append([]string{"discover"}, args...))
	root.SetOut(f.out)
	root.SetErr(f.errOut)
	f.out.Reset()
	f.errOut.Reset()
	return root.ExecuteContext(t.Context())
}

// world is a Consul with a shop in it.
func world(t *testing.T) (address string) {
	t.Helper()
	server, err := consul.Start(consul.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	client, err := discover.New(discover.Config{Address: server.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() }) // never fails
	for port, row := range []struct {
		name, version string
		health        discover.Health
		tags          []string
	}{
		{"auth-service", "v1", discover.Passing, []string{"prod", "auth"}},
		{"auth-service", "v1", discover.Critical, []string{"prod"}},
		{"auth-service", "v2", discover.Warning, []string{"canary"}},
		{"odd-service", "v1", discover.Passing, []string{"\x1b[31mred\x1b[0m\u202e"}},
	} {
		r := discover.Registration{
			Name: row.name, Version: row.version, Address: "127.0.0.1", Port: 4000 + port, Tags: row.tags,
			Checks: []discover.CheckConfig{{TTL: time.Hour}},
		}
		id, err := client.Register(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Report(t.Context(), discover.CheckID(id, 0), row.health, "said\nin two lines"); err != nil {
			t.Fatal(err)
		}
	}
	return server.Addr()
}

func TestServices(t *testing.T) {
	f := newTerminal(t, world(t))
	if err := f.run(t, "services"); err != nil {
		t.Fatal(err)
	}
	want := "SERVICE       PASSING  WARNING  CRITICAL  VERSIONS\n" +
		"auth-service  1        1        1         v1,v2\n"
	if !strings.HasPrefix(f.out.String(), want) {
		t.Errorf("got\n%s", f.out)
	}
	if err := f.run(t, "services", "-o", "name"); err != nil || f.out.String() != "auth-service\nconsul\nodd-service\n" {
		t.Errorf("names: %q, %v", f.out, err)
	}
}

func TestInstances(t *testing.T) {
	f := newTerminal(t, world(t))
	for _, row := range []struct{ args, want, talk string }{
		{
			"", "ADDRESS         VERSION  HEALTH   TAGS\n127.0.0.1:4000  v1       passing  prod,auth\n",
			"2 instances left out: `suokectl discover explain auth-service` says why\n",
		},
		{"--tag prod --health any -o name", "auth-service-127.0.0.1-4000\nauth-service-127.0.0.1-4001\n", ""},
		{"--health warning --version v2 --jq .[].address", "127.0.0.1\n", ""},
		{
			"--tag prod --version v1 --template {{range.}}{{.port}}{{end}}", "4000\n", "",
		},
	} {
		if err := f.run(t, append([]string{"instances", "auth-service"}, strings.Fields(row.args)...)...); err != nil {
			t.Errorf("%s: %v", row.args, err)
		}
		if strings.TrimSpace(f.out.String()) != strings.TrimSpace(row.want) || f.errOut.String() != row.talk {
			t.Errorf("%s:\n%s%s", row.args, f.out, f.errOut)
		}
	}
}

func TestNoneIsAnErrorThatSaysWhy(t *testing.T) {
	f := newTerminal(t, world(t))
	for _, row := range []struct{ args, want, hint string }{
		{
			"instances auth-service --version v2",
			`no instance of auth-service v2 passes (1 warning): auth-service-127.0.0.1-4002: check "Service 'auth-service' check" is warning: said in two lines`,
			"`suokectl discover explain auth-service --version v2` says why for each; --health any lets them in",
		},
		{
			"instances auth-service --tag blue", "no instance of auth-service has tag blue; there are auth, canary, prod",
			"`suokectl discover explain auth-service --tag blue` shows what each instance has",
		},
		{"instances auht-service", "Consul knows no service auht-service; did you mean auth-service?", "`suokectl discover services` lists them"},
		{"explain auht-service", "Consul knows no service auht-service; did you mean auth-service?", "`suokectl discover services` lists them"},
	} {
		for _, format := range []string{"table", "json"} {
			err := f.run(t, append(strings.Fields(row.args), "-o", format)...)
			if err == nil || err.Error() != row.want || failure.Hint(err) != row.hint || failure.Code(t.Context(), err) != 1 {
				t.Errorf("%s:\n got %v\nhint %s", row.args, err, failure.Hint(err))
			}
			if f.out.Len() > 0 {
				t.Errorf("%s: printed %q beside the error", row.args, f.out)
			}
		}
	}
}

func TestMisuse(t *testing.T) {
	f := newTerminal(t, "127.0.0.1:1")
	err := f.run(t, "instances", "x", "--health", "critical")
	if failure.Code(t.Context(), err) != 2 || !strings.Contains(err.Error(), "passing, warning, any") {
		t.Errorf("got %v", err)
	}
}

func TestConsulIsDown(t *testing.T) {
	f := newTerminal(t, "127.0.0.1:1")
	for _, args := range [][]string{{"services"}, {"instances", "x"}, {"explain", "x"}} {
		err := f.run(t, args...)
		if failure.Code(t.Context(), err) != 1 || !strings.Contains(err.Error(), "Consul at 127.0.0.1:1: connection refused") {
			t.Errorf("%s: %v", args, err)
		}
	}
}

func TestTerminal(t *testing.T) {
	f := newTerminal(t, world(t))
	f.IO.SetTTY(true, true, true)
	f.IO.SetColor(true)
	for _, width := range []int{40, 200} {
		f.IO.SetWidth(width)
		for _, args := range [][]string{
			{"services"},
			{"instances", "auth-service", "--health", "any", "-o", "wide"},
			{"instances", "odd-service"},
		} {
			if err := f.run(t, args...); err != nil {
				t.Fatal(err)
			}
			if text := f.out.String(); strings.Contains(text, "\x1b[31mred") || strings.Contains(text, "\u202e") || !strings.Contains(text, "\x1b[") {
				t.Errorf("%v at %d columns: %q has the tag's own escapes or no colour", args, width, text)
			}
		}
	}
	if err := f.run(t, "explain", "odd-service", "--tag", "x"); err != nil || strings.Contains(f.out.String(), "\x1b[31mred") {
		t.Errorf("explain: %q, %v", f.out, err)
	}
}

func TestTagsAreUntouchedOffTheTerminal(t *testing.T) {
	f := newTerminal(t, world(t))
	if err := f.run(t, "instances", "odd-service", "-o", "json"); err != nil {
		t.Fatal(err)
	}
	var got []discover.Instance
	if err := json.Unmarshal(f.out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got[0].Tags[0] != "\x1b[31mred\x1b[0m\u202e" {
		t.Errorf("tag is %q", got[0].Tags[0])
	}
}

func TestCompletion(t *testing.T) {
	address := world(t)
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"instances", "a"}, "auth-service"},
		{[]string{"explain", ""}, "auth-service consul odd-service"},
		{[]string{"instances", "auth-service", ""}, ""},
		{[]string{"instances", "auth-service", "--version", ""}, "v1 v2"},
		{[]string{"explain", "auth-service", "--tag", "p"}, "prod"},
		{[]string{"instances", "odd-service", "--tag", ""}, "red"},
		{[]string{"instances", "--tag", ""}, ""},
		{[]string{"instances", "x", "--health", ""}, "passing warning any"},
		{[]string{"instances", "x", "--datacenter", ""}, ""},
		{[]string{"probe", "x", "--http", ""}, ""},
	} {
		for address, want := range map[string]string{address: row.want, "127.0.0.1:1": ""} {
			if slices.Contains(row.args, "--health") {
				want = row.want // needs no Consul
			}
			got := completed(t, address, row.args)
			for deadline := time.Now().Add(10 * time.Second); got != want && time.Now().Before(deadline); {
				got = completed(t, address, row.args) // an answer is given up after 80 ms, which a busy machine may take
			}
			if got != want {
				t.Errorf("%v at %s: got %q, want %q", row.args, address, got, want)
			}
		}
	}
}

// completed is what a shell is told to offer after the arguments, and that it is to offer no files.
func completed(t *testing.T, address string, args []string) string {
	t.Helper()
	f := newTerminal(t, address)
	root := &cobra.Command{Use: "suokectl"}
	root.AddCommand(cmd.NewCmdDiscover(f.Factory))
	root.SetArgs(append([]string{cobra.ShellCompRequestCmd, "discover"}, args...))
	root.SetOut(f.out)
	root.SetErr(f.errOut)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(f.out.String()), "\n")
	if directive := lines[len(lines)-1]; directive != ":4" {
		t.Errorf("%v: directive %s", args, directive)
	}
	return strings.Join(lines[:len(lines)-1], " ")
}

func TestTLSOfTheContext(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Consul-Token") != "t" || r.URL.Query().Get("dc") != "dc9" {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = io.WriteString(w, "{}")
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	bare := server.Listener.Addr().String()
	for _, row := range []struct {
		address, variables, want string
	}{
		{server.URL, "SUOKECTL_CONSUL_TLS_CA=" + ca, ""},
		{bare, "SUOKECTL_CONSUL_TLS_ENABLED=true SUOKECTL_CONSUL_TLS_CA=" + ca, ""},
		{server.URL, "", "is the CA's file missing?"},
		{bare, "", "is TLS missing?"},
		{server.URL, "SUOKECTL_CONSUL_TLS_CA=/nowhere", "prepare TLS for Consul"},
	} {
		variables := append(strings.Fields(row.variables), "SUOKECTL_CONSUL_TOKEN=t", "SUOKECTL_CONSUL_DATACENTER=dc9")
		err := newTerminal(t, row.address, variables...).run(t, "services")
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s with %s: got %v, want %q", row.address, row.variables, err, row.want)
		}
	}
}

// TestFlagsReachTheQuery goes through the constructors alone.
func TestFlagsReachTheQuery(t *testing.T) {
	f := newTerminal(t, "127.0.0.1:1")
	want := fmt.Sprint("s", discover.Query{Version: "v1", Tags: []string{"a", "b,c"}, Health: discover.Any})
	var got []string
	instances := cmd.NewCmdInstances(f.Factory, func(o *cmd.InstancesOptions) error {
		got = append(got, fmt.Sprint(o.Name, o.Query))
		return nil
	})
	explain := cmd.NewCmdExplain(f.Factory, func(o *cmd.ExplainOptions) error {
		got = append(got, fmt.Sprint(o.Name, o.Query))
		return nil
	})
	for _, c := range []*cobra.Command{instances, explain} {
		c.SetArgs([]string{"s", "--version", "v1", "--tag", "a", "--tag", "b,c", "--health", "any"})
		if err := c.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 2 || got[0] != want || got[1] != want {
		t.Errorf("got %q, want %q twice", got, want)
	}
}
