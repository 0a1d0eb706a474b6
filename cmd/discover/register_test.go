package discover_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	cmd "github.com/suokelife/suokectl/cmd/discover"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
)

// remote plays an agent on another node, whose catalogue has the id of "s" at 127.0.0.1:1 on the node "there".
func remote(t *testing.T, taken bool) (address string, wrote func() string) {
	t.Helper()
	var mu sync.Mutex
	var writes []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("X-Consul-Index", "1")
		switch path := r.URL.Path; {
		case r.Method == http.MethodPut:
			writes = append(writes, path)
		case path == "/v1/agent/self":
			_, _ = fmt.Fprint(w, `{"Config": {"NodeName": "here"}}`)
		case strings.HasPrefix(path, "/v1/agent/service/"):
			http.Error(w, "unknown service ID", http.StatusNotFound)
		case strings.HasPrefix(path, "/v1/health/service/") && taken:
			_, _ = fmt.Fprint(w, `[{"Node": {"Node": "there"}, "Service": {"ID": "s-127.0.0.1-1", "Service": "s", "Address": "127.0.0.1", "Port": 1}, "Checks": []}]`)
		case strings.HasPrefix(path, "/v1/health/service/"):
			_, _ = fmt.Fprint(w, "[]")
		default:
			_, _ = fmt.Fprint(w, "{}")
		}
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(writes, " ")
	}
}

var once = []string{"register", "--name", "s", "--address", "127.0.0.1", "--port", "1", "--once"}

func TestRegisterWhatIsTakenElsewhere(t *testing.T) {
	address, wrote := remote(t, true)
	f := newTerminal(t, address)
	err := f.run(t, once...)
	if err == nil || !strings.Contains(err.Error(), "is registered at node there too") || failure.Hint(err) != "--replace takes the id over" || wrote() != "" {
		t.Errorf("got %v; wrote %s", err, wrote())
	}
	dry := append([]string{}, once[:len(once)-1]...)
	if err := f.run(t, append(dry, "--dry-run")...); err != nil || !strings.Contains(f.errOut.String(), "warning: s-127.0.0.1-1 is registered at node there too") {
		t.Errorf("dry: %v\n%s", err, f.errOut)
	}
	if err := f.run(t, append(once, "--replace")...); err != nil {
		t.Fatal(err)
	}
	if wrote() != "/v1/catalog/deregister /v1/agent/service/register" || !strings.Contains(f.errOut.String(), "is taken out of the catalogue") {
		t.Errorf("wrote %s\n%s", wrote(), f.errOut)
	}
}

// TestRegisterNamesLocalhostToAnother needs an address that is not of this machine: a name that a proxy would resolve.
func TestRegisterNamesLocalhostToAnother(t *testing.T) {
	address, _ := remote(t, false)
	f := newTerminal(t, address)
	if err := f.run(t, append(once, "--strict", "--http", "http://localhost:1/")...); err != nil || strings.Contains(f.errOut.String(), "warning") {
		t.Errorf("this machine's own agent: %v\n%s", err, f.errOut)
	}
	f = newTerminal(t, "consul.invalid:8500")
	err := f.run(t, append(once, "--strict", "--http", "http://localhost:1/")...)
	var finding *discover.LocalhostError
	if !errors.As(err, &finding) || !strings.Contains(err.Error(), "check 1 (http://localhost:1/) would run on the machine of the agent at consul.invalid:8500") {
		t.Errorf("strict: %v", err)
	}
	if err := f.run(t, append(once, "--http", "http://localhost:1/")...); err == nil || strings.Count(f.errOut.String(), "warning: ") != 2 {
		t.Errorf("warned with %s", f.errOut) // of the address and of the check; the name does not resolve
	}
}

