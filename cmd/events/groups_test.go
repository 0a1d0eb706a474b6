package events_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
)

// leave commits for a group without members.
func (s *console) leave(group string, at int64) {
	s.Helper()
	offsets := make(kadm.Offsets)
	offsets.AddOffset(registered, 0, at, -1)
	if err := kadm.NewClient(s.raw).CommitAllOffsets(s.ctx, group, offsets); err != nil {
		s.Fatal(err)
	}
}

// member joins a group, and is there when this returns.
func (s *console) member(group string, opts ...kgo.Opt) *kgo.Client {
	s.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(strings.Split(s.brokers, ",")...), kgo.ConsumerGroup(group), kgo.ClientID("billing-1"),
		kgo.ConsumeTopics(registered), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit()}, opts...)...)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(client.Close)
	if err := client.PollRecords(s.ctx, 1).Err(); err != nil {
		s.Fatal(err)
	}
	return client
}

func (s *console) putEvents(n int) {
	s.Helper()
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Value: []byte(event(fmt.Sprint(i)))})
	}
	s.put(records...)
}

func TestGroups(t *testing.T) {
	s := newConsole(t)
	s.putEvents(10)
	s.leave("billing", 4)
	s.run("groups", "list").want(t, 0, "billing  Empty  classic   0        6\n", "")
	s.run("groups", "list", "--topic", registered+".dlq").want(t, 0, "", "no consumer group reads")
	s.run("groups", "list", "--topic", "nothing").want(t, 1, "", "does not exist")
	s.run("groups", "list", "-o", "name").want(t, 0, "billing\n", "")
	s.run("groups", "list", "--template", "{{range .}}{{.lag}}{{end}}").want(t, 0, "6\n", "")
	s.run("groups", "describe", "billing", "--window", "0", "-o", "ndjson", "--jq", ".[0].partitions[0] | [.committed, .end, .lag]").want(t, 0, "[4,10,6]\n", "")
	s.run("groups", "describe", "billing", "--window", "10ms").want(t, 0, "6, stuck\n", "")
	s.run("groups", "describe", "billing", "--window", "10ms", "-o", "yaml").want(t, 0, "verdict: stuck", "")
	s.run("groups", "describe", "biling", "billing", "--window", "0").want(t, 1, "GROUP:    billing", "did you mean billing?")
	s.run("groups", "describe", "billing", "--window", "-1s").want(t, 2, "", "not negative")

	s.run("groups", "reset", "billing", "--to", "start", "--dry-run").want(t, 0, "4 read again", "2 partitions of group billing would be moved")
	s.run("groups", "reset", "billing", "--to", "end", "--topic", registered+":0").want(t, 0, "6 skipped", "1 partition of group billing moved")
	s.run("groups", "reset", "billing", "--shift", "-2", "-o", "json", "--jq", ".partitions[0].after").want(t, 0, "8\n", "moved")
	s.run("groups", "reset", "billing", "--to", "8", "--topic", registered+":0").want(t, 0, "unchanged", "nothing to change")
	s.run("groups", "reset", "billing", "--shift", "-20").want(t, 0, "bounded by the log", "moved")
	s.run("groups", "list").want(t, 0, "10\n", "")

	s.run("groups", "delete", "billing", "nothing").want(t, 1, "", "group nothing does not exist")
	s.run("groups", "delete", "billing", "--dry-run").want(t, 0, "billing", "1 group would be deleted")
	s.run("groups", "delete", "billing", "-o", "name").want(t, 0, "billing\n", "billing deleted")
	s.run("groups", "list").want(t, 0, "", "no consumer groups")
}

func TestGroupsResetOfANewGroup(t *testing.T) {
	s := newConsole(t)
	s.putEvents(3)
	s.leave("billing", 1)
	reset := []string{"groups", "reset", "biling", "--to", "end", "--topic", registered}
	s.run(append(reset, "--dry-run")...).want(t, 0, "0          -       3      first commit\n", "group biling is new: did you mean billing?\n2 partitions of group biling would be moved\n")
	s.run(append(reset, "--dry-run", "-o", "json", "--jq", ".new, .nearest")...).want(t, 0, "true\nbilling\n", "")
	s.run("groups", "list", "-o", "name").want(t, 0, "billing\n", "")
	s.run(reset...).want(t, 0, "first commit", "2 partitions of group biling moved")
	s.run("groups", "describe", "biling", "--window", "0", "--jq", ".[0].lag, .[0].partitions[0].committed").want(t, 0, "0\n3\n", "")
	s.run(reset...).want(t, 0, "unchanged", "nothing to change")
	s.run("groups", "reset", "biling", "--to", "start", "-o", "json", "--jq", ".new").want(t, 0, "null\n", "")
}

