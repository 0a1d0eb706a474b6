package discover_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/suokelife/suokectl/pkg/discover"
)

func TestNoInstance(t *testing.T) {
	_, c := start(t)
	shop(t, c)
	for _, row := range []struct {
		service string
		q       discover.Query
		want    string
	}{
		{"user-service", discover.Query{}, `no instance of user-service passes (1 critical): user-service-127.0.0.1-4005: check "Service 'user-service' check" is critical: told to be critical`},
		{"auth-service", discover.Query{Version: "v2"}, `no instance of auth-service v2 passes (1 warning): auth-service-127.0.0.1-4003: check "Service 'auth-service' check" is warning: told to be warning`},
		{"user-service", discover.Query{Health: discover.Warning}, `no instance of user-service passes or warns (1 critical): `},
		{"auth-service", discover.Query{Version: "v9"}, "no instance of auth-service has version v9; there are v1, v2"},
		{"user-service", discover.Query{Version: "v9"}, "no instance of user-service has version v9; there is v1"},
		{"auth-service", discover.Query{Tags: []string{"blue"}}, "no instance of auth-service has tag blue; there are auth, canary, prod"},
		{"auth-service", discover.Query{Tags: []string{"canary", "prod"}}, "no instance of auth-service has all of the tags canary, prod; there are auth, canary, prod"},
		{"auth-service", discover.Query{Version: "v2", Tags: []string{"prod"}}, "no instance of auth-service v2 has tag prod; there is canary"},
		{"user-service", discover.Query{Tags: []string{"prod"}}, "no instance of user-service has tag prod; there is none with a tag"},
		{"consul", discover.Query{Version: "v1"}, "no instance of consul has version v1; there is none with a version"},
		{"auth-sevrice", discover.Query{}, "Consul knows no service auth-sevrice; did you mean auth-service?"},
		{"auth", discover.Query{}, "Consul knows no service auth; did you mean auth-service?"},
		{"payments", discover.Query{}, "Consul knows no service payments among its 3"},
	} {
		_, err := c.Instances(t.Context(), row.service, row.q)
		if err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%s %+v:\n got %v\nwant %s", row.service, row.q, err, row.want)
		}
		if !errors.Is(err, discover.ErrNoInstance) {
			t.Errorf("%v is not ErrNoInstance", err)
		}
	}
}

