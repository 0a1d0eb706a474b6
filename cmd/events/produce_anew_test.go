package events_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/suokelife/suokectl/internal/iostreams"
)

// TestProduceToATopicThatIsMadeAnew in mid run: each line was acknowledged or is
// told of, and lines go to the new topic again.
func TestProduceToATopicThatIsMadeAnew(t *testing.T) {
	s := newConsole(t)
	admin := kadm.NewClient(s.raw)
	in, lines := io.Pipe()
	done := make(chan ran, 1)
	go func() {
		done <- s.runWith(s.ctx, "", func(ios *iostreams.IOStreams) { ios.In = in }, "produce", registered, "-o", "json", "--jq", `"\(.acked) \(.counts | add // 0)"`)
	}()
	put := func(id string) { fmt.Fprintln(lines, event(id)) }
	stored := func() int { return strings.Count(s.run("consume", registered, "--until", "now").out, "\n") }
	put("old")
	for stored() < 1 {
		if s.ctx.Err() != nil {
			t.Fatal("the first line never went out")
		}
	}
	if _, err := admin.DeleteTopic(s.ctx, registered); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateTopic(s.ctx, 2, 1, nil, registered); err != nil {
		t.Fatal(err)
	}
	sent := 1
	for ; stored() < 3; sent++ {
		if s.ctx.Err() != nil {
			t.Fatal("no line reached the new topic")
		}
		put(fmt.Sprint("new-", sent))
	}
	_ = lines.Close()
	got := <-done
	var acked, others int
	if _, err := fmt.Sscanf(strings.Trim(got.out, "\"\n"), "%d %d", &acked, &others); err != nil {
		t.Fatalf("%q: %v", got.out, err)
	}
	if acked+others != sent || acked != 1+stored() {
		t.Errorf("of %d lines: %s, and %d are stored", sent, got.out, stored())
	}
	if told := strings.Count(got.errOut, "UNKNOWN_TOPIC_ID"); told < others || (got.code == 0) != (others == 0) {
		t.Errorf("exit %d, told of %d: %s", got.code, told, got.errOut)
	}
}
