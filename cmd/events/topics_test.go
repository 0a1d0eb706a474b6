package events_test

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
)

func TestCluster(t *testing.T) {
	s := newConsole(t)
	s.run("cluster").want(t, 0, "CONTROLLER: 0\nTOPICS:     2\nPARTITIONS: 4, ok\n", "")
	s.run("cluster", "-o", "wide").want(t, 0, "Produce ", "")
	s.run("cluster", "-o", "name").want(t, 0, "suokectl-lab\n", "")
	s.run("cluster", "-o", "json", "--jq", ".brokers[0].controller, (.apis|length > 30), .offline").want(t, 0, "true\ntrue\n0\n", "")
}

func TestClusterOnANarrowTerminal(t *testing.T) {
	s := newConsole(t)
	got := s.runWith(s.ctx, "", func(ios *iostreams.IOStreams) { ios.SetTTY(true, true, true); ios.SetWidth(60) }, "cluster")
	for line := range strings.Lines(got.out) {
		if ansi.StringWidth(strings.TrimSuffix(line, "\n")) > 60 {
			t.Errorf("too wide: %q", line)
		}
	}
	got.want(t, 0, "FEATURES:", "")
}

func TestTopicsDescribe(t *testing.T) {
	s := newConsole(t)
	s.putEvents(3)
	got := s.run("topics", "describe", registered, "--window", "10ms")
	got.want(t, 0, "PARTITIONS: 2, ok\n", "")
	got.want(t, 0, "RATE:       0.0/s\n", "")
	got.want(t, 0, "0          0       0         0        0      3    ", "")
	s.run("topics", "alter", registered, "--config", "retention.ms=1000").want(t, 0, "retention.ms  604800000  1000\n", "warning: retention.ms: records beyond the new limit")
	s.run("topics", "describe", registered, "--window", "0").want(t, 0, "retention.ms   1000   604800000\n", "")
	s.run("topics", "describe", registered, "--window", "0", "-o", "wide").want(t, 0, "cleanup.policy ", "")
	s.run("topics", "describe", registered, "--window", "0", "--jq", ".[0] | .bytes > 100, .partitions[1].end, .kind").want(t, 0, "true\n0\nevents\n", "")
	s.run("topics", "describe", registered+"x", registered, "--window", "0").want(t, 1, "TOPIC:      "+registered, "did you mean "+registered)
	s.run("topics", "describe", registered, "--window", "-1s").want(t, 2, "", "not negative")
}

// TestTopicsCheckOnANarrowTerminal: what is wrong is what one looks for.
func TestTopicsCheckOnANarrowTerminal(t *testing.T) {
	s := newConsole(t)
	got := s.runWith(s.ctx, "", func(ios *iostreams.IOStreams) { ios.SetTTY(true, true, true); ios.SetWidth(80) },
		"topics", "check", "Prod.auth_service.userRegistered.1")
	got.want(t, failure.CodeFindings, "Prod.auth_service.userRegistered.1  prod.auth-service.user-registered.v1\n", "")
	got.want(t, failure.CodeFindings, "    env \"Prod\": want one of dev, test, staging, prod; service \"auth_service\":\n", "")
	if strings.Contains(got.out, "…") {
		t.Errorf("something is cut:\n%s", got.out)
	}
}

func TestTopicsOffsets(t *testing.T) {
	s := newConsole(t)
	s.putEvents(3)
	s.run("topics", "offsets", registered).want(t, 0, "0          0      3       3    ", "")
	s.run("topics", "offsets", registered, "--at", "-15m").want(t, 0, "0          0   0      3       3    ", "")
	s.run("topics", "offsets", registered, "--at", "end", "-o", "ndjson", "--jq", ".[].at").want(t, 0, "3\n0\n", "")
	s.run("topics", "offsets", registered, "--at", "soon").want(t, 2, "", "no place in a topic")
	s.run("topics", "offsets", registered+"x").want(t, 1, "", "did you mean "+registered)
}

func TestTopicsAlter(t *testing.T) {
	s := newConsole(t)
	s.run("topics", "alter", registered, "--partitions", "4", "--dry-run").want(t, 0, "partitions  2       4\n", "1 value of "+registered+" would change")
	s.run("topics", "alter", registered, "--partitions", "4").want(t, 0, "", "give "+registered+".dlq as many partitions")
	s.run("topics", "alter", registered, "--partitions", "4").want(t, 0, "", "nothing to change")
	s.run("topics", "alter", registered, "--partitions", "3").want(t, 1, "", "none can be taken away")
	s.run("topics", "alter", registered, "--config", "max.message.bytes=2000000", "-o", "json", "--jq", ".changes[0].after").want(t, 0, "2000000\n", "changed")
	s.run("topics", "alter", registered, "--unset", "max.message.bytes").want(t, 0, "2000000  1048588\n", "changed")
	s.run("topics", "alter", registered, "--config", "retention.msx=1").want(t, 1, "", "did you mean retention.ms?")
	s.run("topics", "alter", registered, "--config", "retention.ms=a day").want(t, 1, "", "INVALID_CONFIG")
	s.run("topics", "alter", registered+"x", "--partitions", "9").want(t, 1, "", "did you mean "+registered)
	for args, why := range map[string]string{
		"":                       "say what to change",
		"--partitions 0":         "at least 1",
		"--config a=1 --unset a": "both set and unset",
	} {
		s.run(append([]string{"topics", "alter", registered}, strings.Fields(args)...)...).want(t, 2, "", why)
	}
}

