package discover_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/suokelife/suokectl/pkg/discover"
)

// entries is a reply with an instance for each text of its service.
func entries(services ...string) string {
	list := make([]string, len(services))
	for i, service := range services {
		list[i] = fmt.Sprintf(`{"Node": {"Node": "n", "Address": "10.0.0.9", "Datacenter": "dc1",
			"Locality": {"Region": "eu", "Zone": "eu-1"}}, "Service": {%s}, "Checks": []}`, service)
	}
	return "[" + strings.Join(list, ",") + "]"
}

func TestInstancesByMetadata(t *testing.T) {
	server, c := start(t)
	for id, meta := range map[string]string{
		"a": `{"version": "v1", "team": "core"}`, "b": `{"version": "v1", "team": "Core"}`, "c": `{"version": "v2", "team": "core", "empty": ""}`, "d": "null",
	} {
		put(t, server, "/v1/agent/service/register", `{"ID": "`+id+`", "Name": "s", "Port": 1, "Meta": `+meta+`}`)
	}
	for _, row := range []struct {
		q    discover.Query
		want string
	}{
		{discover.Query{Meta: map[string]string{"team": "core"}}, "a c"},
		{discover.Query{Meta: map[string]string{"team": "core", "version": "v1"}}, "a"},
		{discover.Query{Meta: map[string]string{"empty": ""}}, "c"},
		{discover.Query{Filter: `Service.Meta.team == core`}, "a c"},
		{discover.Query{Filter: `Service.Meta.team == core`, Version: "v2"}, "c"},
		{discover.Query{Filter: `Service.ID matches "[ad]"`}, "a d"},
	} {
		got, err := c.Instances(t.Context(), "s", row.q)
		if err != nil || ids(got) != row.want {
			t.Errorf("%+v: got %q, %v, want %q", row.q, ids(got), err, row.want)
		}
	}
	for _, row := range []struct {
		q    discover.Query
		want string
	}{
		{discover.Query{Meta: map[string]string{"team": "other"}}, "team"},
		{discover.Query{Filter: `Service.Port == 2`}, `Service.Port == 2`},
	} {
		_, err := c.Instances(t.Context(), "s", row.q)
		var none *discover.NoInstanceError
		if !errors.As(err, &none) || len(none.Known) != 4 || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%+v: got %v, want all four known and %q", row.q, err, row.want)
		}
	}
	_, err := c.Instances(t.Context(), "s", discover.Query{Filter: "Nonsense.x == 1"})
	if err == nil || !strings.Contains(err.Error(), "is the filter expression right?") {
		t.Errorf("a wrong filter: %v", err)
	}
}

// TestInstancesAsRegistered: what is odd in a registration is shown as it is.
func TestInstancesAsRegistered(t *testing.T) {
	address := answering(t, http.StatusOK, entries(
		`"ID": "1", "Service": "s", "Address": "", "Port": 0, "Weights": {"Passing": 5, "Warning": 2}`,
		`"ID": "2", "Service": "S", "Address": "2001:db8::1", "Port": 7, "Locality": {"Region": "us"}, "Namespace": "team", "Partition": "p"`,
	))
	c := client(t, discover.Config{Address: address})
	got, err := c.Instances(t.Context(), "s", discover.Query{})
	if err != nil {
		t.Fatal(err)
	}
	one, two := got[0], got[1]
	if one.HostPort() != "10.0.0.9:0" || one.NodeAddress != "10.0.0.9" || one.Weight() != 5 || one.Locality.Zone != "eu-1" || one.Version != "" {
		t.Errorf("got %+v", one)
	}
	if two.Name != "S" || two.HostPort() != "[2001:db8::1]:7" || two.Locality != (discover.Locality{Region: "us"}) || two.Namespace != "team" || two.Partition != "p" {
		t.Errorf("got %+v", two)
	}
	for health, want := range map[discover.Health]int{discover.Warning: 2, discover.Critical: 0, discover.Maintenance: 0} {
		if one.Health = health; one.Weight() != want {
			t.Errorf("weight when %s is %d, want %d", health, one.Weight(), want)
		}
	}
	hosts, err := c.Endpoints("s", discover.Query{})(t.Context())
	if err != nil || strings.Join(hosts, " ") != "[2001:db8::1]:7" {
		t.Errorf("endpoints: %v, %v", hosts, err)
	}
	nowhere := client(t, discover.Config{Address: answering(t, http.StatusOK, entries(`"ID": "1", "Service": "s"`))})
	if _, err := nowhere.Endpoints("s", discover.Query{})(t.Context()); !errors.Is(err, discover.ErrNoInstance) || !strings.Contains(err.Error(), "port") {
		t.Errorf("endpoints of a service without ports: %v", err)
	}
}

// TestNamesDifferInCase: Consul answers for all spellings of a name, and counts must not.
func TestNamesDifferInCase(t *testing.T) {
	server, c := start(t)
	put(t, server, "/v1/agent/service/register", `{"ID": "a", "Name": "Auth", "Port": 1}`)
	put(t, server, "/v1/agent/service/register", `{"ID": "b", "Name": "auth", "Port": 2}`)
	got, err := c.Instances(t.Context(), "AUTH", discover.Query{})
	if err != nil || ids(got) != "a b" || got[0].Name != "Auth" {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, q := range []discover.Query{{}, {Filter: "Service.Port != 0"}} { // by node, and by service
		all, err := c.Services(t.Context(), q)
		if err != nil || all[0].Name != "Auth" || all[0].Instances != 1 || all[1].Name != "auth" || all[1].Instances != 1 {
			t.Errorf("%+v: got %+v, %v", q, all, err)
		}
	}
}

func TestInstancesOfTenThousand(t *testing.T) {
	const many = 10_000
	services := make([]string, many)
	for i := range services {
		services[i] = fmt.Sprintf(`"ID": "%05d", "Service": "s", "Port": %d, "Tags": ["prod"], "Meta": {"version": "v%d"}`, many-i, i+1, i%2)
	}
	reply := entries(services...)
	c := client(t, discover.Config{Address: serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, reply) }).URL})
	got, err := c.Instances(t.Context(), "s", discover.Query{Version: "v1", Tags: []string{"prod"}})
	if err != nil || len(got) != many/2 || got[0].ID != "00001" || got[len(got)-1].ID != "09999" {
		t.Fatalf("%d instances, %v", len(got), err)
	}
}