func TestRegisterWithoutAContextUsesTheFiles(t *testing.T) {
	server, err := consul.Start(consul.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	host, port, _ := strings.Cut(server.Addr(), ":")
	file := filepath.Join(t.TempDir(), "s.yaml")
	text := fmt.Sprintf("consul: {host: %s, port: %s, service: {name: s, address: 127.0.0.1, port: 1}}", host, port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newTerminal(t, "")
	if err := f.run(t, "register", "-f", file, "--once", "-o", "json"); err != nil {
		t.Fatal(err)
	}
	var plan discover.RegistrationPlan
	if err := json.Unmarshal(f.out.Bytes(), &plan); err != nil || plan.ID != "s-127.0.0.1-1" || plan.Action != "create" {
		t.Errorf("%v: %s", err, f.out)
	}
	if !strings.Contains(f.errOut.String(), "no context names a Consul; the file's at "+server.Addr()+" is used") {
		t.Errorf("said %s", f.errOut)
	}
}

// TestProtectedContexts: nothing is written before the context's name is given.
func TestProtectedContexts(t *testing.T) {
	server, err := consul.Start(consul.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	f := newTerminal(t, server.Addr())
	if err := f.run(t, once...); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "suokectl"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := "current_context: p\ncontexts: {p: {protected: true, consul: {address: '" + server.Addr() + "'}}}"
	if err := os.WriteFile(filepath.Join(home, "suokectl", "config.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f = newTerminal(t, "", "XDG_CONFIG_HOME="+home)
	for _, args := range [][]string{
		once, once[:len(once)-1], {"deregister", "s-127.0.0.1-1"}, {"maintenance", "on", "s-127.0.0.1-1"}, {"maintenance", "on", "--node"},
	} {
		err := f.run(t, args...)
		if failure.Code(t.Context(), err) != 2 || failure.Hint(err) != "add --confirm p" {
			t.Errorf("%v: %v, hint %s", args, err, failure.Hint(err))
		}
		if args[len(args)-1] == "--once" {
			continue
		}
		if err := f.run(t, append(args, "--dry-run")...); err != nil {
			t.Errorf("%v --dry-run: %v", args, err)
		}
	}
}

// TestRegisterInTheForeground ends by an interrupt, once with Consul there and once without.
func TestRegisterInTheForeground(t *testing.T) {
	for _, gone := range []bool{false, true} {
		server, err := consul.Start(consul.Options{})
		if err != nil {
			t.Fatal(err)
		}
		f := newTerminal(t, server.Addr())
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() {
			root := &cobra.Command{Use: "suokectl", SilenceErrors: true, SilenceUsage: true}
			root.AddCommand(cmd.NewCmdDiscover(f.Factory))
			root.SetArgs([]string{"discover", "register", "--name", "s", "--address", "127.0.0.1", "--port", "1"})
			ended <- root.ExecuteContext(ctx)
		}()
		client, err := discover.New(discover.Config{Address: server.Addr()})
		if err != nil {
			t.Fatal(err)
		}
		for update := range client.Watch(t.Context(), "s", discover.Query{}) {
			if len(update.Instances) == 1 {
				break
			}
		}
		_ = client.Close()
		if gone {
			_ = server.Close()
		}
		begin := time.Now()
		cancel(failure.ErrInterrupted)
		err = <-ended
		switch {
		case !gone && (err != nil || !strings.Contains(f.errOut.String(), "s-127.0.0.1-1 is deregistered\n")):
			t.Errorf("ended with %v\n%s", err, f.errOut)
		case gone && (err == nil || !strings.Contains(err.Error(), "connection refused") || !strings.Contains(err.Error(), "it stays registered until its checks have been critical for 10m0s")):
			t.Errorf("ended with %v", err)
		case time.Since(begin) > 15*time.Second:
			t.Errorf("took %s to end", time.Since(begin))
		}
		_ = server.Close()
	}
}

// TestRegisterOnATerminal: what is shown is coloured, and what came from outside cannot speak to the terminal.
func TestRegisterOnATerminal(t *testing.T) {
	f := newTerminal(t, world(t))
	f.IO.SetTTY(true, true, true)
	f.IO.SetColor(true)
	odd := "\x1b[31mred\x1b[0m\u202e"
	base := []string{"register", "--name", "s", "--address", "127.0.0.1", "--port", "1", "--tag", odd, "--meta", "note=" + odd}
	for _, args := range [][]string{append(base, "--dry-run"), append(base, "--once"), append(base, "--tag", "x", "--dry-run")} {
		if err := f.run(t, args...); err != nil {
			t.Fatal(err)
		}
		text := f.out.String()
		if !strings.Contains(text, "\x1b[") || strings.Contains(text, "\x1b[31mred") || strings.Contains(text, "\u202e") {
			t.Errorf("%v: %q", args, text)
		}
	}
	if err := f.run(t, "maintenance", "on", "s-127.0.0.1-1", "--reason", odd); err != nil || strings.Contains(f.out.String(), "\x1b[31mred") {
		t.Errorf("%v: %q", err, f.out)
	}
}

func TestCompletionOfIDs(t *testing.T) {
	f := newTerminal(t, world(t))
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"deregister", "odd"}, "odd-service-127.0.0.1-4003"},
		{[]string{"deregister", "odd-service-127.0.0.1-4003", ""}, ""},
		{[]string{"maintenance", ""}, "on off"},
		{[]string{"maintenance", "on", "auth-service-127.0.0.1-4002"}, "auth-service-127.0.0.1-4002"},
	} {
		if err := f.run(t, "services"); err != nil { // clears the buffers
			t.Fatal(err)
		}
		f.out.Reset()
		root := &cobra.Command{Use: "suokectl"}
		root.AddCommand(cmd.NewCmdDiscover(f.Factory))
		root.SetArgs(append([]string{cobra.ShellCompRequestCmd, "discover"}, row.args...))
		root.SetOut(f.out)
		root.SetErr(f.errOut)
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(f.out.String()), "\n")
		if got := strings.Join(lines[:len(lines)-1], " "); got != row.want {
			t.Errorf("%v: got %q, want %q", row.args, got, row.want)
		}
	}
}

// TestMaintenanceOfANodeThatIsHidden: ACLs hide the checks of a node without a word, and with them its maintenance.
func TestMaintenanceOfANodeThatIsHidden(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			http.Error(w, "Permission denied: anonymous token lacks permission 'node:write' on \"n\"", http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(server.Close)
	f := newTerminal(t, server.URL)
	if err := f.run(t, "maintenance", "off", "--node"); err == nil || !strings.Contains(err.Error(), "lacks permission 'node:write'") {
		t.Errorf("got %v and %q", err, f.out)
	}
}
