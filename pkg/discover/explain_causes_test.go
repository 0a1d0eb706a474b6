package discover_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/suokelife/suokectl/pkg/discover"
)

// fake is an agent that answers with what is set for each path, and "?dc=" datacenter where one is asked.
type fake map[string]string

func (f fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if dc := r.URL.Query().Get("dc"); dc != "" {
		path += "?dc=" + dc
	}
	reply, ok := f[path]
	switch {
	case reply == "hang":
		<-r.Context().Done()
	case !ok && strings.HasPrefix(path, "/v1/health/service/"):
		_, _ = io.WriteString(w, "[]")
	case !ok:
		w.WriteHeader(http.StatusForbidden)
	default:
		w.Header().Set("X-Consul-LastContact", "0")
		if text, hidden := strings.CutPrefix(reply, "hidden "); hidden {
			hide(w)
			reply = text
		}
		_, _ = io.WriteString(w, reply)
	}
}

// ask explains the service "svc" of a fake agent.
func (f fake) ask(t *testing.T, q discover.Query, o discover.ExplainOptions) ([]discover.Explanation, error) {
	t.Helper()
	return client(t, discover.Config{Address: serve(t, f.ServeHTTP).URL}).Explain(t.Context(), "svc", q, o)
}

// entryJSON is an instance as Consul tells it.
func entryJSON(node, service, checks string) string {
	return fmt.Sprintf(`{"Node": %s, "Service": %s, "Checks": [%s]}`, node, service, checks)
}

const (
	nodeJSON    = `{"Node": "n1", "Address": "10.0.0.1", "Datacenter": "dc1"}`
	serviceJSON = `{"ID": "svc-1", "Service": "svc", "Address": "10.0.0.1", "Port": 80, "Weights": {"Passing": 1, "Warning": 1}}`
)

// TestHowChecksFail reads what Consul's checks say.
func TestHowChecksFail(t *testing.T) {
	for _, row := range []struct {
		kind, output string
		failure      discover.ProbeFailure
		sentence     string
	}{
		{"http", `Get "http://h/": dial tcp 1.2.3.4:80: connect: connection refused`, discover.ProbeRefused, `Get "http://h/": dial tcp 1.2.3.4:80: connect: connection refused`},
		{"http", `Get "http://h/": dial tcp: lookup h: no such host`, discover.ProbeNoHost, ""},
		{"http", `Get "http://h/": dial tcp 1.2.3.4:80: connect: no route to host`, discover.ProbeNoRoute, ""},
		{"http", `Get "http://h/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`, discover.ProbeTimeout, ""},
		{"http", `Get "https://h/": tls: failed to verify certificate: x509: certificate signed by unknown authority`, discover.ProbeTLS, ""},
		{"http", `Get "https://h/": http: server gave HTTP response to HTTPS client`, discover.ProbeProtocol, ""},
		{"http", `Get "http://h/": EOF`, discover.ProbeClosed, ""},
		{"http", "HTTP GET http://h/: 503 Service Unavailable Output: connection refused by the database", discover.ProbeHTTPStatus, "HTTP GET http://h/: 503 Service Unavailable: connection refused by the database"},
		{"http", "HTTP GET http://h/: 404 Not Found Output: ", discover.ProbeHTTPStatus, "HTTP GET http://h/: 404 Not Found"},
		{"http", "HTTP GET http://h/: 500 Internal Server Error Output: " + strings.Repeat("long ", 100), discover.ProbeHTTPStatus, "HTTP GET http://h/: 500 Internal Server Error: " + strings.Repeat("long ", 19) + "long…"},
		{"tcp", "dial tcp 1.2.3.4:80: i/o timeout", discover.ProbeTimeout, ""},
		{"grpc", `rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 1.2.3.4:80: connect: connection refused"`, discover.ProbeRefused, "dial tcp 1.2.3.4:80: connect: connection refused"},
		{"grpc", "gRPC h:80/svc serving status: NOT_SERVING", discover.ProbeNotServing, ""},
		{"grpc", "rpc error: code = NotFound desc = unknown service", discover.ProbeNotServing, ""},
		{"grpc", "rpc error: code = Unimplemented desc = unknown service grpc.health.v1.Health", discover.ProbeProtocol, ""},
		{"grpc", "rpc error: code = DeadlineExceeded desc = context deadline exceeded", discover.ProbeTimeout, ""},
		{"script", "Timed out (30s) running check", discover.ProbeTimeout, ""},
		{"script", "disk is full", discover.ProbeOther, ""},
		{"ttl", "TTL expired", discover.CheckTTLExpired, "TTL expired: no report came in time"},
		{"ttl", "TTL expired (last output before timeout follows): a\nb", discover.CheckTTLExpired, "TTL expired: no report came in time; the last one said: a b"},
		{"ttl", "connection refused by the database", discover.CheckReported, ""},
		{"http", "", "", "it has not said why (it may not have run yet)"},
	} {
		checks := fmt.Sprintf(`{"CheckID": "c", "Name": "api", "Type": %q, "Status": "critical", "ServiceID": "svc-1", "Output": %q}`, row.kind, row.output)
		f := fake{"/v1/health/service/svc": "[" + entryJSON(nodeJSON, serviceJSON, checks) + "]"}
		all, err := f.ask(t, discover.Query{}, discover.ExplainOptions{})
		if err != nil || len(all) != 1 || len(all[0].Causes) != 1 {
			t.Fatalf("%s: %+v, %v", row.output, all, err)
		}
		cause := all[0].Causes[0]
		want := row.sentence
		if want == "" {
			want = row.output
		}
		if want = `check "api" is critical: ` + want; cause.Sentence != want || cause.Failure != row.failure || cause.Kind != discover.CheckCritical {
			t.Errorf("%s:\n got %s, %s, %s\nwant %s, %s", row.output, cause.Kind, cause.Failure, cause.Sentence, row.failure, want)
		}
	}
}

