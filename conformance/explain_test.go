//go:build unix

package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
	"unicode"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
)

// explained is a cause, or a note, that is made for real and then asked for.
type explained struct {
	name  string
	query discover.Query
	// make registers an instance of the service and brings it into the state.
	make     func(t *testing.T, w *explainWorld, service string)
	options  discover.ExplainOptions
	kind     discover.CauseKind // of the cause; of the first one beside a note
	note     discover.NoteKind  // a note is made, and no cause
	failure  discover.ProbeFailure
	sentence string // a part of it
	near     string
}

// explainWorld is a server, an agent that joined it, and another datacenter.
type explainWorld struct {
	server, member, other *testenv.ConsulServer
	client                *discover.Client
}

// TestConsulExplain makes each cause on real Consul and reads what is said of it.
func TestConsulExplain(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.WithConfig("enable_script_checks", true), stockOutput)
	w := &explainWorld{
		server: server,
		member: testenv.Consul(t, testenv.JoinLAN(server, "member")),
		other:  testenv.Consul(t, testenv.WithDatacenter("dc2"), testenv.JoinWAN(server)),
		client: discoverClient(t, discover.Config{Address: server.Addr}),
	}
	var said [][2]string
	for i, row := range explainTable(t) {
		t.Run(row.name, func(t *testing.T) {
			service := fmt.Sprintf("svc-%02d", i)
			row.make(t, w, service)
			said = append(said, [2]string{row.name, awaitExplained(t, w.client, service, row)})
		})
	}
	logExplained(t, said)
}

// awaitExplained asks until the row's cause or note is there.
func awaitExplained(t *testing.T, client *discover.Client, service string, row explained) (sentence string) {
	t.Helper()
	var last []discover.Explanation
	var err error
	ctx, cancel := context.WithTimeout(t.Context(), explainPatience)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for ctx.Err() == nil {
		last, err = client.Explain(ctx, service, row.query, row.options)
		if sentence, ok := row.in(last); ok {
			if strings.ContainsFunc(sentence, unicode.IsControl) {
				t.Errorf("%q could deceive a terminal, or has several lines", sentence)
			}
			return sentence
		}
		select {
		case <-again.C:
		case <-ctx.Done():
		}
	}
	t.Fatalf("never explained as wanted; last:\n%+v\n%v", last, err)
	return ""
}

// explainPatience is longer than serf takes to declare a node dead.
const explainPatience = 40 * time.Second

// in finds the row's sentence among the explanations.
func (row explained) in(all []discover.Explanation) (sentence string, ok bool) {
	for _, e := range all {
		for _, cause := range e.Causes {
			if row.note == "" && cause.Kind == row.kind && cause.Failure == row.failure && cause.Near == row.near && strings.Contains(cause.Sentence, row.sentence) {
				return cause.Sentence, true
			}
		}
		for _, note := range e.Notes {
			if row.note != "" && note.Kind == row.note && (e.Included() || row.kind == e.Causes[0].Kind) && strings.Contains(note.Sentence, row.sentence) {
				return note.Sentence, true
			}
		}
	}
	return "", false
}

func logExplained(t *testing.T, said [][2]string) {
	t.Helper()
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	for _, row := range said {
		_, _ = fmt.Fprintf(table, "%s\t| %s\n", row[0], row[1]) // a strings.Builder does not fail
	}
	_ = table.Flush()
	t.Logf("%d causes made on real Consul:\n%s", len(said), text.String())
}

// asked puts an instance up by the agent's own API, with one check in its words.
func asked(check string) func(*testing.T, *explainWorld, string) {
	return func(t *testing.T, w *explainWorld, service string) {
		t.Helper()
		body := fmt.Sprintf(`{"ID": %q, "Name": %[1]q, "Address": "127.0.0.1", "Port": 4000, "Check": %s}`, service, check)
		consulPut(t, w.server, "/v1/agent/service/register", body)
	}
}

