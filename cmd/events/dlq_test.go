package events_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/cmd/root"
	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/clitest"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/internal/lab/registry"
	"github.com/suokelife/suokectl/pkg/spec"
)

// dlqTerminal runs command lines against one broker and one registry.
type dlqTerminal struct {
	t   *testing.T
	env map[string]string
	tty bool
}

func (c dlqTerminal) run(args ...string) (code int, stdout, stderr string) {
	c.t.Helper()
	ios, in, out, errOut := iostreams.Test()
	ios.SetTTY(c.tty, c.tty, c.tty)
	ios.SetWidth(200)
	in.WriteString(c.env["STDIN"])
	f := &app.Factory{IO: ios, Version: "test", Dir: c.t.TempDir(), Getenv: func(name string) string { return c.env[name] }}
	code = root.Run(context.Background(), f, args)
	if err := f.Close(); err != nil {
		c.t.Error(err)
	}
	return code, out.String(), errOut.String()
}

const (
	harm  = "\x1b[2Jred\u202eder\r"
	topic = "dev.auth-service.user-registered.v1"
)

// hostileLetters is a broker whose one letter has harm in all that it says.
func hostileLetters(t *testing.T) dlqTerminal {
	t.Helper()
	server, err := kafka.Start(kafka.Options{Topics: []kafka.Topic{{Name: topic}, {Name: topic + ".dlq"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	producer, err := kgo.NewClient(kgo.SeedBrokers(server.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	letter := &kgo.Record{Topic: topic + ".dlq", Key: []byte(harm), Value: []byte(harm), Headers: []kgo.RecordHeader{
		{Key: spec.HeaderDLQError, Value: []byte(harm)}, {Key: "x", Value: []byte(harm)},
	}}
	if err := producer.ProduceSync(t.Context(), letter).FirstErr(); err != nil {
		t.Fatal(err)
	}
	env := clitest.Home(t.TempDir())
	env["SUOKECTL_KAFKA_BROKERS"] = server.Addrs()[0]
	return dlqTerminal{t: t, env: env}
}

func TestLettersAreHarmlessOnATerminal(t *testing.T) {
	c := hostileLetters(t)
	for _, tty := range []bool{true, false} {
		c.tty = tty
		for _, args := range [][]string{
			{"events", "dlq", "show", topic + ".dlq"},
			{"events", "dlq", "show", topic + ".dlq", "--letters"},
			{"events", "dlq", "show", topic + ".dlq", "--letters", "-o", "wide"},
			{"events", "dlq", "show", topic + ".dlq", "-o", "json", "--jq", ".[].class"},
			{"events", "dlq", "show", topic + ".dlq", "--letters", "-o", "ndjson", "--jq", ".error"},
			{"events", "dlq", "replay", topic + ".dlq", "--all", "--dry-run"},
		} {
			code, out, talk := c.run(args...)
			if code != 0 || !strings.Contains(out, "der") {
				t.Errorf("%v: exit %d, %q, %q", args, code, out, talk)
			}
			if tty && strings.ContainsAny(out+talk, "\x1b\u202e\r") {
				t.Errorf("%v printed %q", args, out)
			}
			if !tty && !strings.Contains(out, "\u202e") {
				t.Errorf("%v: off a terminal the data changed: %q", args, out)
			}
		}
	}
}

func TestReplayInAProtectedContext(t *testing.T) {
	c := hostileLetters(t)
	if code, out, talk := c.run("config", "set-context", "guarded", "protected=true"); code != 0 {
		t.Fatal(out, talk)
	}
	c.env["SUOKECTL_CONTEXT"] = "guarded"
	replay := []string{"events", "dlq", "replay", topic + ".dlq", "--all"}
	if code, out, talk := c.run(replay...); code != failure.CodeMisuse || out != "" || !strings.Contains(talk, "add --confirm guarded") {
		t.Errorf("unconfirmed: exit %d, %q, %q", code, out, talk)
	}
	if code, _, talk := c.run(append(replay, "--confirm", "other")...); code != failure.CodeMisuse {
		t.Errorf("confirmed with another name: exit %d, %q", code, talk)
	}
	c.tty, c.env["STDIN"] = true, "guarded\n"
	if code, out, talk := c.run(replay...); code != 0 || !strings.Contains(out, "replayed 1 letter") {
		t.Errorf("typed: exit %d, %q, %q", code, out, talk)
	}
	c.tty = false
	if code, out, talk := c.run(append(replay, "--confirm", "guarded", "-o", "json", "--jq", ".already")...); code != 0 || out != "1\n" {
		t.Errorf("by flag: exit %d, %q, %q", code, out, talk)
	}
}

// TestAnUnreachableWorldIsAFailure: each says which address, and none hangs.
func TestAnUnreachableWorldIsAFailure(t *testing.T) {
	hole, err := net.Listen("tcp", "127.0.0.1:0") // accepts by its backlog and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer hole.Close()
	c := dlqTerminal{t: t, env: clitest.Home(t.TempDir())}
	for name, address := range map[string]string{"refusing": "127.0.0.1:1", "black hole": hole.Addr().String()} {
		c.env["SUOKECTL_KAFKA_BROKERS"], c.env["SUOKECTL_REGISTRY_URL"] = address, "http://"+address
		for _, args := range [][]string{
			{"events", "dlq", "list"},
			{"events", "dlq", "show", topic + ".dlq"},
			{"events", "dlq", "replay", topic + ".dlq", "--all"},
			{"events", "schema", "list"},
			{"events", "schema", "get", topic + "-value"},
		} {
			code, out, talk := c.run(append(args, "--timeout", "300ms")...)
			want := failure.CodeFailed
			if name == "black hole" {
				want = failure.CodeTimeout
			}
			if code != want || out != "" || !strings.HasPrefix(talk, "error: ") {
				t.Errorf("%s: %v: exit %d, %q, %q", name, args, code, out, talk)
			}
		}
	}
}

func TestRegistryTextIsHarmlessOnATerminal(t *testing.T) {
	server, err := registry.Start(registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c := dlqTerminal{t: t, env: clitest.Home(t.TempDir())}
	c.env["SUOKECTL_REGISTRY_URL"] = server.URL()
	c.env["STDIN"] = `{"type":"object","description":"` + "red\u202eder" + `"}`
	if code, _, talk := c.run("events", "schema", "register", "a\u202eb-value", "-"); code != 0 {
		t.Fatal(talk)
	}
	for _, tty := range []bool{true, false} {
		c.tty = tty
		for _, args := range [][]string{{"events", "schema", "list"}, {"events", "schema", "get", "a\u202eb-value"}, {"events", "schema", "get", "a\u202eb-value", "-o", "json"}} {
			code, out, talk := c.run(args...)
			if code != 0 || strings.Contains(out+talk, "\u202e") && tty || !strings.Contains(out, "\u202e") && !tty {
				t.Errorf("tty %t: %v: exit %d, %q, %q", tty, args, code, out, talk)
			}
		}
	}
}

// TestCompletion asks until there is an answer: a TAB waits 80 ms at most, which a busy machine may exceed.
func TestCompletion(t *testing.T) {
	c := hostileLetters(t)
	server, err := registry.Start(registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c.env["SUOKECTL_REGISTRY_URL"], c.env["STDIN"] = server.URL(), `"string"`
	if code, _, talk := c.run("events", "schema", "register", topic+"-value", "-"); code != 0 {
		t.Fatal(talk)
	}
	for want, args := range map[string][]string{
		topic + ".dlq\n":   {"events", "dlq", "show", ""},
		"ae2fb5872cee\n":   {"events", "dlq", "replay", topic + ".dlq", "--fingerprint", "ae"},
		topic + "-value\n": {"events", "schema", "get", "dev"},
		"latest\n":         {"events", "schema", "get", "--version", ""},
		"event\n":          {"events", "schema", "validate", "--scope", "e"},
		"json\n":           {"events", "schema", "check", "--type", "j"},
	} {
		for deadline := time.Now().Add(30 * time.Second); ; {
			_, out, talk := c.run(append([]string{"__complete"}, args...)...)
			if strings.Contains(out, want) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%v: %q, %q, want %q", args, out, talk, want)
			}
		}
	}
}