func TestTopicsDelete(t *testing.T) {
	s := newConsole(t)
	s.putEvents(1)
	s.member("billing")
	s.run("topics", "delete", registered, "--dry-run").want(t, 0, registered, "group billing reads "+registered+", and has 1 member")
	s.run("topics", "delete", registered, registered+"x").want(t, 1, "", "nothing was deleted")
	s.run("topics", "list", "-o", "name").want(t, 0, registered+"\n"+registered+".dlq\n", "")
	s.run("topics", "delete", registered+".dlq").want(t, 0, "", registered+".dlq deleted")
	s.run("topics", "delete", registered+".dlq").want(t, 1, "", "does not exist")
	s.run("topics", "list", "-o", "name").want(t, 0, registered+"\n", "")
}

func TestTopicsRefuseBadInput(t *testing.T) {
	s := newConsole(t)
	const fresh = "dev.auth-service.user-locked.v1"
	s.run("topics", "create", fresh, "--replicas", "3").want(t, 1, "", "INVALID_REPLICATION_FACTOR")
	s.run("topics", "create", fresh, "--config", "retention.msx=1").want(t, 1, "", "did you mean retention.ms?")
	s.run("topics", "create", registered).want(t, 1, "", "exists already")
	s.run("topics", "delete", registered).want(t, 0, "", "deleted") // its dead letters stay
	s.run("topics", "create", registered, "--partitions", "2").want(t, 0, registered+".dlq  exists already\n", "")
	s.run("topics", "create", "dev.auth_service.x.v1").want(t, 1, "", "auth-service")
	s.protected = true
	for _, args := range [][]string{{"topics", "alter", registered, "--partitions", "9"}, {"topics", "delete", registered}, {"topics", "create", fresh}} {
		got := s.run(args...)
		got.want(t, 2, "", "is protected")
		if failure.Hint(got.err) != "add --confirm unnamed" {
			t.Errorf("%v: hint %q", args, failure.Hint(got.err))
		}
	}
	s.run("topics", "describe", registered, "--window", "0").want(t, 0, "PARTITIONS: 2, ok", "")
}

func TestTopicsOnANarrowTerminal(t *testing.T) {
	s := newConsole(t)
	s.put(&kgo.Record{Value: []byte(event("e-1"))})
	for _, args := range [][]string{{"topics", "list"}, {"topics", "describe", registered, "--window", "0"}, {"topics", "offsets", registered, "--at", "end"}, {"cluster"}} {
		got := s.runWith(s.ctx, "", func(ios *iostreams.IOStreams) { ios.SetTTY(true, true, true); ios.SetWidth(60) }, args...)
		got.want(t, 0, "", "")
		if len(args) > 1 && args[1] == "list" {
			got.want(t, 0, ".v1 ", "")
			got.want(t, 0, ".v1.dlq ", "") // the end tells a topic from its dead letters
		}
		for line := range strings.Lines(got.out) {
			if !strings.Contains(line, ": ") && len([]rune(line)) > 61 {
				t.Errorf("%v: %d columns: %s", args, len([]rune(line)), line)
			}
		}
	}
}

func TestTopicsWithoutAServer(t *testing.T) {
	s := newConsole(t)
	s.brokers = "127.0.0.1:1"
	for _, args := range [][]string{{"cluster"}, {"topics", "describe", "a"}, {"topics", "offsets", "a"}, {"topics", "alter", "a", "--partitions", "3"}, {"topics", "delete", "a"}} {
		s.run(args...).want(t, 1, "", "connection refused")
	}
}

func TestTopicsComplete(t *testing.T) {
	s := newConsole(t)
	for _, verb := range []string{"describe", "offsets", "alter", "delete", "check", "list"} {
		if got := s.run(cobra.ShellCompNoDescRequestCmd, "topics", verb, "dev.a"); !strings.HasPrefix(got.out, registered+"\n") {
			t.Errorf("%s: %q, %v", verb, got.out, got.err)
		}
	}
}