func TestGroupsRefuse(t *testing.T) {
	s := newConsole(t)
	s.putEvents(1)
	s.leave("empty", 1)
	s.member("classic")
	s.member("next", kgo.ServerSideBalancer())
	for _, group := range []string{"classic", "next"} {
		s.run("groups", "reset", group, "--to", "start").want(t, 1, "", "has live members: billing-1 at ")
		s.run("groups", "delete", group).want(t, 1, "", "nothing was deleted: group "+group+" has live members: billing-1 at ")
		s.run("groups", "delete", "empty", group).want(t, 1, "", "nothing was deleted")
	}
	s.run("groups", "list").want(t, 0, "next     Stable  KIP-848 (uniform)", "")
	for args, why := range map[string]string{
		"empty":                       "either --to or --shift",
		"empty --to start --shift 1":  "either --to or --shift",
		"empty --shift 0":             "moves nothing",
		"empty --to yesterday":        "no place in a topic",
		"empty --to start --topic :0": "TOPIC:PARTITIONS",
		"empty --to start --topic " + registered + ":x": "TOPIC:PARTITIONS",
		"empty --to start -o xml":                       "unknown output format",
	} {
		s.run(append([]string{"groups", "reset"}, strings.Fields(args)...)...).want(t, 2, "", why)
	}
	s.run("groups", "reset", "empty", "--to", "start", "--topic", registered+":0,7").want(t, 1, "", "no partition 7: there are 2")
	s.run("groups", "reset", "empty", "--to", "start", "--topic", registered+"x").want(t, 1, "", "did you mean "+registered)
	s.run("groups", "reset", "nothing", "--to", "start").want(t, 1, "", "group nothing does not exist")
	s.run("groups", "reset", "nothing", "--shift", "-1", "--topic", registered).want(t, 1, "", "group nothing does not exist")
}

func TestGroupsInAProtectedContext(t *testing.T) {
	s := newConsole(t)
	s.putEvents(3)
	s.leave("billing", 3)
	s.protected = true
	for _, args := range [][]string{{"groups", "reset", "billing", "--to", "start"}, {"groups", "delete", "billing"}} {
		got := s.run(args...)
		got.want(t, 2, "", "is protected: ")
		if hint := failure.Hint(got.err); hint != "add --confirm unnamed" {
			t.Errorf("%v: hint %q", args, hint)
		}
		s.run(append(args, "--dry-run", "-o", "name")...).want(t, 0, "billing", "")
	}
	s.run("groups", "describe", "billing", "--window", "0").want(t, 0, "LAG:      0", "")
}

func TestGroupsOnANarrowTerminal(t *testing.T) {
	s := newConsole(t)
	s.putEvents(3)
	s.leave("billing", 1)
	got := s.runWith(s.ctx, "", func(ios *iostreams.IOStreams) { ios.SetTTY(true, true, true); ios.SetWidth(60) },
		"groups", "describe", "billing", "--window", "0")
	got.want(t, 0, "dev.auth", "")
	for line := range strings.Lines(got.out) {
		if len([]rune(line)) > 61 {
			t.Errorf("%d columns: %s", len([]rune(line)), line)
		}
	}
}

func TestGroupsComplete(t *testing.T) {
	s := newConsole(t)
	s.leave("billing", 0)
	for _, args := range [][]string{{"groups", "describe", "b"}, {"groups", "reset", "b"}, {"groups", "delete", "b"}} {
		if got := s.run(append([]string{cobra.ShellCompNoDescRequestCmd}, args...)...); !strings.HasPrefix(got.out, "billing\n") {
			t.Errorf("%v: %q, %v", args, got.out, got.err)
		}
	}
	got := s.run(cobra.ShellCompNoDescRequestCmd, "groups", "reset", "billing", "--topic", "dev")
	if !strings.HasPrefix(got.out, registered+"\n") {
		t.Errorf("--topic: %q", got.out)
	}
}

func TestGroupsWithoutAServer(t *testing.T) {
	s := newConsole(t)
	s.brokers = "127.0.0.1:1"
	for _, args := range [][]string{{"groups", "list"}, {"groups", "describe", "a"}, {"groups", "reset", "a", "--to", "end"}, {"groups", "delete", "a"}} {
		began := time.Now()
		s.run(args...).want(t, 1, "", "connection refused")
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%v: %s", args, took)
		}
	}
}
