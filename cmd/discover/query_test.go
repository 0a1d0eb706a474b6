package discover_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	cmd "github.com/suokelife/suokectl/cmd/discover"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
)

// json runs a command whose stdout is JSON and returns it.
func (f *terminal) json(t *testing.T, into any, args ...string) {
	t.Helper()
	if err := f.run(t, append(args, "-o", "json")...); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	if err := json.Unmarshal(f.out.Bytes(), into); err != nil {
		t.Fatalf("%v: %v in %s", args, err, f.out)
	}
}

func TestStaleOK(t *testing.T) {
	server, err := consul.Start(consul.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := discover.New(discover.Config{Address: server.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() }) // it never fails
	if _, err := client.Register(t.Context(), discover.Registration{Name: "auth-service", Version: "v1", Address: "127.0.0.1", Port: 4000}); err != nil {
		t.Fatal(err)
	}
	f := newTerminal(t, server.Addr())
	if err := f.run(t, "instances", "auth-service", "--version", "v1"); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.run(t, "instances", "auth-service"); !errors.Is(err, discover.ErrUnreachable) || f.out.Len() > 0 {
		t.Errorf("without --stale-ok: %v, %s", err, f.out)
	}
	var got []struct {
		Port  int     `json:"port"`
		Stale bool    `json:"stale"`
		Age   float64 `json:"age_seconds"`
	}
	f.json(t, &got, "instances", "auth-service", "--stale-ok", "--health", "any")
	if len(got) != 1 || got[0].Port != 4000 || !got[0].Stale || got[0].Age <= 0 {
		t.Errorf("got %+v", got)
	}
	if talk := f.errOut.String(); !strings.HasPrefix(talk, "stale, as known 0 seconds ago: ") || !strings.Contains(talk, "connection refused") {
		t.Errorf("said %q", talk)
	}
	err = f.run(t, "instances", "auth-service", "--stale-ok", "--version", "v2")
	if !errors.Is(err, discover.ErrNoInstance) || !strings.Contains(err.Error(), "there is v1") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("of another version: %v", err)
	}
	err = f.run(t, "instances", "user-service", "--stale-ok")
	if !errors.Is(err, discover.ErrUnreachable) || !strings.Contains(failure.Hint(err), "nothing is remembered of user-service") {
		t.Errorf("of another service: %v, hint %s", err, failure.Hint(err))
	}
}

func TestSubset(t *testing.T) {
	f := newTerminal(t, world(t))
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "rule.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const rules = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: auth}
spec:
  host: auth-service
  trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST}}
  subsets:
  - {name: old, labels: {version: v1}}
  - {name: other, labels: {version: v1, zone: z}}
