//go:build unix

package testenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// ConsulVersion is the version of the Consul server.
const ConsulVersion = "1.19.2"

// ConsulServer is one Consul agent, a server unless JoinLAN says otherwise, with its HTTP API and DNS on
// loopback.
type ConsulServer struct {
	Addr  string // host:port of the HTTP API
	DNS   string // host:port of the DNS interface, UDP and TCP
	Token string // the management token when ACLs are on, else empty

	lan  string // host:port at which other agents of the datacenter join
	wan  string // host:port at which other datacenters join
	bin  string
	dir  string
	proc *process
}

// ConsulOption changes how Consul is configured.
type ConsulOption func(config map[string]any, server *ConsulServer)

// WithACL turns on access control with the policy "deny" for anonymous
// requests; the server's Token may do everything.
func WithACL() ConsulOption {
	return func(config map[string]any, server *ConsulServer) {
		server.Token = "6f1f9a3e-0f6d-4a55-9b7e-2d7c5f0f5a10"
		config["acl"] = map[string]any{
			"enabled":        true,
			"default_policy": "deny",
			"tokens":         map[string]any{"initial_management": server.Token, "agent": server.Token},
		}
	}
}

// WithDatacenter makes the agent the only server of another datacenter than
// dc1. Give JoinWAN too for the two to know each other.
func WithDatacenter(name string) ConsulOption {
	return func(config map[string]any, _ *ConsulServer) {
		config["datacenter"], config["node_name"] = name, "real-"+name
	}
}

// JoinWAN has the agent join the datacenter of another one. They know each
// other some moments after the start: ask for what is needed until it is there.
func JoinWAN(other *ConsulServer) ConsulOption {
	return func(config map[string]any, _ *ConsulServer) {
		config["retry_join_wan"] = []string{other.wan}
		config["retry_interval_wan"] = "1s"
	}
}

// JoinLAN makes the agent a client of the datacenter of another one, which is a
// server; its node is called by name.
func JoinLAN(other *ConsulServer, name string) ConsulOption {
	return func(config map[string]any, _ *ConsulServer) {
		delete(config, "bootstrap_expect")
		config["server"], config["node_name"] = false, name
		config["retry_join"] = []string{other.lan}
	}
}

// WithConfig sets a key of the agent's configuration file, such as "services";
// a nil value takes the key away.
func WithConfig(key string, value any) ConsulOption {
	return func(config map[string]any, _ *ConsulServer) {
		if value == nil {
			delete(config, key)
			return
		}
		config[key] = value
	}
}

// Consul starts an agent that lives as long as the test.
func Consul(t testing.TB, opts ...ConsulOption) *ConsulServer {
	t.Helper()
	server, err := StartConsul(t.TempDir(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	tie(t, server.Stop, server.Log)
	return server
}

// StartConsul starts an agent which keeps everything in dir. The caller stops it.
func StartConsul(dir string, opts ...ConsulOption) (*ConsulServer, error) {
	home, err := installConsul()
	if err != nil {
		return nil, err
	}
	http, dns, lan, wan := freePort(), freePort(), freePort(), freePort()
	server := &ConsulServer{
		Addr: loopback(http), DNS: loopback(dns), lan: loopback(lan), wan: loopback(wan),
		bin: filepath.Join(home, "consul"), dir: dir,
	}
	ports := map[string]any{
		"http": http, "dns": dns, "grpc": -1, "grpc_tls": -1,
		"server": freePort(), "serf_lan": lan, "serf_wan": wan,
	}
	if err := server.configure(ports, opts); err != nil {
		return nil, fmt.Errorf("start consul: %w", err)
	}
	return server, server.start()
}

func (s *ConsulServer) configure(ports map[string]any, opts []ConsulOption) error {
	config := map[string]any{
		"server":           true,
		"bootstrap_expect": 1,
		"node_name":        "real",
		"datacenter":       "dc1",
		"bind_addr":        "127.0.0.1",
		"client_addr":      "127.0.0.1",
		"data_dir":         s.data(),
		"log_level":        "INFO",
		// Elections in a second rather than in ten.
		"performance":                map[string]any{"raft_multiplier": 1},
		"disable_update_check":       true,
		"check_update_interval":      "0s",
		"connect":                    map[string]any{"enabled": false},
		"leave_on_terminate":         false,
		"enable_local_script_checks": false,
		"ports":                      ports,
	}
	for _, opt := range opts {
		opt(config, s)
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(s.config(), text, 0o600)
}

func (s *ConsulServer) config() string { return filepath.Join(s.dir, "consul.json") }
func (s *ConsulServer) data() string   { return filepath.Join(s.dir, "data") }

func (s *ConsulServer) start() error {
	proc, err := launch(s.dir, "consul", exec.Command(s.bin, "agent", "-config-file="+s.config()))
	if err != nil {
		return err
	}
	s.proc = proc
	if err := proc.awaitReady(s.probe); err != nil {
		proc.kill()
		return err
	}
	return nil
}

// probe asks for the service "consul": it passes once there is a leader which
// has registered itself.
func (s *ConsulServer) probe(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr+"/v1/health/service/consul?passing", nil)
	if err != nil {
		return err
	}
	request.Header.Set("X-Consul-Token", s.Token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var instances []json.RawMessage
	if err := json.NewDecoder(response.Body).Decode(&instances); err != nil {
		return fmt.Errorf("%s: %w", response.Status, err)
	}
	if len(instances) == 0 {
		return errors.New("no leader has registered yet")
	}
	return nil
}

// Restart stops the agent if it runs and starts it again on the same ports.
// With wipe it comes back empty, its index near zero; without, it remembers.
func (s *ConsulServer) Restart(wipe bool) error {
	s.Stop()
	if wipe {
		if err := os.RemoveAll(s.data()); err != nil {
			return fmt.Errorf("wipe consul: %w", err)
		}
	}
	return s.start()
}

// Stop shuts the agent down and waits. It may be called twice.
func (s *ConsulServer) Stop() { s.proc.stop() }

// Kill ends the agent with SIGKILL and waits. Restart brings it back.
func (s *ConsulServer) Kill() { s.proc.kill() }

// Command is the path of the consul command, which is the agent and the CLI.
func (s *ConsulServer) Command() string { return s.bin }

// Log returns the last lines of the agent's log.
func (s *ConsulServer) Log() []byte { return s.proc.tail() }