// TestChecksThatAreNoOutput are those whose id or text says more than their status.
func TestChecksThatAreNoOutput(t *testing.T) {
	for _, row := range []struct {
		check    string
		kind     discover.CauseKind
		sentence string
	}{
		{`"CheckID": "serfHealth", "Name": "Serf Health Status", "Output": "Agent not live or unreachable"`, discover.NodeDown, "its node n1 is down: Agent not live or unreachable"},
		{`"CheckID": "_node_maintenance", "Notes": "reboot"`, discover.InMaintenance, "its node is in maintenance: reboot"},
		{`"CheckID": "_node_maintenance", "Notes": "shutting down"`, discover.InMaintenance, "its node is in maintenance: shutting down"},
		{`"CheckID": "_service_maintenance:svc-1", "ServiceID": "svc-1", "Notes": ""`, discover.InMaintenance, "it is in maintenance: empty"},
		{`"CheckID": "_service_maintenance:svc-1", "ServiceID": "svc-1", "Notes": "shutting down"`, discover.Draining, "it is draining: it put itself in maintenance to shut down"},
		{`"CheckID": "c", "Name": "beat", "Type": "ttl", "ServiceID": "svc-1", "Output": "shutdown: shutting down"`, discover.Draining, `it is draining: check "beat" is critical, as it reported: shutdown: shutting down`},
		{`"CheckID": "disk", "Name": "disk", "Output": "full"`, discover.CheckCritical, `its node's check "disk" is critical: full`},
	} {
		checks := `{"Status": "critical", ` + row.check + `}`
		all, err := fake{"/v1/health/service/svc": "[" + entryJSON(nodeJSON, serviceJSON, checks) + "]"}.ask(t, discover.Query{}, discover.ExplainOptions{})
		if err != nil || len(all[0].Causes) != 1 || all[0].Causes[0].Kind != row.kind || all[0].Causes[0].Sentence != row.sentence {
			t.Errorf("%s: got %+v, %v", row.check, all, err)
		}
	}
}