---
kind: VirtualService
spec: {http: [{route: [{destination: {host: auth-service, subset: old}}]}]}
`
	path := file(rules)
	if err := f.run(t, "instances", "auth-service", "--subset", "old", "--destination-rule", path, "-o", "name"); err != nil || f.out.String() != "auth-service-127.0.0.1-4000\n" {
		t.Errorf("%s, %v", f.out, err)
	}
	for _, row := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"--subset", "other", "--destination-rule", path}, "zone", 1},
		{[]string{"--subset", "new", "--destination-rule", path}, "no DestinationRule in " + path + " has subset new; there are old, other", 2},
		{[]string{"--subset", "old", "--destination-rule", "/nowhere"}, "read subset old: open /nowhere", 1},
		{[]string{"--subset", "old", "--destination-rule", file("kind: Service\n")}, "has no DestinationRule with subsets", 2},
		{[]string{"--subset", "old", "--destination-rule", file("kind: [\n")}, "read subset old of ", 2},
		{[]string{"--subset", "old", "--destination-rule", file(rules + "---\n" + strings.Replace(rules, "host: auth-service", "host: b", 1))}, "in the DestinationRules of auth-service and b", 2},
		{[]string{"--subset", "old"}, "destination-rule", 1},
		{[]string{"--meta", "x"}, `--meta "x" is not KEY=VALUE`, 2},
		{[]string{"--meta", "zone=a"}, "zone", 1},
		{[]string{"--filter", "a b c"}, "is the filter expression right?", 1},
	} {
		err := f.run(t, append([]string{"instances", "auth-service"}, row.args...)...)
		if err == nil || !strings.Contains(err.Error(), row.want) || failure.Code(t.Context(), err) != row.code {
			t.Errorf("%v: got %v, want %q and code %d", row.args, err, row.want, row.code)
		}
	}
}

// odd answers as a Consul in which odd things are registered.
func odd(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[
			{"Node": {"Node": "n", "Address": "10.0.0.1", "Datacenter": "dc1"}, "Service": {"ID": "1", "Service": "auth", "Port": 0, "Weights": {"Passing": 3}}},
			{"Node": {"Node": "n", "Address": "10.0.0.1", "Datacenter": "dc1", "Locality": {"Region": "eu", "Zone": "b"}}, "Service": {"ID": "2", "Service": "AUTH", "Address": "2001:db8::1", "Port": 7}}]`)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestInstancesAsRegistered(t *testing.T) {
	f := newTerminal(t, odd(t))
	if err := f.run(t, "instances", "auth", "-o", "wide"); err != nil {
		t.Fatal(err)
	}
	want := "ADDRESS             VERSION  HEALTH   TAGS  ID  NODE  WHERE     WEIGHT  META\n" +
		"10.0.0.1 (no port)           passing        1   n     dc1       3       \n" +
		"[2001:db8::1]:7              passing        2   n     dc1/eu/b  0       \n"
	if strings.TrimSpace(f.out.String()) != strings.TrimSpace(want) {
		t.Errorf("got\n%s\nwant\n%s", f.out, want)
	}
	if talk := f.errOut.String(); talk != "Consul does not tell names apart by case: some of these are registered as AUTH\n" {
		t.Errorf("said %q", talk)
	}
}

func TestNodes(t *testing.T) {
	f := newTerminal(t, world(t))
	if err := f.run(t, "nodes"); err != nil {
		t.Fatal(err)
	}
	want := "NODE  ADDRESS    HEALTH   SERVICES  INSTANCES  CRITICAL\n" +
		"lab   127.0.0.1  passing  3         5          1\n"
	if f.out.String() != want {
		t.Errorf("got\n%s", f.out)
	}
	var got []discover.Node
	f.json(t, &got, "nodes", "--near", "_agent")
	if len(got) != 1 || got[0].Name != "lab" || got[0].Instances != 5 {
		t.Errorf("got %+v", got)
	}
	if err := f.run(t, "nodes", "--filter", `Node == "other"`); err != nil || f.out.Len() > 0 || f.errOut.String() != "Consul knows no such nodes\n" {
		t.Errorf("%s%s%v", f.out, f.errOut, err)
	}
}

func TestServicesByQuery(t *testing.T) {
	f := newTerminal(t, world(t))
	if err := f.run(t, "services", "--tag", "prod", "-o", "wide"); err != nil {
		t.Fatal(err)
	}
	want := "SERVICE       PASSING  WARNING  CRITICAL  VERSIONS  BY VERSION  BY TAG\n" +
		"auth-service  1        0        1         v1        v1 1/2      auth 1/1, prod 1/2\n"
	if f.out.String() != want {
		t.Errorf("got\n%s", f.out)
	}
	var got []map[string]any
	f.json(t, &got, "services", "--filter", "Service.Meta.version == v2")
	want = "map[by_tag:map[canary:map[critical:0 instances:1 passing:0 warning:1]] by_version:map[v2:map[critical:0 instances:1 passing:0 warning:1]] " +
		"critical:0 instances:1 name:auth-service passing:0 tags:[canary] versions:[v2] warning:1]"
	if len(got) != 1 || fmt.Sprint(got[0]) != want {
		t.Errorf("got %v\nwant %s", got, want)
	}
}