// registered puts an instance up that passes, with that in its registration.
func registered(fields string) func(*testing.T, *explainWorld, string) {
	return func(t *testing.T, w *explainWorld, service string) {
		t.Helper()
		body := fmt.Sprintf(`{"ID": %q, "Name": %[1]q, "Address": "127.0.0.1", "Port": 4000, %s}`, service, fields)
		consulPut(t, w.server, "/v1/agent/service/register", body)
	}
}

// reported puts an instance up whose TTL check is told something.
func reported(verb, note string) func(*testing.T, *explainWorld, string) {
	return func(t *testing.T, w *explainWorld, service string) {
		t.Helper()
		asked(`{"TTL": "1h"}`)(t, w, service)
		consulPut(t, w.server, "/v1/agent/check/"+verb+"/service:"+service+"?note="+note, "")
	}
}

// external writes straight to the catalogue, as for a node without an agent.
func external(node, address, service, rest string) func(*testing.T, *explainWorld, string) {
	return func(t *testing.T, w *explainWorld, name string) {
		t.Helper()
		service := fmt.Sprintf(service, name)
		consulPut(t, w.server, "/v1/catalog/register",
			fmt.Sprintf(`{"Node": %q, "Address": %q, "SkipNodeUpdate": %t, "Service": %s %s}`, node, address, node == "real", service, fmt.Sprintf(rest, name)))
	}
}

func consulPut(t *testing.T, server *testenv.ConsulServer, path, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+server.Addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Consul-Token", server.Token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		t.Fatalf("PUT %s: %s: %s", path, response.Status, text)
	}
}