// TestNearMisses: what is almost what is wanted is named, and what is not is not.
func TestNearMisses(t *testing.T) {
	service := func(fields string) string {
		return strings.TrimSuffix(serviceJSON, "}") + ", " + fields + "}"
	}
	for _, row := range []struct {
		fields     string
		q          discover.Query
		kind       discover.CauseKind
		near, says string
	}{
		{`"Meta": {"version": "1"}`, discover.Query{Version: "v1"}, discover.VersionMismatch, "1", "version is 1, not v1; versions are compared as they are written"},
		{`"Meta": {"version": "V1"}`, discover.Query{Version: "v1"}, discover.VersionMismatch, "V1", ""},
		{`"Meta": {"version": " v1 "}`, discover.Query{Version: "v1"}, discover.VersionMismatch, " v1 ", ""},
		{`"Meta": {"version": "v1"}`, discover.Query{Version: "1.0.0"}, discover.VersionMismatch, "v1", ""},
		{`"Meta": {"version": "v1.0"}`, discover.Query{Version: "v10"}, discover.VersionMismatch, "", "version is v1.0, not v10"},
		{`"Meta": {"version": "v2"}`, discover.Query{Version: "v1"}, discover.VersionMismatch, "", "version is v2, not v1"},
		{`"Meta": {"Version": "v1"}`, discover.Query{Version: "v1"}, discover.VersionMissing, "Version=v1", "it has no version in its metadata, so it is not v1; its Version=v1 does not count"},
		{`"Meta": {"api_version": "v1"}`, discover.Query{Version: "v1"}, discover.VersionMissing, "api_version=v1", ""},
		{`"Meta": {"api_version": "v2"}`, discover.Query{Version: "v1"}, discover.VersionMissing, "", ""},
		{`"Tags": ["prod", "v1"]`, discover.Query{Version: "v1"}, discover.VersionMissing, "tag v1", ""},
		{`"Tags": ["version-1"]`, discover.Query{Version: "v1"}, discover.VersionMissing, "tag version-1", ""},
		{`"Tags": ["prod"]`, discover.Query{Version: "v1"}, discover.VersionMissing, "", ""},
		{`"Tags": ["prd", "eu"]`, discover.Query{Tags: []string{"prod"}}, discover.TagMissing, "prd", "tag prod is missing; it has prd, eu; is prd meant?"},
		{`"Tags": ["prd"]`, discover.Query{Tags: []string{"prod"}}, discover.TagMissing, "prd", "tag prod is missing; it has prd"},
		{`"Tags": []`, discover.Query{Tags: []string{"prod"}}, discover.TagMissing, "", "tag prod is missing; it has none"},
		{`"Meta": {"team": "Core"}`, discover.Query{Meta: map[string]string{"team": "core"}}, discover.MetaMismatch, "Core", "team in its metadata is Core, not core; values are compared as they are written"},
		{`"Meta": {"team": ""}`, discover.Query{Meta: map[string]string{"team": "core"}}, discover.MetaMismatch, "", "team in its metadata is empty, not core"},
		{`"Meta": {"TEAM": "core"}`, discover.Query{Meta: map[string]string{"team": "core"}}, discover.MetaMissing, "TEAM=core", "it has no team in its metadata, so it is not core; its TEAM=core does not count"},
	} {
		f := fake{"/v1/health/service/svc": "[" + entryJSON(nodeJSON, service(row.fields), "") + "]"}
		all, err := f.ask(t, row.q, discover.ExplainOptions{})
		if err != nil || len(all) != 1 || len(all[0].Causes) != 1 {
			t.Fatalf("%s: %+v, %v", row.fields, all, err)
		}
		cause := all[0].Causes[0]
		if cause.Kind != row.kind || cause.Near != row.near || row.says != "" && cause.Sentence != row.says {
			t.Errorf("%s: got %s, near %q: %s", row.fields, cause.Kind, cause.Near, cause.Sentence)
		}
	}
}

