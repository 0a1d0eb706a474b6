//go:build unix

package conformance

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
)

// TestResolveAgreesWithRealDNS compares what `discover resolve` says with what the standard library's resolver gets of
// the same real Consul, and with what was registered.
func TestResolveAgreesWithRealDNS(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t)
	client := discoverClient(t, discover.Config{Address: server.Addr})
	register := func(service, fields string) { putService(t, server, service, fields) }
	register("web", `"ID": "four", "Address": "10.0.0.1", "Port": 1001, "Tags": ["prod", "eu"]`)
	register("web", `"ID": "six", "Address": "2001:db8::2", "Port": 1002, "Tags": ["prod"]`)
	register("web", `"ID": "node", "Port": 1003`)
	register("web", `"ID": "named", "Address": "db.example.com", "Port": 1004`)
	register("web", `"ID": "sick", "Address": "10.0.0.5", "Port": 1005, "Tags": ["prod"], "Check": {"TTL": "1h"}`)
	for i := range 60 { // over 1,232 bytes
		register("many", fmt.Sprintf(`"ID": "many-%d", "Address": "10.1.0.%d", "Port": 2000`, i, i+1))
	}
	register("warns", `"ID": "warns", "Address": "10.2.0.1", "Port": 1, "Check": {"TTL": "1h", "Status": "warning"}`)
	register("under_score", `"ID": "under", "Address": "10.3.0.1", "Port": 1`)
	for _, row := range []struct {
		service, tag string
		places       int
		want         string // kinds of differences
	}{
		{"web", "", 4, ""},
		{"web", "prod", 2, ""},
		{"web", "eu", 1, ""},
		{"many", "", 60, "udp_cut"},
		{"warns", "", 1, "dns_only"},
		{"under_score", "", 1, ""},
	} {
		t.Run(row.service+row.tag, func(t *testing.T) {
			got, err := client.Resolve(t.Context(), row.service, discover.ResolveOptions{Tag: row.tag})
			if err != nil {
				t.Fatal(err)
			}
			var kinds []string
			for _, d := range got.Differences {
				kinds = append(kinds, string(d.Kind))
			}
			if strings.Join(kinds, " ") != row.want || len(got.Places) != row.places || got.Server != server.DNS {
				t.Errorf("got %d places at %s, %+v", len(got.Places), got.Server, got.Differences)
			}
			theirs := lookup(t, server.DNS, got.Answers[1].Name)
			var ours []string
			for _, record := range got.Answers[1].Records {
				ours = append(ours, fmt.Sprintf("%s %d %d %d", strings.ToLower(record.Target), record.Port, record.Priority, record.Weight))
			}
			slices.Sort(ours)
			if strings.Join(ours, "\n") != strings.Join(theirs, "\n") {
				t.Errorf("we read\n%s\nGo's resolver reads\n%s", strings.Join(ours, "\n"), strings.Join(theirs, "\n"))
			}
		})
	}
	_, err := client.Resolve(t.Context(), "wbe", discover.ResolveOptions{})
	wantText(t, err, "did you mean web?")
}

// TestResolveTellsWhatTheAgentIsSetTo with an agent whose DNS is not the stock one.
func TestResolveTellsWhatTheAgentIsSetTo(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.WithConfig("domain", "inner.test"),
		testenv.WithConfig("dns_config", map[string]any{"only_passing": true, "enable_truncate": true}))
	client := discoverClient(t, discover.Config{Address: server.Addr})
	putService(t, server, "warns", `"ID": "warns", "Address": "10.2.0.1", "Port": 1, "Check": {"TTL": "1h", "Status": "warning"}`)
	for i := range 60 {
		putService(t, server, "many", fmt.Sprintf(`"ID": "many-%d", "Address": "10.1.0.%d", "Port": 2000`, i, i+1))
	}
	got, err := client.Resolve(t.Context(), "many", discover.ResolveOptions{})
	if err != nil || len(got.Differences) > 0 || !got.Answers[0].Truncated || got.Answers[0].Name != "many.service.inner.test." {
		t.Errorf("a cut that is told: %+v, %v", got.Answers[0], err)
	}
	got, err = client.Resolve(t.Context(), "warns", discover.ResolveOptions{Health: discover.Warning})
	if err != nil || len(got.Differences) != 1 || got.Differences[0].Kind != discover.APIOnly ||
		!strings.Contains(got.Differences[0].Why, "by dns_config.only_passing") {
		t.Errorf("only_passing: %+v, %v", got.Differences, err)
	}
	_, err = client.Resolve(t.Context(), "warns", discover.ResolveOptions{})
	wantText(t, err, "no instance of warns passes")
}

// lookup asks for SRV records by the standard library over TCP, past every other resolver.
func lookup(t *testing.T, server, name string) []string {
	t.Helper()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", server)
	}}
	_, records, err := resolver.LookupSRV(t.Context(), "", "", name)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range records {
		out = append(out, fmt.Sprintf("%s %d %d %d", strings.ToLower(r.Target), r.Port, r.Priority, r.Weight))
	}
	slices.Sort(out)
	return out
}

// putService registers by Consul's own API.
func putService(t *testing.T, server *testenv.ConsulServer, name, fields string) {
	t.Helper()
	body := strings.NewReader(fmt.Sprintf(`{"Name": %q, %s}`, name, fields))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+server.Addr+"/v1/agent/service/register", body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("register %s: %s", fields, response.Status)
	}
}