func explainTable(t *testing.T) []explained {
	t.Helper()
	closed := closedPort(t)
	slow := explainHTTP(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	broken := explainHTTP(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "<p>no\x1b[31m database</p>\n"+strings.Repeat("<br>", 1000))
	})
	limited := explainHTTP(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) })
	grpcHealth := explainGRPC(t)
	hangsUp := hangUp(t)
	const second = `"Interval": "1s", "Timeout": "300ms"`
	return []explained{
		{
			name: "http refused", make: asked(`{"HTTP": "http://` + closed + `/health", ` + second + `}`),
			kind: discover.CheckCritical, failure: discover.ProbeRefused, sentence: "is critical: Get \"http://" + closed + "/health\": dial tcp " + closed + ": connect: connection refused",
		},
		{
			name: "http 500", make: asked(`{"Name": "api", "HTTP": "` + broken + `/health", ` + second + `}`),
			kind: discover.CheckCritical, failure: discover.ProbeHTTPStatus, sentence: `check "api" is critical: HTTP GET ` + broken + `/health: 500 Internal Server Error: <p>no[31m database</p> <br>`,
		},
		{
			name: "http timeout", make: asked(`{"HTTP": "` + slow + `/health", ` + second + `}`),
			kind: discover.CheckCritical, failure: discover.ProbeTimeout, sentence: "deadline exceeded",
		},
		{
			name: "http answered and hung up", make: asked(`{"HTTP": "http://` + hangsUp + `/health", ` + second + `}`),
			kind: discover.CheckCritical, failure: discover.ProbeClosed, sentence: "EOF",
		},
		{
			name: "https asked of plain http", make: asked(`{"HTTP": "` + strings.Replace(broken, "http:", "https:", 1) + `", ` + second + `}`),
			kind: discover.CheckCritical, failure: discover.ProbeProtocol, sentence: "server gave HTTP response to HTTPS client",
		},
		{
			name: "http 429", make: asked(`{"HTTP": "` + limited + `", ` + second + `}`),
			kind: discover.CheckWarning, failure: discover.ProbeHTTPStatus, sentence: "is warning: HTTP GET " + limited + ": 429 Too Many Requests",
		},
		{
			name: "tcp refused", make: asked(`{"TCP": "` + closed + `", ` + second + `}`),
			kind: discover.CheckCritical, failure: discover.ProbeRefused, sentence: "is critical: dial tcp " + closed + ": connect: connection refused",
		},
		{
			name: "grpc not serving", make: asked(`{"GRPC": "` + grpcHealth + `/sick", ` + second + `}`),
			kind: discover.CheckCritical, failure: discover.ProbeNotServing, sentence: "gRPC " + grpcHealth + "/sick serving status: NOT_SERVING",
		},
		{
			name: "grpc service unknown", make: asked(`{"GRPC": "` + grpcHealth + `/nobody", ` + second + `}`),
			kind: discover.CheckCritical, failure: discover.ProbeNotServing, sentence: "unknown service",
		},
		{
			name: "grpc refused", make: asked(`{"GRPC": "` + closed + `", ` + second + `}`),
			kind: discover.CheckCritical, failure: discover.ProbeRefused, sentence: "is critical: dial tcp " + closed,
		},
		{
			name: "script exits 2", make: asked(`{"Args": ["sh", "-c", "echo disk is full; exit 2"], "Interval": "1s"}`),
			kind: discover.CheckCritical, failure: discover.ProbeOther, sentence: "is critical: disk is full",
		},
		{
			name: "ttl expired", kind: discover.CheckCritical, failure: discover.CheckTTLExpired,
			sentence: "TTL expired: no report came in time; the last one said: beat",
			make: func(t *testing.T, w *explainWorld, service string) {
				asked(`{"TTL": "300ms"}`)(t, w, service)
				consulPut(t, w.server, "/v1/agent/check/pass/service:"+service+"?note=beat", "")
			},
		},
		{
			name: "ttl never reported", make: asked(`{"TTL": "1h"}`),
			kind: discover.CheckNotRun, sentence: "is critical: nothing has been reported to it yet",
		},
		{
			name: "ttl reported critical", make: reported("fail", "no+disk"),
			kind: discover.CheckCritical, failure: discover.CheckReported, sentence: "is critical: no disk",
		},
		{
			name: "ttl reported warning", make: reported("warn", "slow+disk"),
			kind: discover.CheckWarning, failure: discover.CheckReported, sentence: "is warning: slow disk",
		},
		{
			name: "check never ran", make: asked(`{"TCP": "` + closed + `", "Interval": "24h"}`),
			kind: discover.CheckNotRun, sentence: "is critical: it has not run yet",
		},
		{
			name: "service maintenance", kind: discover.InMaintenance, sentence: "it is in maintenance: new disk",
			make: func(t *testing.T, w *explainWorld, service string) {
				reported("pass", "")(t, w, service)
				consulPut(t, w.server, "/v1/agent/service/maintenance/"+service+"?enable=true&reason=new+disk", "")
			},
		},
		{
			name: "service maintenance without a reason", kind: discover.InMaintenance, sentence: "it is in maintenance: no reason was given",
			make: func(t *testing.T, w *explainWorld, service string) {
				reported("pass", "")(t, w, service)
				consulPut(t, w.server, "/v1/agent/service/maintenance/"+service+"?enable=true", "")
			},
		},
		{
			name: "draining", kind: discover.Draining, sentence: "it is draining: it put itself in maintenance to shut down",
			make: func(t *testing.T, w *explainWorld, service string) {
				ctx, leave := context.WithCancel(t.Context())
				r := discover.Registration{Name: service, Address: "127.0.0.1", Port: 4000, Checks: []discover.CheckConfig{{TTL: time.Hour}}}
				stop, err := discover.Serve(ctx, discover.Config{Address: w.server.Addr}, r, discover.KeepOptions{Drain: 3 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				leave()
				t.Cleanup(func() {
					if err := stop(); err != nil {
						t.Error(err)
					}
				})
			},
		},
		{
			name: "node maintenance", query: discover.Query{Datacenter: "dc2"},
			kind: discover.InMaintenance, sentence: "its node is in maintenance: reboot",
			make: func(t *testing.T, w *explainWorld, service string) {
				consulPut(t, w.other, "/v1/agent/service/register", `{"Name": "`+service+`", "Port": 4000}`)
				consulPut(t, w.other, "/v1/agent/maintenance?enable=true&reason=reboot", "")
			},
		},
		{
			name: "tag missing", query: discover.Query{Tags: []string{"prod"}}, make: registered(`"Tags": ["canary", "eu"]`),
			kind: discover.TagMissing, sentence: "tag prod is missing; it has canary, eu",
		},
		{
			name: "tag nearly", query: discover.Query{Tags: []string{"production"}}, make: registered(`"Tags": ["eu", "Prod"]`),
			kind: discover.TagMissing, near: "Prod", sentence: "tag production is missing; it has eu, Prod; is Prod meant?",
		},
		{
			name: "version missing", query: discover.Query{Version: "v1"}, make: registered(`"Meta": {"team": "core"}`),
			kind: discover.VersionMissing, sentence: "it has no version in its metadata, so it is not v1",
		},
		{
			name: "version in a tag", query: discover.Query{Version: "v1"}, make: registered(`"Tags": ["version=v1"]`),
			kind: discover.VersionMissing, near: "tag version=v1", sentence: "; its tag version=v1 does not count",
		},
		{
			name: "version mismatch", query: discover.Query{Version: "v1"}, make: registered(`"Meta": {"version": "v2"}`),
			kind: discover.VersionMismatch, sentence: "version is v2, not v1",
		},
		{
			name: "version nearly", query: discover.Query{Version: "v1"}, make: registered(`"Meta": {"version": "1.0.0"}`),
			kind: discover.VersionMismatch, near: "1.0.0", sentence: "version is 1.0.0, not v1; versions are compared as they are written",
		},
		{
			name: "meta missing", query: discover.Query{Meta: map[string]string{"team": "core"}}, make: registered(`"Meta": {"Team": "core"}`),
			kind: discover.MetaMissing, near: "Team=core", sentence: "it has no team in its metadata, so it is not core; its Team=core does not count",
		},
		{
			name: "meta mismatch", query: discover.Query{Meta: map[string]string{"team": "core"}}, make: registered(`"Meta": {"team": "web"}`),
			kind: discover.MetaMismatch, sentence: "team in its metadata is web, not core",
		},
		{
			name: "filter", query: discover.Query{Filter: "Service.Port == 50051"}, make: registered(`"Tags": []`),
			kind: discover.FilterMismatch, sentence: "it does not match the filter Service.Port == 50051",
		},
		{
			name: "other datacenter", options: discover.ExplainOptions{Elsewhere: 10 * time.Second},
			kind: discover.OtherDatacenter, sentence: "it is in datacenter dc2, not dc1",
			make: func(t *testing.T, w *explainWorld, service string) {
				consulPut(t, w.other, "/v1/agent/service/register", `{"Name": "`+service+`", "Port": 4000}`)
			},
		},
		{
			name: "probe refused", make: registered(`"Tags": []`),
			options: discover.ExplainOptions{Probe: discover.TCPProbe},
			kind:    discover.ProbeFailed, failure: discover.ProbeRefused, sentence: "a probe from here fails: tcp 127.0.0.1:4000: connection refused",
		},
		{
			name: "alias of a failing service", kind: discover.CheckCritical, failure: discover.ProbeOther, sentence: "failing: no disk",
			make: func(t *testing.T, w *explainWorld, service string) {
				reported("fail", "no+disk")(t, w, service+"-behind")
				asked(`{"AliasService": "`+service+`-behind"}`)(t, w, service)
			},
		},
		{
			name: "note: name in other letters", note: discover.NameDiffers, sentence: "it is registered as SVC-",
			make: func(t *testing.T, w *explainWorld, service string) {
				registered(`"Tags": []`)(t, w, strings.ToUpper(service))
			},
		},
		{
			name: "note: no port", note: discover.NoPort, sentence: "without a port",
			make: func(t *testing.T, w *explainWorld, service string) {
				consulPut(t, w.server, "/v1/agent/service/register", `{"Name": "`+service+`"}`)
			},
		},
		{
			name: "note: loopback on another machine", note: discover.LoopbackOnly, sentence: "its address 127.0.0.1 leads to it on node far (10.9.8.7) alone",
			make: external("far", "10.9.8.7", `{"ID": "x", "Service": %q, "Address": "127.0.0.1", "Port": 1}`, "%.0s"),
		},
		{
			name: "note: localhost", note: discover.LoopbackOnly, sentence: "its address localhost leads to it on node wide (10.9.8.6) alone",
			make: external("wide", "10.9.8.6", `{"ID": "w", "Service": %q, "Address": "localhost", "Port": 1}`, "%.0s"),
		},
		{
			name: "note: removed when critical for long", kind: discover.CheckCritical, note: discover.RemovalPending,
			sentence: `it is removed when check "outside" has been critical for 1m30s`,
			make: external("outside", "10.9.8.5", `{"ID": "o", "Service": %q, "Port": 1}`,
				`, "Check": {"Name": "outside", "CheckID": "outside-%[1]s", "ServiceID": "o", "Status": "critical", "Definition": {"HTTP": "http://x", "DeregisterCriticalServiceAfter": "90s"}}`),
		},
		{
			name: "note: its agent does not know it", note: discover.UnknownToAgent, sentence: "the agent of its node real does not know it",
			options: discover.ExplainOptions{Elsewhere: 10 * time.Second},
			make:    external("real", "127.0.0.1", `{"ID": "ghost", "Service": %q, "Port": 1}`, "%.0s"),
		},
		{
			name: "note: same address twice", note: discover.SameAddress, sentence: "is registered at the same address and port",
			make: func(t *testing.T, w *explainWorld, service string) {
				for _, id := range []string{"a", "b"} {
					consulPut(t, w.server, "/v1/agent/service/register", fmt.Sprintf(`{"ID": "%s-%s", "Name": %q, "Port": 4000}`, service, id, service))
				}
			},
		},
		{
			name: "note: no weight while warning", query: discover.Query{Health: discover.Warning}, note: discover.NoWeight, sentence: "its weight while it warns is 0",
			make: registered(`"Weights": {"Passing": 1, "Warning": 0}, "Check": {"TTL": "1h", "Status": "warning"}`),
		},
		{
			name: "note: left out and answers", note: discover.AnswersHere, kind: discover.CheckNotRun, sentence: "it answers from here all the same: tcp 127.0.0.1:",
			options: discover.ExplainOptions{Probe: discover.TCPProbe},
			make: func(t *testing.T, w *explainWorld, service string) {
				_, port, _ := net.SplitHostPort(grpcHealth)
				consulPut(t, w.server, "/v1/agent/service/register", `{"Name": "`+service+`", "Address": "127.0.0.1", "Port": `+port+`, "Check": {"TTL": "1h"}}`)
			},
		},
		{ // the last: it ends the agent
			name: "node down", kind: discover.NodeDown, sentence: "its node member is down: Agent not live or unreachable",
			make: func(t *testing.T, w *explainWorld, service string) {
				consulPut(t, w.member, "/v1/agent/service/register", `{"Name": "`+service+`", "Port": 4000}`)
				_ = awaitExplained(t, w.client, service, explained{query: discover.Query{Version: "x"}, kind: discover.VersionMissing})
				w.member.Kill()
			},
		},
	}
}

// TestConsulExplainACL: what a token may not see is said, and not taken for nothing.
func TestConsulExplainACL(t *testing.T) {
	t.Parallel()
	lost := map[string]any{"name": "lost", "id": "lost-1", "port": 4000, "meta": map[string]string{"version": "v1"}}
	server := testenv.Consul(t, testenv.WithACL(), testenv.WithConfig("services", []any{lost}))
	ctx := t.Context()
	manager := discoverClient(t, discover.Config{Address: server.Addr, Token: server.Token})
	registerTTL(ctx, t, manager, "auth-service", 1, discover.Passing)
	elsewhere := discover.ExplainOptions{Elsewhere: 10 * time.Second}

	all, err := manager.Explain(ctx, "lost", discover.Query{Version: "v1"}, elsewhere)
	if err != nil || len(all) != 1 || all[0].Causes[0].Kind != discover.NotInCatalogue {
		t.Errorf("what the agent may not tell the catalogue: %+v, %v", all, err)
	} else {
		t.Log("not in the catalogue | " + all[0].Causes[0].Sentence)
	}

	// Services and the agent, and no nodes: everything is hidden, and the agent's own list says of whom.
	blind := discoverClient(t, discover.Config{Address: server.Addr, Token: aclToken(t, server, `service_prefix "" {policy="read"} agent_prefix "" {policy="read"}`)})
	all, err = blind.Explain(ctx, "auth-service", discover.Query{}, elsewhere)
	wantText(t, err, "ACLs hide a part of the reply")
	if !errors.Is(err, discover.ErrFiltered) || len(all) != 1 || all[0].Causes[0].Kind != discover.HiddenByACL {
		t.Errorf("hidden node: %+v, %v", all, err)
	} else {
		t.Log("hidden by ACL | " + all[0].Causes[0].Sentence)
	}

	// One node of two: what is shown is explained beside the error.
	consulPut(t, server, "/v1/catalog/register", `{"Node": "secret", "Address": "10.0.0.9", "Service": {"ID": "b", "Service": "auth-service", "Port": 2}}`)
	half := discoverClient(t, discover.Config{Address: server.Addr, Token: aclToken(t, server, `service_prefix "" {policy="read"} node "real" {policy="read"}`)})
	all, err = half.Explain(ctx, "auth-service", discover.Query{}, elsewhere)
	if !errors.Is(err, discover.ErrFiltered) || len(all) != 1 || !all[0].Included() {
		t.Errorf("half hidden: %+v, %v", all, err)
	} else {
		t.Logf("a part hidden | %v", err)
	}

	// Nothing at all: an error that says so.
	nobody := discoverClient(t, discover.Config{Address: server.Addr})
	all, err = nobody.Explain(ctx, "auth-service", discover.Query{}, elsewhere)
	wantText(t, err, "is a token missing?")
	if len(all) != 0 {
		t.Errorf("the anonymous token is told %+v", all)
	}
}

// aclToken makes a token with those rules.
func aclToken(t *testing.T, server *testenv.ConsulServer, rules string) string {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-").Replace(t.Name())) + fmt.Sprint(len(rules))
	consulPut(t, server, "/v1/acl/policy", fmt.Sprintf(`{"Name": %q, "Rules": %q}`, name, rules))
	const secret = "6f1f9a3e-0f6d-4a55-9b7e-%012d"
	id := fmt.Sprintf(secret, len(rules))
	consulPut(t, server, "/v1/acl/token", fmt.Sprintf(`{"SecretID": %q, "Policies": [{"Name": %q}]}`, id, name))
	return id
}

func closedPort(t *testing.T) string {
	t.Helper()
	listener := explainListen(t)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}

func explainListen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() }) // the test may have done it
	return listener
}

// hangUp is a listener that takes connections and ends them.
func hangUp(t *testing.T) string {
	t.Helper()
	listener := explainListen(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close() // that it ends is all that is wanted
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr().String()
}

func explainHTTP(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// explainGRPC serves health: "sick" is not serving, and of "nobody" it does not know.
func explainGRPC(t *testing.T) string {
	t.Helper()
	listener, server, status := explainListen(t), grpc.NewServer(), health.NewServer()
	status.SetServingStatus("sick", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	grpc_health_v1.RegisterHealthServer(server, status)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}
