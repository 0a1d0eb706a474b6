package definition_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/definition"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// specified is the specification's own example, letter by letter.
const specified = `consul:
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

func TestTheSpecificationsExample(t *testing.T) {
	path := filepath.Join(t.TempDir(), "consul.yaml")
	if err := os.WriteFile(path, []byte(specified), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := definition.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := definition.Definition{
		Consul: "consul.suokelife.com:8500",
		Registration: discover.Registration{
			Name: "auth-service", Version: "v1", Tags: []string{"prod", "auth", "security"},
			Meta:   map[string]string{"api_version": "v1.2.3", "team": "security-team"},
			Checks: []discover.CheckConfig{{HTTP: "http://localhost:8080/health", Interval: 10 * time.Second, Timeout: time.Second}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	var missing *discover.RegistrationError
	if err := got.Registration.Validate(); !errors.As(err, &missing) || missing.Field != "address" {
		t.Errorf("nobody said where the service listens: %v", err)
	}
}

func TestExtensions(t *testing.T) {
	got, err := definition.Parse("x", []byte(`# a comment
consul:
  host: ::1
  service:
    name: &name auth-service
    version: 1.10 # nobody quoted it
    address: 10.0.0.7
    port: 50051
    tags: [*name, true]
    weights: {passing: 10, warning: 1}
    locality: {region: eu, zone: b}
    deregister_after: 1h30m
    check:
      - grpc: 10.0.0.7:50051/auth
        tls: true
        interval: 5s
      - ttl: 15s
