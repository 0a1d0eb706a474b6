package discover_test

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/suokelife/suokectl/pkg/discover"
)

const (
	selfJSON  = `{"Config": {"NodeName": "n1", "Datacenter": "dc1"}, "Member": {"Addr": "10.0.0.1"}}`
	agentJSON = `{"svc-1": ` + serviceJSON + `, "svc-2": {"ID": "svc-2", "Service": "Svc", "Port": 81, "Meta": {"version": "v1"}}, "other": {"ID": "other", "Service": "other"}}`
)

// TestElsewhere: who a caller would not find, and why.
func TestElsewhere(t *testing.T) {
	known := "[" + entryJSON(nodeJSON, serviceJSON, "") + "]"
	away := `[{"Node": {"Node": "m1", "Address": "10.1.0.1", "Datacenter": "dc2"}, "Service": {"ID": "svc-9", "Service": "svc", "Port": 9}, "Checks": []}]`
	for _, row := range []struct {
		what  string
		agent fake
		want  string // id, kind of the first cause and of the first note, sentence; of each that is left out
		err   error
	}{
		{
			"known to the agent alone", fake{
				"/v1/health/service/svc": known, "/v1/agent/self": selfJSON, "/v1/agent/services": agentJSON,
				"/v1/agent/checks": `{"c": {"Node": "n1", "CheckID": "c", "Name": "api", "Type": "http", "Status": "critical", "ServiceID": "svc-2"}}`,
			},
			`svc-2: not_in_catalogue check_not_run: the agent knows it, and the catalogue does not: nobody else can find it | check "api" is critical: it has not run yet`, nil,
		},
		{
			"a node hidden by ACLs", fake{
				"/v1/health/service/svc": "hidden [" + entryJSON(nodeJSON, serviceJSON, "") + "]", "/v1/agent/self": selfJSON, "/v1/agent/services": agentJSON, "/v1/agent/checks": `{}`,
			},
			`svc-2: hidden_by_acl: the agent knows it, and ACLs hide it in the catalogue: the token lacks node:read of node n1`, discover.ErrFiltered,
		},
		{
			"in another datacenter", fake{
				"/v1/health/service/svc": known, "/v1/agent/self": selfJSON, "/v1/catalog/datacenters": `["dc1", "dc2", "dc3"]`,
				"/v1/health/service/svc?dc=dc2": away,
			},
			`svc-9: other_datacenter: it is in datacenter dc2, not dc1`, nil,
		},
		{
			"in another datacenter alone, whose agent says nothing of itself", fake{
				"/v1/health/service/svc": "[]", "/v1/catalog/services": "{}", "/v1/catalog/datacenters": `["dc1", "dc2"]`,
				"/v1/health/service/svc?dc=dc2": away,
			},
			`svc-9: other_datacenter: it is in datacenter dc2, not the agent's own`, nil,
		},
		{"nowhere", fake{"/v1/health/service/svc": "[]", "/v1/catalog/services": "{}", "/v1/agent/self": selfJSON, "/v1/agent/services": `{}`, "/v1/agent/checks": `{}`}, "", discover.ErrNoInstance},
		{"nobody tells anything else", fake{"/v1/health/service/svc": known}, "", nil},
	} {
		t.Run(row.what, func(t *testing.T) {
			all, err := row.agent.ask(t, discover.Query{}, discover.ExplainOptions{Elsewhere: 5 * time.Second})
			if !errors.Is(err, row.err) {
				t.Fatalf("got %v", err)
			}
			var got []string
			for _, e := range all {
				if e.Included() {
					continue
				}
				kinds := ""
				for _, cause := range e.Causes {
					kinds += " " + string(cause.Kind)
				}
				got = append(got, e.Instance.ID+":"+kinds+": "+strings.Join(e.Sentences(), " | "))
			}
			if strings.Join(got, "\n") != row.want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), row.want)
			}
		})
	}
}

// TestElsewhereIsBounded: a datacenter that hangs costs no more than it is given, and nothing that is known.
func TestElsewhereIsBounded(t *testing.T) {
	f := fake{
		"/v1/health/service/svc": "[" + entryJSON(nodeJSON, serviceJSON, "") + "]", "/v1/agent/self": selfJSON, "/v1/agent/services": agentJSON, "/v1/agent/checks": `{}`,
		"/v1/catalog/datacenters": `["dc1", "dc2"]`, "/v1/health/service/svc?dc=dc2": "hang",
	}
	start := time.Now()
	all, err := f.ask(t, discover.Query{}, discover.ExplainOptions{Elsewhere: 50 * time.Millisecond})
	if took := time.Since(start); err != nil || len(all) != 2 || took > 2*time.Second {
		t.Errorf("%d explained in %s, %v", len(all), took, err)
	}
}

// TestGhost: an instance that only the catalogue keeps on the agent's own node.
func TestGhost(t *testing.T) {
	f := fake{"/v1/health/service/svc": "[" + entryJSON(nodeJSON, serviceJSON, "") + "]", "/v1/agent/self": selfJSON, "/v1/agent/services": `{}`, "/v1/agent/checks": `{}`}
	all, err := f.ask(t, discover.Query{}, discover.ExplainOptions{Elsewhere: 5 * time.Second})
	if err != nil || len(all) != 1 || len(all[0].Notes) != 1 || all[0].Notes[0].Kind != discover.UnknownToAgent {
		t.Errorf("got %+v, %v", all, err)
	}
}

// TestPartlyHidden: what ACLs show is explained beside the error.
func TestPartlyHidden(t *testing.T) {
	f := fake{"/v1/health/service/svc": "hidden [" + entryJSON(nodeJSON, serviceJSON, "") + "]"}
	all, err := f.ask(t, discover.Query{}, discover.ExplainOptions{})
	if !errors.Is(err, discover.ErrFiltered) || len(all) != 1 || !all[0].Included() {
		t.Errorf("got %+v, %v", all, err)
	}
}

// TestProbing tries instances that Consul lets in, and others.
func TestProbing(t *testing.T) {
	_, c := start(t)
	open, shut := listen(t), closed(t)
	for i, address := range []string{open.Addr().String(), shut} {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		register(t, c, "s", strconv.Itoa(i), number, discover.Passing)
	}
	probing := discover.ExplainOptions{Probe: discover.TCPProbe}
	all, err := c.Explain(t.Context(), "s", discover.Query{}, probing)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		switch {
		case e.Instance.Version == "0" && e.Included() && len(e.Notes) == 0:
		case e.Instance.Version == "1" && len(e.Causes) == 1:
			want := "a probe from here fails: tcp " + shut + ": connection refused"
			if cause := e.Causes[0]; cause.Kind != discover.ProbeFailed || cause.Failure != discover.ProbeRefused || cause.Sentence != want {
				t.Errorf("got %+v", cause)
			}
		default:
			t.Errorf("got %+v", e)
		}
	}
	all, err = c.Explain(t.Context(), "s", discover.Query{Version: "v2"}, probing)
	if err != nil {
		t.Fatal(err)
	}
	answers := 0
	for _, e := range all {
		for _, note := range e.Notes {
			if note.Kind == discover.AnswersHere && strings.HasPrefix(note.Sentence, "it answers from here all the same: tcp "+open.Addr().String()+" in ") {
				answers++
			}
		}
	}
	if answers != 1 {
		t.Errorf("%d of those left out are noted to answer: %+v", answers, all)
	}
}
