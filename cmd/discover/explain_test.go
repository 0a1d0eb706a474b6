package discover_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	cmd "github.com/suokelife/suokectl/cmd/discover"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/discover"
)

func TestExplain(t *testing.T) {
	f := newTerminal(t, world(t))
	if err := f.run(t, "explain", "auth-service", "--tag", "prod"); err != nil {
		t.Fatal(err)
	}
	want := `auth-service, tag prod, passing: 1 in, 2 out

IN   127.0.0.1:4000  v1  passing   auth-service-127.0.0.1-4000
OUT  127.0.0.1:4001  v1  critical  auth-service-127.0.0.1-4001
     check "Service 'auth-service' check" is critical: said in two lines
     → it is reached and says so itself: its own log knows why
OUT  127.0.0.1:4002  v2  warning   auth-service-127.0.0.1-4002
     tag prod is missing; it has canary
     check "Service 'auth-service' check" is warning: said in two lines
`
	if f.out.String() != want {
		t.Errorf("got\n%s", f.out)
	}
	if err := f.run(t, "explain", "auth-service", "--jq", ".[].causes[].kind"); err != nil || f.out.String() != "check_critical\ncheck_warning\n" {
		t.Errorf("kinds: %q, %v", f.out, err)
	}
	if err := f.run(t, "explain", "auth-service", "--id", "auth-service-127.0.0.1-4002", "-o", "name"); err != nil || f.out.String() != "auth-service-127.0.0.1-4002\n" {
		t.Errorf("one: %q, %v", f.out, err)
	}
	err := f.run(t, "explain", "auth-service", "--id", "x")
	if want := "no known instance of auth-service has the id x; there are auth-service-127.0.0.1-4000, auth-service-127.0.0.1-4001, auth-service-127.0.0.1-4002"; err == nil || err.Error() != want {
		t.Errorf("an unknown id: %v", err)
	}
	if err := f.run(t, "explain", "auth-service", "--version", "v9"); err != nil || !strings.HasPrefix(f.out.String(), "auth-service, version v9, passing: 0 in, 3 out\n") {
		t.Errorf("nobody in: %v\n%s", err, f.out)
	}
}

// TestExplainProbes looks from here, where nothing listens.
func TestExplainProbes(t *testing.T) {
	f := newTerminal(t, world(t))
	if err := f.run(t, "explain", "auth-service", "--probe", "--id", "auth-service-127.0.0.1-4000"); err != nil {
		t.Fatal(err)
	}
	want := `auth-service, passing: 0 in, 1 out

OUT  127.0.0.1:4000  v1  passing  auth-service-127.0.0.1-4000
     a probe from here fails: tcp 127.0.0.1:4000: connection refused
     → ` + "`suokectl discover probe auth-service`" + ` repeats it; is a firewall, or the address that it registered, in the way?
`
	if f.out.String() != want {
		t.Errorf("got\n%s", f.out)
	}
}