// TestNotes: what is odd about an instance that is let in.
func TestNotes(t *testing.T) {
	for _, row := range []struct {
		node, service, check string
		kind                 discover.NoteKind
		sentence             string
	}{
		{nodeJSON, `{"ID": "x", "Service": "SVC", "Address": "10.0.0.1", "Port": 1}`, "", discover.NameDiffers, "it is registered as SVC; Consul finds it as svc all the same"},
		{nodeJSON, `{"ID": "x", "Service": "svc", "Address": "10.0.0.1"}`, "", discover.NoPort, "it is registered without a port: who dials it must know the port"},
		{`{"Node": "n1"}`, `{"ID": "x", "Service": "svc", "Port": 1}`, "", discover.NoAddress, "neither it nor its node is registered with an address"},
		{nodeJSON, `{"ID": "x", "Service": "svc", "Address": "::1", "Port": 1}`, "", discover.LoopbackOnly, "its address ::1 leads to it on node n1 (10.0.0.1) alone"},
		{nodeJSON, `{"ID": "x", "Service": "svc", "Address": "LocalHost", "Port": 1}`, "", discover.LoopbackOnly, "its address LocalHost leads to it on node n1 (10.0.0.1) alone"},
		{nodeJSON, `{"ID": "x", "Service": "svc", "Port": 1}`, `{"Status": "warning"}`, discover.NoWeight, "its weight while it warns is 0: who balances by weight sends it nothing"},
		{nodeJSON, serviceJSON, `{"Name": "out", "Status": "critical", "Definition": {"DeregisterCriticalServiceAfter": "1m30s"}}`, discover.RemovalPending, `it is removed when check "out" has been critical for 1m30s`},
		{nodeJSON, serviceJSON, `{"Name": "out", "Status": "critical", "Definition": {"DeregisterCriticalServiceAfter": "0s"}}`, "", ""},
		{nodeJSON, serviceJSON, `{"Name": "out", "Status": "critical", "Definition": {"DeregisterCriticalServiceAfter": 90}}`, "", ""},
		{`{"Node": "n1", "Address": "127.0.0.1"}`, `{"ID": "x", "Service": "svc", "Port": 1}`, "", "", ""},
		{nodeJSON, `{"ID": "x", "Service": "svc", "Address": "db.example.com", "Port": 1}`, "", "", ""},
	} {
		f := fake{"/v1/health/service/svc": "[" + entryJSON(row.node, row.service, row.check) + "]"}
		all, err := f.ask(t, discover.Query{Health: discover.Any}, discover.ExplainOptions{})
		if err != nil || len(all) != 1 || !all[0].Included() {
			t.Fatalf("%+v, %v", all, err)
		}
		switch notes := all[0].Notes; {
		case row.kind == "" && len(notes) == 0:
		case len(notes) != 1 || notes[0].Kind != row.kind || notes[0].Sentence != row.sentence:
			t.Errorf("%s %s: got %+v", row.service, row.check, notes)
		}
	}
}

func TestSameAddressTwice(t *testing.T) {
	two := entryJSON(nodeJSON, `{"ID": "a", "Service": "svc", "Port": 80}`, "") + "," + entryJSON(nodeJSON, `{"ID": "b", "Service": "svc", "Port": 80}`, "")
	all, err := fake{"/v1/health/service/svc": "[" + two + "]"}.ask(t, discover.Query{}, discover.ExplainOptions{})
	if err != nil || all[0].Notes[0].Has != "b" || all[1].Notes[0].Has != "a" || all[0].Notes[0].Kind != discover.SameAddress {
		t.Errorf("got %+v, %v", all, err)
	}
}

// TestExplanationRoundTrip: who reads the JSON has everything.
func TestExplanationRoundTrip(t *testing.T) {
	checks := `{"CheckID": "c", "Status": "critical", "Output": "x", "Definition": {"DeregisterCriticalServiceAfter": "1m"}}`
	all, err := fake{"/v1/health/service/svc": "[" + entryJSON(nodeJSON, serviceJSON, checks) + "]"}.ask(t, discover.Query{Version: "v1"}, discover.ExplainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var back []discover.Explanation
	if err := json.Unmarshal(text, &back); err != nil || fmt.Sprintf("%+v", sansPointers(back)) != fmt.Sprintf("%+v", sansPointers(all)) {
		t.Errorf("%s came back as %+v (%v)", text, back, err)
	}
}

// sansPointers is what can be compared by its text.
func sansPointers(all []discover.Explanation) (out []any) {
	for _, e := range all {
		out = append(out, e.Instance, e.Notes)
		for _, cause := range e.Causes {
			if cause.Check != nil {
				out = append(out, *cause.Check)
			}
			cause.Check = nil
			out = append(out, cause)
		}
	}
	return out
}