// TestTablesOnTerminals: a line never outgrows the terminal, and what identifies a row stays whole.
func TestTablesOnTerminals(t *testing.T) {
	f := newTerminal(t, world(t))
	for _, width := range []int{60, 80, 160} {
		f.IO.SetTTY(false, true, true)
		f.IO.SetWidth(width)
		for _, row := range []struct{ args, whole string }{
			{"services", "auth-service "}, {"services -o wide", "auth-service "},
			{"instances auth-service --health any", "127.0.0.1:4002 "}, {"instances auth-service --health any -o wide", "127.0.0.1:4002 "},
			{"nodes", "127.0.0.1 "}, {"nodes -o wide", "127.0.0.1 "},
		} {
			if width < 80 && strings.Contains(row.args, "wide") {
				continue // nine columns do not fit
			}
			if err := f.run(t, strings.Fields(row.args)...); err != nil {
				t.Fatal(err)
			}
			for _, line := range strings.Split(f.out.String(), "\n") {
				if ansi.StringWidth(line) > width {
					t.Errorf("%s at %d: %q", row.args, width, line)
				}
			}
			if !strings.Contains(f.out.String(), row.whole) {
				t.Errorf("%s at %d: %q is not whole in\n%s", row.args, width, row.whole, f.out)
			}
		}
	}
}

// TestConsulVariables: with no context, and nothing else of ours, what the Consul CLI reads is what is sent.
func TestConsulVariables(t *testing.T) {
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(server.Close)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("of-the-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	alone := []string{"SUOKECTL_CONSUL_ADDRESS=", "CONSUL_HTTP_ADDR=" + server.URL}
	all := append(alone, "CONSUL_HTTP_TOKEN=of-the-variable", "CONSUL_HTTP_TOKEN_FILE="+token, "CONSUL_HTTP_AUTH=me:se:cret",
		"CONSUL_NAMESPACE=team", "CONSUL_PARTITION=part")
	for _, row := range []struct {
		variables []string
		args      string
		want      string
	}{
		{alone, "", `token "", basic "" "", ns "", partition "", dc ""`},
		{all, "", `token "of-the-file", basic "me" "se:cret", ns "team", partition "part", dc ""`},
		{all, "--namespace other --partition p2 --datacenter dc2", `token "of-the-file", basic "me" "se:cret", ns "other", partition "p2", dc "dc2"`},
		{append(all, "SUOKECTL_CONSUL_ADDRESS="+server.URL), "", `token "", basic "" "", ns "", partition "", dc ""`},
	} {
		f := newTerminal(t, "", row.variables...)
		if err := f.run(t, append([]string{"services"}, strings.Fields(row.args)...)...); err != nil {
			t.Fatal(err)
		}
		user, password, _ := got.BasicAuth()
		q := got.URL.Query()
		said := fmt.Sprintf("token %q, basic %q %q, ns %q, partition %q, dc %q",
			got.Header.Get("X-Consul-Token"), user, password, q.Get("ns"), q.Get("partition"), q.Get("dc"))
		if said != row.want {
			t.Errorf("%v %s:\n got %s\nwant %s", row.variables, row.args, said, row.want)
		}
	}
}

// TestFlagsReachServicesAndNodes goes through the constructors alone.
func TestFlagsReachServicesAndNodes(t *testing.T) {
	f := newTerminal(t, "127.0.0.1:1")
	var got []discover.Query
	services := cmd.NewCmdServices(f.Factory, func(o *cmd.ServicesOptions) error {
		got = append(got, o.Query)
		return nil
	})
	nodes := cmd.NewCmdNodes(f.Factory, func(o *cmd.NodesOptions) error {
		got = append(got, o.Query)
		return nil
	})
	services.SetArgs([]string{"--version", "v1", "--meta", "a=b=c", "--filter", "x"})
	nodes.SetArgs([]string{"--near", "n", "--filter", "y"})
	if err := errors.Join(services.ExecuteContext(t.Context()), nodes.ExecuteContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprint([]discover.Query{{Version: "v1", Meta: map[string]string{"a": "b=c"}, Filter: "x"}, {Near: "n", Filter: "y"}})
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
