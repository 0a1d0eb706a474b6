package events_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/iostreams"
)

// correlated is an event of a request.
func correlated(id, request string) []byte {
	return []byte(strings.Replace(event(id), `"none"`, `"`+request+`"`, 1))
}

func TestSearch(t *testing.T) {
	s := newConsole(t)
	s.put(
		&kgo.Record{Key: []byte("u-1"), Value: correlated("e-1", "r-1")},
		&kgo.Record{Partition: 1, Value: correlated("e-2", "r-2")},
		&kgo.Record{Topic: registered + ".dlq", Value: correlated("e-3", "r-1")},
		&kgo.Record{Value: []byte("\xff\x00needle"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("hay")}}},
	)
	for _, c := range []struct {
		args  []string
		code  int
		lines int
		out   string
	}{
		{[]string{"dev.**", "--correlation-id", "r-1"}, 0, 2, `"id":"e-3"`},
		{[]string{registered, "--correlation-id", "r-1"}, 0, 1, `"id":"e-1"`},
		{[]string{registered, registered, "dev.**", "--contains", "e-2"}, 0, 1, `"id":"e-2"`},
		{[]string{"dev.**", "--contains", "needle"}, 0, 1, `"value_encoding":"base64"`},
		{[]string{"dev.**", "--contains", "hay"}, 0, 1, `"value":"hay"`},
		{[]string{"dev.**", "--key", "u-1", "--type", "user-registered"}, 0, 1, `"id":"e-1"`},
		{[]string{"dev.**", "--where", `.value.meta.id == "e-2"`}, 0, 1, `"id":"e-2"`},
		{[]string{"dev.**", "--type", "user-registered", "-n", "2"}, 0, 2, ""},
		{[]string{"dev.**", "--type", "user-registered", "--tail", "0"}, 1, 0, ""},
		{[]string{"dev.**", "--contains", "nowhere"}, 1, 0, ""},
		{[]string{"prod.**", "--contains", "e-1"}, 1, 0, ""},
		{[]string{"dev.none.such.v1", "dev.**", "--correlation-id", "r-1"}, 1, 2, `"id":"e-3"`},
		{[]string{"dev.**"}, 2, 0, ""},
		{[]string{"dev.**", "--key", "k", "--until", ""}, 2, 0, ""},
		{[]string{"dev.**", "--key", "k", "--isolation", "serial"}, 2, 0, ""},
	} {
		got := s.run(append([]string{"search"}, c.args...)...)
		got.want(t, c.code, c.out, "")
		if n := strings.Count(got.out, "\n"); n != c.lines {
			t.Errorf("%v: %d lines, want %d:\n%s%s%v", c.args, n, c.lines, got.out, got.errOut, got.err)
		}
	}
	s.run("search", "dev.**", "--contains", "nowhere").want(t, 1, "", "records found: 0, of 4 read in 2 of 2 topics")
	table := s.runWith(s.ctx, "", func(ios *iostreams.IOStreams) { ios.SetTTY(true, true, true); ios.SetWidth(160) },
		"search", "dev.**", "--key", "u-1", "-o", "table")
	table.want(t, 0, "TOPIC", "")
	if strings.Contains(table.out, "\x00") {
		t.Errorf("not clean: %q", table.out)
	}
	narrow := s.runWith(s.ctx, "", func(ios *iostreams.IOStreams) { ios.SetTTY(true, true, true); ios.SetWidth(80) },
		"search", "dev.**", "--contains", "e-3", "-o", "table")
	narrow.want(t, 0, "-registered.v1.dlq  ", "")
	narrow.want(t, 0, "\n    {\"meta\":", "")
}

func TestConsumePlaces(t *testing.T) {
	s := newConsole(t)
	s.put(&kgo.Record{Value: []byte("1")}, &kgo.Record{Value: []byte("2")}, &kgo.Record{Partition: 1, Value: []byte("3")})
	consume := []string{"consume", registered, "--until", "now", "-o", "raw"}
	for want, args := range map[string][]string{
		"3\n":    {"--partition", "1"},
		"2\n":    {"--partition", "0", "--tail", "1"},
		"1\n2\n": {"--partition", "0", "--isolation", "read_uncommitted"},
	} {
		if got := s.run(append(consume, args...)...); got.out != want || got.code != 0 {
			t.Errorf("%v: got %q, %v; want %q", args, got.out, got.err, want)
		}
	}
	s.run(append(consume, "--partition", "7")...).want(t, 1, "", "has no partition 7")
	s.run(append(consume, "--tail", "-5")...).want(t, 2, "", "negative")
}