---
`))
	if err != nil {
		t.Fatal(err)
	}
	want := definition.Definition{
		Consul: "[::1]:8500",
		Registration: discover.Registration{
			Name: "auth-service", Version: "1.10", Address: "10.0.0.7", Port: 50051, Tags: []string{"auth-service", "true"},
			Weights: discover.Weights{Passing: 10, Warning: 1}, Locality: discover.Locality{Region: "eu", Zone: "b"},
			DeregisterAfter: 90 * time.Minute,
			Checks: []discover.CheckConfig{
				{GRPC: "10.0.0.7:50051/auth", TLS: true, Interval: 5 * time.Second}, {TTL: 15 * time.Second},
			},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestRefused(t *testing.T) {
	service := func(rest string) string { return "consul:\n  service: {name: a, " + rest + "}\n" }
	for _, row := range []struct{ what, text, want string }{
		{"nothing", "", "1:1: there is nothing in it"},
		{"far too much", strings.Repeat("[", 1<<20), "1:1: it is longer than the 16 KiB"},
		{"very deep", strings.Repeat("[", 1<<14), "1:"},
		{"very deep in blocks", strings.Repeat("- ", 1<<13), "1:"},
		{"a comment alone", "# x\n", "1:1: there is nothing in it"},
		{"a list", "[]", "1:1: the document is made of keys and values, not a list"},
		{"a word", "consul", `1:1: the document is made of keys and values, not "consul"`},
		{"no service", "consul:\n  host: h\n", "2:3: consul has no service"},
		{"an empty service", "consul:\n  service:\n", "2:12: service is made of keys and values, not nothing"},
		{"no name", "consul:\n  service:\n    version: v1\n", "3:5: it needs a name"},
		{"an empty name", "consul:\n  service:\n    name: ''\n", "3:11: it needs a name"},
		{"two documents", "consul:\n  service: {name: a}\n---\nconsul:\n", "4:1: a second document begins"},
		{"a tab that indents", "consul:\n\tservice: {}\n", `2:1: it is no YAML: found character '\t' that cannot start any token; YAML indents with spaces`},
		{"a tab after spaces", "consul:\n  service:\n  \tname: a\n", "3:3: it is no YAML"},
		{"not closed", "consul:\n  service: {name: a\n", "2:12: it is no YAML"},
		{"an unknown key", service("nam: b"), `2:22: service has no key "nam"; did you mean name?`},
		{"a key of Consul's own definitions", service("checks: []"), `2:22: service has no key "checks"; did you mean check?`},
		{"a key in capitals", service("Version: v1"), `2:22: service has no key "Version"; did you mean version?`},
		{"an unlikely key", "consul: {colour: red}", `1:10: consul has no key "colour"; it has host, port, service`},
		{"a key twice", service("name: b"), `2:22: it is no YAML: mapping key "name" already defined`},
		{"a key twice by an alias", service("meta: {&k x: 1, *k : 2}"), "2:38: meta has the key \"x\" twice"},
		{"a merge key", "consul: {service: {<<: {name: a}}}", "1:20: merge keys (<<) are not read"},
		{"an alias of nobody", "consul: {service: *x}", "1:19: no anchor of that name"},
		{"a tag", "consul: {service: {name: !!str 1}}", "1:26: tags such as !!str are not read"},
		{"a list for a name", "consul: {service: {name: [a]}}", "1:26: a text is wanted, not a list"},
		{"nothing for a name", "consul: {service: {name: }}", "1:25: a text is wanted, not nothing"},
		{"a port as text", service(`port: "80"`), `2:28: port is a number, not "80"`},
		{"a port of 0", service("port: 0"), "2:28: port is a number from 1 to 65535, not 0"},
		{"a port beyond", service("port: 70000"), "2:28: port is a number from 1 to 65535, not 70000"},
		{"a port with a fraction", service("port: 80.5"), "2:28: port is a number, not 80.5"},
		{"Consul's port beyond", "consul: {host: h, port: 99999, service: {name: a}}", "1:25: port is a number from 1"},
		{"an address of every interface", service("address: 0.0.0.0"), "2:31: 0.0.0.0 is every address of this machine"},
		{"tags as text", service("tags: prod"), `2:28: tags is a list, not "prod"`},
		{"a tag of a tag", service("tags: [[a]]"), "2:29: a text is wanted, not a list"},
		{"meta as a list", service("meta: [a]"), "2:28: meta is made of keys and values, not a list"},
		{"meta in meta", service("meta: {a: {b: c}}"), "2:32: a text is wanted, not keys and values"},
		{"weights of 0", service("weights: {passing: 0}"), "2:41: passing is a number from 1 to 65535"},
		{"an interval without a unit", service("check: {http: 'http://x', interval: 10}"), "2:58: interval is a duration such as 10s; 10 has no unit"},
		{"an interval in words", service("check: {http: 'http://x', interval: 10 seconds}"), `2:58: interval is a duration such as 10s or 1m30s, not "10 seconds"`},
		{"a negative timeout", service("check: {http: 'http://x', timeout: -1s}"), "2:57: timeout is a duration greater than 0, not -1s"},
		{"a TTL of nothing", service("check: {ttl: }"), "2:34: ttl is a duration such as 10s, not nothing"},
		{"a wrong second check", service("check: [{ttl: 15s}, {ttl: soon}]"), `2:48: ttl is a duration such as 10s or 1m30s, not "soon"`},
		{"two kinds in a check", service("check: {ttl: 15s, http: 'http://x'}"), "2:29: check 1: exactly one of"},
		{"no kind in a check", service("check: {interval: 15s}"), "2:29: check 1: exactly one of"},
		{"a check that is text", service("check: http"), `2:29: check is made of keys and values, not "http"`},
		{"a URL that is none", service("check: {http: localhost/health}"), `2:29: check 1: "localhost/health" is no http or https URL`},
		{"a gRPC target without a port", service("check: {grpc: localhost}"), `2:29: check 1: "localhost" is not host:port`},
		{"TLS in words", service("check: {grpc: 'x:1', tls: please}"), `2:48: true or false is wanted, not "please"`},
		{"an interval for a TTL", service("check: {ttl: 15s, interval: 1s}"), "2:29: check 1: a TTL check has neither interval nor timeout"},
	} {
		t.Run(row.what, func(t *testing.T) {
			_, err := definition.Parse("f.yaml", []byte(row.text))
			var wrong *definition.Error
			if !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), "f.yaml:"+row.want) {
				t.Errorf("got  %v\nwant f.yaml:%s", err, row.want)
			}
		})
	}
}

func TestLoadOfWhatIsNotThere(t *testing.T) {
	_, err := definition.Load(filepath.Join(t.TempDir(), "no.yaml"))
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "read the registration: ") {
		t.Errorf("got %v", err)
	}
}

// word is a text of any kind, as YAML may quote it in any way.
var word = rapid.StringMatching(`[a-z0-9][ -~äß索]{0,10}[a-z0-9.]`)

func drawRegistration(t *rapid.T) discover.Registration {
	seconds := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.IntRange(1, 7200).Draw(t, "seconds")) * time.Second
	})
	r := discover.Registration{
		Name: word.Draw(t, "name"), Version: word.Draw(t, "version"), Address: word.Draw(t, "address"),
		Port: rapid.IntRange(1, 65535).Draw(t, "port"), Tags: rapid.SliceOfN(word, 1, 4).Draw(t, "tags"),
		Meta:    rapid.MapOfN(word, word, 1, 4).Draw(t, "meta"),
		Weights: discover.Weights{Passing: rapid.IntRange(1, 9).Draw(t, "passing"), Warning: rapid.IntRange(1, 9).Draw(t, "warning")},
	}
	for range rapid.IntRange(1, 3).Draw(t, "checks") {
		r.Checks = append(r.Checks, rapid.OneOf(
			rapid.Map(seconds, func(d time.Duration) discover.CheckConfig { return discover.CheckConfig{TTL: d} }),
			rapid.Map(seconds, func(d time.Duration) discover.CheckConfig {
				return discover.CheckConfig{HTTP: "http://h:1/" + d.String(), Interval: d, Timeout: d / 2}
			}),
			rapid.Map(seconds, func(d time.Duration) discover.CheckConfig {
				return discover.CheckConfig{GRPC: "h:1/s", TLS: true, Interval: d}
			}),
		).Draw(t, "check"))
	}
	return r
}

// asYAML writes a registration as a person would.
func asYAML(t *rapid.T, r discover.Registration) string {
	set := func(m map[string]any, key string, d time.Duration) {
		if d > 0 {
			m[key] = d.String()
		}
	}
	var checks []any
	for _, c := range r.Checks {
		m := map[string]any{}
		for key, value := range map[string]string{"http": c.HTTP, "grpc": c.GRPC} {
			if value != "" {
				m[key] = value
			}
		}
		if c.TLS {
			m["tls"] = true
		}
		set(m, "ttl", c.TTL)
		set(m, "interval", c.Interval)
		set(m, "timeout", c.Timeout)
		checks = append(checks, m)
	}
	var check any = checks
	if len(checks) == 1 {
		check = checks[0]
	}
	document := map[string]any{"consul": map[string]any{"service": map[string]any{
		"name": r.Name, "version": r.Version, "address": r.Address, "port": r.Port, "tags": r.Tags, "meta": r.Meta,
		"weights": map[string]any{"passing": r.Weights.Passing, "warning": r.Weights.Warning}, "check": check,
	}}}
	marshal := yaml.Marshal
	if rapid.Bool().Draw(t, "as JSON, which is YAML too") {
		marshal = json.Marshal
	}
	text, err := marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestFromYAMLToTheAgent: what a file says comes out of the reader, and reaches the agent.
func TestFromYAMLToTheAgent(t *testing.T) {
	var sent []byte
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/agent/service/register" {
			sent, _ = io.ReadAll(r.Body)
			return
		}
		_, _ = io.WriteString(w, "{}")
	}))
	defer agent.Close()
	client, err := discover.New(discover.Config{Address: agent.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	rapid.Check(t, func(rt *rapid.T) {
		want := drawRegistration(rt)
		text := asYAML(rt, want)
		got, err := definition.Parse("x", []byte(text))
		if err != nil || !reflect.DeepEqual(got.Registration, want) {
			rt.Fatalf("%s\ngot  %+v, %v\nwant %+v", text, got.Registration, err, want)
		}
		if _, err := client.Register(t.Context(), got.Registration); err != nil {
			rt.Fatal(err)
		}
		var body api.AgentServiceRegistration
		if err := json.Unmarshal(sent, &body); err != nil {
			rt.Fatal(err)
		}
		meta := map[string]string{}
		for key, value := range want.Meta {
			meta[key] = value
		}
		meta["version"] = want.Version
		if body.ID != want.ID() || body.Name != want.Name || body.Address != want.Address || body.Port != want.Port ||
			!reflect.DeepEqual(body.Tags, want.Tags) || !reflect.DeepEqual(body.Meta, meta) ||
			*body.Weights != (api.AgentWeights{Passing: want.Weights.Passing, Warning: want.Weights.Warning}) {
			rt.Fatalf("sent %s\nfor %+v", sent, want)
		}
		for i, check := range want.Checks {
			has := body.Checks[i]
			wantTTL, wantInterval := "", check.Interval.String()
			if check.TTL > 0 {
				wantTTL, wantInterval = check.TTL.String(), ""
			}
			if has.CheckID != discover.CheckID(want.ID(), i) || has.HTTP != check.HTTP || has.GRPC != check.GRPC || has.GRPCUseTLS != check.TLS ||
				has.TTL != wantTTL || has.Interval != wantInterval || has.DeregisterCriticalServiceAfter != "10m0s" {
				rt.Fatalf("sent %s\nfor %+v", sent, want)
			}
		}
	})
}

// FuzzParse: whatever the text is, the answer is a registration that lacks at most address and port, or an error with
// its place.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		specified, "", "{", "consul: {service: {name: a, check: [{ttl: 1s}, {grpc: 'a:1'}]}}", "consul: &a {service: {name: &b x, version: *b}}",
		"consul:\n\tservice: {}", "--- {}\n---\n", "? a\n: b", "consul: {service: {name: |\n  a\n}}", "consul: {service: {name: 0x1F, port: 1_0}}",
		"%YAML 1.2\n---\nconsul: {service: !!map {name: a}}", "consul: {service: {<<: *a}}", "&a : *a", "- - - -", "consul: {service: {meta: {? [a] : b}}}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := definition.Parse("f", []byte(text))
		var wrong *definition.Error
		if err != nil {
			if !errors.As(err, &wrong) || wrong.Line < 1 || wrong.Column < 0 || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: %#v", text, err)
			}
			return
		}
		r := got.Registration
		if r.Address == "" {
			r.Address = "a"
		}
		if r.Port == 0 {
			r.Port = 1
		}
		if err := r.Validate(); err != nil {
			t.Errorf("%q was read, and then %v", text, err)
		}
	})
}
