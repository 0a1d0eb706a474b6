package events_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/clitest"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/lab/kafka"
)

// TestWritingInAProtectedContext: what adds records to a shared cluster does
// nothing without the context's name, which is asked for on a terminal.
func TestWritingInAProtectedContext(t *testing.T) {
	const target = "dev.auth-service.user-renamed.v1"
	valid := func(kind string) []byte {
		return []byte(`{"meta":{"id":"e","type":"` + kind + `","version":"v1","source":"auth-service","time":"2026-01-31T12:00:00Z","correlation_id":"none"},"data":{}}`)
	}
	server, err := kafka.Start(kafka.Options{Topics: []kafka.Topic{{Name: topic}, {Name: target}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	client, err := kgo.NewClient(kgo.SeedBrokers(server.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: valid("user-registered")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c := dlqTerminal{t: t, env: clitest.Home(t.TempDir())}
	must := func(args ...string) string {
		t.Helper()
		code, out, talk := c.run(args...)
		if code != 0 {
			t.Fatalf("%v: exit %d, %q, %q", args, code, out, talk)
		}
		return out
	}
	must("config", "set-context", "open", "env=dev", "kafka.brokers="+server.Addrs()[0])
	must("config", "set-context", "guarded", "env=dev", "kafka.brokers="+server.Addrs()[0], "protected=true")
	archive := filepath.Join(t.TempDir(), "a.suokarc")
	must("--context", "open", "events", "export", topic, "-f", archive)
	stored := func() string {
		return must("--context", "open", "events", "topics", "offsets", target, "-o", "json", "--jq", "map(.end) | add")
	}
	for name, args := range map[string][]string{
		"copy":          {"--context", "guarded", "events", "copy", topic, target, "--restart"},
		"copy to there": {"--context", "open", "events", "copy", topic, target, "--restart", "--to-context", "guarded"},
		"import":        {"--context", "guarded", "events", "import", archive, "--to", topic + "=" + target, "--restart"},
		"emit":          {"--context", "guarded", "events", "emit", "user-renamed", "--service", "auth-service", "--data", "{}"},
		"produce":       {"--context", "guarded", "events", "produce", target},
	} {
		t.Run(name, func(t *testing.T) {
			c.t, c.tty, c.env["STDIN"] = t, false, ""
			if name == "produce" {
				c.env["STDIN"] = string(valid("user-renamed")) + "\n"
			}
			before := stored()
			for want, args := range map[string][]string{"add --confirm guarded": args, `does not name the protected context "guarded"`: append([]string{"--confirm", "open"}, args...)} {
				if code, out, talk := c.run(args...); code != failure.CodeMisuse || out != "" || !strings.Contains(talk, want) {
					t.Errorf("no %q: exit %d, %q, %q", want, code, out, talk)
				}
			}
			c.run(append(args, "--dry-run")...)
			if after := stored(); after != before {
				t.Errorf("unconfirmed it wrote: %s records, now %s", before, after)
			}
			if code, out, talk := c.run(append([]string{"--confirm", "guarded"}, args...)...); code != 0 {
				t.Errorf("by flag: exit %d, %q, %q", code, out, talk)
			}
			if after := stored(); after == before {
				t.Error("confirmed it wrote nothing")
			}
			if name == "produce" {
				return // its standard input is the events
			}
			before = stored()
			c.tty, c.env["STDIN"] = true, "open\n"
			if code, out, talk := c.run(args...); code != failure.CodeFailed || out != "" || !strings.Contains(talk, "nothing was changed") {
				t.Errorf("another's name typed: exit %d, %q, %q", code, out, talk)
			}
			c.env["STDIN"] = "guarded\n"
			if code, out, talk := c.run(args...); code != 0 || !strings.Contains(talk, "guarded") {
				t.Errorf("typed: exit %d, %q, %q", code, out, talk)
			}
			c.tty = false
			if after := stored(); after == before {
				t.Error("confirmed by typing it wrote nothing")
			}
		})
	}
}