func TestExplain(t *testing.T) {
	server, c := start(t)
	shop(t, c)
	put(t, server, "/v1/agent/service/maintenance/auth-service-127.0.0.1-4004?enable=true&reason=new+disk", "")
	all, err := c.Explain(t.Context(), "auth-service", discover.Query{Version: "v1", Tags: []string{"prod", "auth"}}, discover.ExplainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range all {
		got = append(got, strings.Join(e.Sentences(), " | "))
	}
	want := []string{
		"",
		`check "Service 'auth-service' check" is critical: told to be critical`,
		`version is v2, not v1 | tag prod is missing; it has canary | tag auth is missing; it has canary | check "Service 'auth-service' check" is warning: told to be warning`,
		"it has no version in its metadata, so it is not v1 | tag prod is missing; it has none | tag auth is missing; it has none | it is in maintenance: new disk",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if all[3].Instance.Health != discover.Maintenance || !all[0].Included() || all[1].Included() {
		t.Errorf("health in maintenance is %s", all[3].Instance.Health)
	}
	kinds := ""
	for _, cause := range all[3].Causes {
		kinds += string(cause.Kind) + " "
	}
	if kinds != "version_missing tag_missing tag_missing maintenance " {
		t.Errorf("kinds are %s", kinds)
	}
}

func TestExplainNode(t *testing.T) {
	server, c := start(t)
	register(t, c, "s", "v1", 1, discover.Passing)
	put(t, server, "/v1/agent/maintenance?enable=true&reason=reboot", "")
	put(t, server, "/v1/agent/check/register", `{"Name": "disk", "TTL": "1h", "Status": "warning"}`)
	put(t, server, "/v1/agent/check/warn/disk?note=almost+full", "")
	_, err := c.Instances(t.Context(), "s", discover.Query{})
	var none *discover.NoInstanceError
	if !errors.As(err, &none) {
		t.Fatal(err)
	}
	got := strings.Join(none.Known[0].Sentences(), " | ")
	if want := `its node is in maintenance: reboot | its node's check "disk" is warning: almost full`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestOutputOfTheNeverGood: the catalogue learns of a first failure's text minutes late; the agent is asked.
func TestOutputOfTheNeverGood(t *testing.T) {
	_, c := start(t)
	address := closed(t)
	_, err := c.Register(t.Context(), discover.Registration{
		Name: "dead", Address: "127.0.0.1", Port: 1, Checks: []discover.CheckConfig{{GRPC: address, Interval: time.Second}},
	})
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err = c.Instances(t.Context(), "dead", discover.Query{}); strings.Contains(err.Error(), "connection refused") {
			return
		}
		if !strings.Contains(err.Error(), "it has not run yet") {
			t.Fatal(err)
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("still %v", err)
		}
	}
}

func TestExplanationJSON(t *testing.T) {
	_, c := start(t)
	register(t, c, "s", "v1", 1, discover.Critical, "t")
	all, err := c.Explain(t.Context(), "s", discover.Query{}, discover.ExplainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"instance":{"id":"s-127.0.0.1-1","name":"s","version":"v1","address":"127.0.0.1","port":1,"tags":["t"],` +
		`"meta":{"version":"v1"},"node":"lab","node_address":"127.0.0.1","datacenter":"dc1","weights":{"passing":1,"warning":1},"health":"critical","checks":[` +
		`{"id":"serfHealth","name":"Serf Health Status","kind":"","status":"passing","output":"Agent alive and reachable","notes":"","on_node":true},` +
		`{"id":"service:s-127.0.0.1-1:1","name":"Service 's' check","kind":"ttl","status":"critical","output":"told to be critical","notes":"the process reports itself, every 1h0m0s at the latest","on_node":false}]},` +
		`"causes":[{"kind":"check_critical","wanted":"passing","has":"critical","failure":"reported","check":{"id":"service:s-127.0.0.1-1:1","name":"Service 's' check","kind":"ttl","status":"critical","output":"told to be critical","notes":"the process reports itself, every 1h0m0s at the latest","on_node":false},` +
		`"sentence":"check \"Service 's' check\" is critical: told to be critical"}],"notes":[]}]`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestUnknownServiceWhenTheCatalogueIsHidden(t *testing.T) {
	hidden := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/catalog") {
			hide(w)
			_, _ = w.Write([]byte("{}"))
			return
		}
		_, _ = w.Write([]byte("[]"))
	})
	_, err := client(t, discover.Config{Address: hidden.URL}).Instances(t.Context(), "x", discover.Query{})
	if !errors.Is(err, discover.ErrFiltered) {
		t.Errorf("got %v: a hidden service is not an unknown one", err)
	}
}

func TestTenThousandInstances(t *testing.T) {
	const many = 10_000
	entries := make([]string, many)
	for i := range entries {
		entries[many-1-i] = fmt.Sprintf(`{"Node": {"Node": "n", "Address": "10.0.0.1"}, "Checks": [{"CheckID": "c", "Status": "passing", "ServiceID": "x"}],
			"Service": {"ID": "%05d", "Service": "many", "Port": %[1]d, "Tags": ["t"], "Meta": {"version": "v1"}}}`, i)
	}
	reply := "[" + strings.Join(entries, ",") + "]"
	c := client(t, discover.Config{Address: answering(t, http.StatusOK, reply)})
	got, err := c.Instances(t.Context(), "many", discover.Query{Version: "v1"})
	if err != nil || len(got) != many || got[0].ID != "00000" || got[many-1].Address != "10.0.0.1" {
		t.Fatalf("%d instances, %v", len(got), err)
	}
	_, err = c.Instances(t.Context(), "many", discover.Query{Tags: []string{"x"}})
	if err == nil || len(err.Error()) > 200 {
		t.Errorf("the error of ten thousand is %v", err)
	}
}