// faraway is an agent whose service is in another datacenter, and of whose own instances ACLs hide some.
func faraway(t *testing.T, hidden bool) (address string) {
	t.Helper()
	const entry = `{"Node": {"Node": "N", "Address": "10.0.0.1", "Datacenter": "D"}, "Service": {"ID": "I", "Service": "svc", "Address": "10.0.0.1", "Port": 80}, "Checks": [
		{"CheckID": "c", "Name": "api", "Type": "http", "Status": "critical", "ServiceID": "I", "Output": "Get \"http://10.0.0.1:80/a/very/long/path/to/a/health/check/that/does/not/fit\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"}]}`
	in := func(datacenter, id string) string {
		return strings.NewReplacer(`"D"`, `"`+datacenter+`"`, `"I"`, `"`+id+`"`).Replace(entry)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Consul-LastContact", "0")
		switch r.URL.Path + "?" + r.URL.Query().Get("dc") {
		case "/v1/catalog/datacenters?":
			_, _ = io.WriteString(w, `["dc1", "dc2"]`)
		case "/v1/health/service/svc?":
			if hidden {
				w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
			}
			_, _ = io.WriteString(w, "["+in("dc1", "svc-10.0.0.1-80")+"]")
		case "/v1/health/service/svc?dc2":
			_, _ = io.WriteString(w, "["+in("dc2", "a")+","+strings.ReplaceAll(in("dc2", "b"), `"critical"`, `"passing"`)+"]")
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// noMemory is a folder that cannot be made, so that one look does not tell what an earlier one saw.
const noMemory = "XDG_CACHE_HOME=/dev/null/none"

// TestExplainWidths is what people see on narrow and wide terminals.
func TestExplainWidths(t *testing.T) {
	f := newTerminal(t, faraway(t, false), noMemory)
	f.IO.SetTTY(true, true, true)
	for width, want := range map[int]string{
		60: `svc, version v1, passing: 0 in, 3 out (2 in other
  datacenters)

OUT  10.0.0.1:80  critical  svc-10.0.0.1-80
     it has no version in its metadata, so it is not v1
     → a version is read from the metadata: ` + "`version`" + ` under
       ` + "`meta`" + ` of its registration
     check "api" is critical: Get
       "http://10.0.0.1:80/a/very/long/path/to/a/health/check/that/does/not/fit":
       context deadline exceeded (Client.Timeout exceeded
       while awaiting headers)
     → ` + "`suokectl discover probe svc --health any`" + ` says
       whether it answers from here, and how fast
OUT  2 instances in datacenter dc2, not dc1 (1 passing)
     → ` + "`suokectl discover explain svc --version v1" + `
       ` + "--datacenter dc2`" + ` explains there
`,
		160: `svc, version v1, passing: 0 in, 3 out (2 in other datacenters)

OUT  10.0.0.1:80  critical  svc-10.0.0.1-80
     it has no version in its metadata, so it is not v1
     → a version is read from the metadata: ` + "`version` under `meta`" + ` of its registration
     check "api" is critical: Get "http://10.0.0.1:80/a/very/long/path/to/a/health/check/that/does/not/fit": context deadline exceeded (Client.Timeout exceeded
       while awaiting headers)
     → ` + "`suokectl discover probe svc --health any`" + ` says whether it answers from here, and how fast
OUT  2 instances in datacenter dc2, not dc1 (1 passing)
     → ` + "`suokectl discover explain svc --version v1 --datacenter dc2`" + ` explains there
`,
	} {
		f.IO.SetWidth(width)
		if err := f.run(t, "explain", "svc", "--version", "v1"); err != nil {
			t.Fatal(err)
		}
		if f.out.String() != want {
			t.Errorf("at %d columns:\n%s", width, f.out)
		}
	}
}

// TestExplainFitsEveryTerminal: but for single words no line is wider than the terminal, and no text gets lost.
func TestExplainFitsEveryTerminal(t *testing.T) {
	f := newTerminal(t, faraway(t, false), noMemory)
	words := ""
	for _, tty := range []bool{false, true} {
		f.IO.SetTTY(tty, tty, tty)
		for width := 1; width < 200; width++ {
			f.IO.SetWidth(width)
			if err := f.run(t, "explain", "svc", "--version", "v1"); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(f.out.String()) {
				line = strings.TrimSuffix(line, "\n")
				if tty && width > 60 && ansi.StringWidth(line) > width && len(strings.Fields(line)) > 1 {
					t.Errorf("at %d columns: %q", width, line)
				}
			}
			if got := strings.Join(strings.Fields(f.out.String()), " "); words != "" && got != words {
				t.Fatalf("at %d columns the words are others:\n%s", width, got)
			} else {
				words = got
			}
		}
	}
}

func TestExplainWideListsEveryDatacenter(t *testing.T) {
	f := newTerminal(t, faraway(t, false))
	if err := f.run(t, "explain", "svc", "-o", "wide"); err != nil || !strings.Contains(f.out.String(), "     it is in datacenter dc2, not dc1\n") {
		t.Errorf("%v\n%s", err, f.out)
	}
	if err := f.run(t, "explain", "svc", "--here", "-o", "name"); err != nil || f.out.String() != "svc-10.0.0.1-80\n" {
		t.Errorf("--here: %v\n%s", err, f.out)
	}
	if err := f.run(t, "explain", "svc", "-o", "name"); err != nil || f.out.String() != "svc-10.0.0.1-80\na\nb\n" {
		t.Errorf("everywhere: %v\n%s", err, f.out)
	}
}

// TestExplainPartlyHidden: what is known is told, and that it is not all.
func TestExplainPartlyHidden(t *testing.T) {
	f := newTerminal(t, faraway(t, true))
	for _, format := range []string{"table", "json"} {
		err := f.run(t, "explain", "svc", "-o", format)
		if err == nil || failure.Code(context.Background(), err) != 1 || !strings.Contains(err.Error(), "ACLs hide a part of the reply") {
			t.Errorf("got %v", err)
		}
		if !strings.Contains(f.out.String(), "svc-10.0.0.1-80") {
			t.Errorf("what is not hidden is not told: %s", f.out)
		}
	}
	var all []discover.Explanation
	if err := json.Unmarshal(f.out.Bytes(), &all); err != nil || len(all) != 3 || all[0].Causes[0].Failure != discover.ProbeTimeout {
		t.Errorf("JSON: %v\n%s", err, f.out)
	}
}

func TestExplainOptions(t *testing.T) {
	f := newTerminal(t, "127.0.0.1:1")
	var got *cmd.ExplainOptions
	c := cmd.NewCmdExplain(f.Factory, func(o *cmd.ExplainOptions) error {
		got = o
		return nil
	})
	c.SetArgs([]string{"svc", "--id", "x", "--here", "--probe", "--meta", "team=core"})
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got.Name != "svc" || got.ID != "x" || !got.Here || !got.Probe || got.Query.Meta["team"] != "core" {
		t.Errorf("got %+v", got)
	}
}

// TestExplainOfMany: the few that are out are not lost among those that are in.
func TestExplainOfMany(t *testing.T) {
	var list []string
	for i := range 100 {
		status := "passing"
		if i == 50 {
			status = "critical"
		}
		list = append(list, fmt.Sprintf(`{"Node": {"Node": "n", "Address": "10.0.0.1"}, "Service": {"ID": "svc-%d", "Service": "svc", "Port": %[1]d}, "Checks": [
			{"CheckID": "c", "Name": "api", "Status": %q, "ServiceID": "svc-%[1]d", "Output": "boom"}]}`, i+1, status))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/health/service/svc") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, "["+strings.Join(list, ",")+"]")
	}))
	t.Cleanup(server.Close)
	f := newTerminal(t, server.URL)
	want := `svc, passing: 99 in, 1 out

OUT  10.0.0.1:51  critical  svc-51
     check "api" is critical: boom
IN   99 more, about which there is nothing to say (-o wide lists them)
`
	if err := f.run(t, "explain", "svc"); err != nil || f.out.String() != want {
		t.Errorf("%v, got\n%s", err, f.out)
	}
	if err := f.run(t, "explain", "svc", "-o", "wide"); err != nil || strings.Count(f.out.String(), "\nIN ") != 99 {
		t.Errorf("wide: %v\n%s", err, f.out)
	}
}
