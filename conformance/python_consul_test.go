//go:build unix

package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/definition"
)

// specifiedRegistration is the specification's example, letter by letter.
const specifiedRegistration = `consul:
  host: "consul.suokelife.com"
  port: 8500
  service:
    name: "auth-service"
    version: "v1"
    tags: ["prod", "auth", "security"]
    meta:
      api_version: "v1.2.3"
      team: "security-team"
    check:
      http: "http://localhost:8080/health"
      interval: "10s"
      timeout: "1s"
`

// pythonConsul runs the specification's client against an agent.
type pythonConsul struct {
	*testing.T
	python, host, port string
}

func (p *pythonConsul) run(args ...string) string {
	p.Helper()
	line := append([]string{"-W", "ignore", "python/consul_client.py", p.host, p.port}, args...)
	cmd := exec.CommandContext(p.Context(), p.python, line...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		p.Fatalf("%v: %v\n%s", args, err, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// find is what the sample finds, as ids.
func (p *pythonConsul) find(args ...string) string {
	p.Helper()
	text := p.run(append([]string{"find"}, args...)...)
	var found []struct {
		ServiceID, ServiceAddress string
		ServicePort               int
		ServiceMeta               map[string]string
		ServiceTags               []string
	}
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		return text
	}
	var out []string
	for _, i := range found {
		out = append(out, fmt.Sprint(i.ServiceID, " ", i.ServiceAddress, ":", i.ServicePort, " ", i.ServiceMeta["api_version"], i.ServiceTags))
	}
	return strings.Join(out, ", ")
}

// TestPythonAndWeFindEachOther: the sample and our discovery agree, but where the sample is wrong, which is noted.
func TestPythonAndWeFindEachOther(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t)
	ctx := t.Context()
	client := discoverClient(t, discover.Config{Address: server.Addr})
	p := &pythonConsul{T: t, python: testenv.Python(t, "python/consul-requirements.txt")}
	var err error
	if p.host, p.port, err = net.SplitHostPort(server.Addr); err != nil {
		t.Fatal(err)
	}

	read, err := definition.Parse("consul.yaml", []byte(specifiedRegistration))
	if err != nil {
		t.Fatal(err)
	}
	ours := read.Registration
	ours.Address, ours.Port = "10.0.0.7", 50051 // which the specification does not say
	if _, err := client.Register(ctx, ours); err != nil {
		t.Fatal(err)
	}

	// The sample as written takes the pair of index and list for the list.
	if got := p.run("verbatim", "auth-service"); got != "TypeError" {
		t.Errorf("the sample as written ended with %s", got)
	}
	// With that repaired it finds what we register, though nothing answers the check: it does not ask for health.
	const found = "auth-service-10.0.0.7-50051 10.0.0.7:50051 v1.2.3['prod' 'auth' 'security']"
	want := strings.NewReplacer("'", "").Replace(found)
	for _, args := range [][]string{{"auth-service", "-"}, {"auth-service", "v1"}, {"auth-service", "v1", "prod", "security"}} {
		if got := p.find(args...); got != want {
			t.Errorf("%v: the sample found %q, want %q", args, got, want)
		}
	}
	for _, args := range [][]string{{"auth-service", "v2"}, {"auth-service", "v1", "canary"}, {"auth-service", "v1", "PROD"}, {"nobody", "-"}} {
		if got := p.find(args...); got != "" {
			t.Errorf("%v: the sample found %q", args, got)
		}
	}
	// We want health, say why there is none, and compare tags without regard to case, as Consul does.
	_, err = client.Instances(ctx, "auth-service", discover.Query{Version: "v1", Tags: []string{"PROD"}})
	if !errors.Is(err, discover.ErrNoInstance) || !strings.Contains(err.Error(), "is critical") {
		t.Errorf("the check on localhost: %v", err)
	}
	all, err := client.Instances(ctx, "auth-service", discover.Query{Version: "v1", Tags: []string{"PROD"}, Health: discover.Any})
	if err != nil || len(all) != 1 || all[0].Meta["team"] != "security-team" {
		t.Errorf("of any health: %+v, %v", all, err)
	}

	for _, args := range []string{"py-1 10.0.0.8 50052 v2 prod", "py-2 10.0.0.9 50053 - prod"} {
		if got := p.run(append([]string{"register", "auth-service"}, strings.Fields(args)...)...); got != "true" {
			t.Fatalf("register %s: %s", args, got)
		}
		id, _, _ := strings.Cut(args, " ")
		if err := client.Report(ctx, "service:"+id, discover.Passing, "by its own process"); err != nil {
			t.Fatal(err)
		}
	}
	// An instance without a version is no error for us; the sample fails on it, also for those that look for others.
	if got := p.find("auth-service", "v2"); got != `{"KeyError": "version"}` {
		t.Errorf("the sample with an instance that has no version: %s", got)
	}
	for version, want := range map[string]string{"v2": "10.0.0.8:50052", "": "10.0.0.8:50052 10.0.0.9:50053"} {
		got, err := client.Instances(ctx, "auth-service", discover.Query{Version: version, Tags: []string{"prod"}})
		if err != nil || strings.Join(discover.HostPorts(got), " ") != want {
			t.Errorf("version %q: %v, %v", version, got, err)
		}
	}
}
