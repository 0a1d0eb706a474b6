//go:build unix

package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/suokelife/suokectl/internal/lab/services"
	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/secure"
)

// TestGrpcurlReadsTheDemoServices asks the same of the lab's services as
// grpcurl does and as we do: what they offer, and the answers to calls of all
// four kinds.
func TestGrpcurlReadsTheDemoServices(t *testing.T) {
	t.Parallel()
	secret := []byte("a secret that services share")
	server, err := services.Start(services.Options{Name: "health-service", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "conformance", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	token, err := source.Token()
	if err != nil {
		t.Fatal(err)
	}
	channel, err := rpc.NewChannel(t.Context(), rpc.Config{
		Target: server.Addr(), Credentials: secure.CallCredentials{Token: source.Token, AllowPlaintext: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = channel.Close() })
	peer := grpcurl{path: testenv.Tool(t, "grpcurl"), address: server.Addr(), token: token}

	descriptors := channel.Reflect(t.Context())
	defer descriptors.Close()
	ours, err := descriptors.Services()
	if err != nil {
		t.Fatal(err)
	}
	if theirs := strings.Fields(peer.run(t, "", "list")); strings.Join(ours, " ") != strings.Join(theirs, " ") {
		t.Errorf("services: we see %v, grpcurl %v", ours, theirs)
	}
	for _, c := range []struct{ method, request string }{
		{"GetVitals", `{"user_id":"u1"}`},
		{"WatchVitals", `{"user_id":"u1","count":4}`},
		{"RecordVitals", `{"vitals":{"heart_rate":60}} {"vitals":{"heart_rate":81}}`},
		{"CheckVitals", `{"vitals":{"heart_rate":60}} {"vitals":{"temperature":39.5}}`},
	} {
		method := "suokelife.health.v1.HealthService/" + c.method
		call, err := channel.Call(t.Context(), rpc.Request{Method: method, Body: strings.NewReader(c.request)})
		if err != nil || call.Err() != nil {
			t.Errorf("%s: %v, %v", c.method, err, call.Err())
			continue
		}
		theirs := messages(t, peer.run(t, c.request, "-d", "@", method))
		if got, want := timeless(t, call.Messages), timeless(t, theirs); got != want {
			t.Errorf("%s: we get %s, grpcurl %s", c.method, got, want)
		}
	}
	if out, code := peer.try(t, "-d", "{}", "suokelife.health.v1.HealthService/GetVitals"); code != 64+3 {
		t.Errorf("grpcurl exits with %d on INVALID_ARGUMENT: %s", code, out)
	}
}

// TestCallsThroughRealConsul calls a service whose instances Consul knows: one
// is flaky, one refuses connections although its check passes, and one is killed
// meanwhile. No call fails.
func TestCallsThroughRealConsul(t *testing.T) {
	t.Parallel()
	secret := []byte("a secret that services share")
	consul := discoverClient(t, discover.Config{Address: sharedConsul.get(t).Addr})
	const name = "rpc-auth-service"
	start := func(flaky bool) *services.Server {
		s, err := services.Start(services.Options{Name: "auth-service", Secret: secret, Flaky: flaky})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() }) // one is closed already
		registerTTL(t.Context(), t, consul, name, port(t, s.Addr()), discover.Passing)
		return s
	}
	_, doomed := start(true), start(false)
	start(false)
	registerTTL(t.Context(), t, consul, name, 1, discover.Passing)

	source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "conformance", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	retry := rpc.DefaultRetry()
	retry.Backoff.First = 50 * time.Millisecond
	channel, err := rpc.NewChannel(t.Context(), rpc.Config{
		Target: name, Instances: consul.Endpoints(name, discover.Query{Version: "v1"}), Retry: &retry,
		Credentials: secure.CallCredentials{Token: source.Token, AllowPlaintext: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = channel.Close() })
	instances := map[string]int{}
	for i := range 60 {
		if i == 20 {
			if err := doomed.Close(); err != nil {
				t.Fatal(err)
			}
		}
		call, err := channel.Call(t.Context(), rpc.Request{
			Method: "Login", Body: strings.NewReader(`{"username":"ada","password":"correct horse"}`),
		})
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		if call.Err() != nil {
			t.Fatalf("call %d: %v, attempts %+v", i, call.Err(), call.Attempts)
		}
		instances[call.Attempts[len(call.Attempts)-1].Instance]++
	}
	// Not three: each call also asks for descriptors, and taking turns may give
	// that question to the flaky one every time.
	if len(instances) < 2 {
		t.Errorf("the calls went to %v, want several instances", instances)
	}
}

func port(t *testing.T, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// grpcurl is the peer's command on one server.
type grpcurl struct{ path, address, token string }

func (g grpcurl) command(ctx context.Context, args []string) *exec.Cmd {
	verb := args[len(args)-1]
	head := []string{"-plaintext", "-expand-headers", "-H", "authorization: Bearer ${TOKEN}"}
	all := append(append(head, args[:len(args)-1]...), g.address, verb)
	cmd := exec.CommandContext(ctx, g.path, all...)
	cmd.Env = append(cmd.Environ(), "TOKEN="+g.token)
	return cmd
}

func (g grpcurl) run(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := g.command(ctx, args)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", cmd, err, &stderr)
	}
	return string(out)
}

func (g grpcurl) try(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := g.command(t.Context(), args)
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

func messages(t *testing.T, text string) []json.RawMessage {
	t.Helper()
	var list []json.RawMessage
	for decoder := json.NewDecoder(strings.NewReader(text)); decoder.More(); {
		var message json.RawMessage
		if err := decoder.Decode(&message); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		list = append(list, message)
	}
	return list
}

// timeless is the messages in one form, without the time of each reading.
func timeless(t *testing.T, list []json.RawMessage) string {
	t.Helper()
	var all []map[string]any
	for _, text := range list {
		var message map[string]any
		if err := json.Unmarshal(text, &message); err != nil {
			t.Fatal(err)
		}
		if vitals, ok := message["vitals"].(map[string]any); ok {
			delete(vitals, "measuredAt")
		}
		all = append(all, message)
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
