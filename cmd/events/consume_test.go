package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/internal/iostreams"
)

// TestConsumeShowsBytesAsTheyAre: whatever a value is, raw gives its bytes, and
// ndjson is one line of JSON from which they come back.
func TestConsumeShowsBytesAsTheyAre(t *testing.T) {
	s := newConsole(t)
	values := map[string]struct {
		value []byte
		table string
	}{
		"text":           {[]byte("hello"), "hello"},
		"JSON":           {[]byte(`{"a":1e2}`), `{"a":1e2}`},
		"no JSON":        {[]byte(`{"a":`), `{"a":`},
		"NaN":            {[]byte(`{"a":NaN}`), `{"a":NaN}`},
		"BOM":            {[]byte("\ufeff{}"), "{}"},
		"duplicate keys": {[]byte(`{"a":1,"a":2}`), `{"a":1,"a":2}`},
		"not UTF-8":      {[]byte("\xff\xfe"), "(binary, 2 bytes)"},
		"framed":         {[]byte("\x00\x00\x00\x00\x07{}"), "(schema 7, 2 bytes)"},
		"no id":          {[]byte("\x00\xff\xfe\xfd\xfc{}"), "(binary, 7 bytes)"},
		"empty":          {[]byte{}, "(empty)"},
		"tombstone":      {nil, "(tombstone)"},
		"deep":           {bytes.Repeat([]byte("["), 20_000), "[["},
	}
	for name, v := range values {
		s.put(&kgo.Record{Key: []byte(name), Value: v.value})
		table := s.run("consume", registered, "--until", "now", "--key", name, "-o", "table")
		table.want(t, 0, v.table, "")
		raw := s.run("consume", registered, "--until", "now", "--key", name, "-o", "raw", "--delimiter", "")
		if raw.out != string(v.value) {
			t.Errorf("%s: raw gives %.80q", name, raw.out)
		}
		lines := s.run("consume", registered, "--until", "now", "--key", name)
		if got, ok := valueOf(t, lines.out); !bytes.Equal(got, v.value) || ok != (v.value != nil) {
			t.Errorf("%s: ndjson gives %.80q", name, lines.out)
		}
	}
}

// valueOf takes the value out of a line of ndjson; it reports false for none.
func valueOf(t *testing.T, line string) ([]byte, bool) {
	t.Helper()
	var record struct {
		Value     json.RawMessage `json:"value"`
		Encoding  string          `json:"value_encoding"`
		Tombstone bool            `json:"tombstone"`
	}
	if err := json.Unmarshal([]byte(line), &record); err != nil {
		t.Errorf("%.80q: %v", line, err)
	}
	if record.Encoding == "" {
		return bytes.TrimSuffix(record.Value, []byte("null")), !record.Tombstone
	}
	var value []byte
	if err := json.Unmarshal(record.Value, &value); err != nil {
		t.Errorf("%.80q: %v", line, err)
	}
	return value, true
}

// TestFilterLosesNothing: what is found by its bytes before it is parsed is what
// an expression finds that hides its literals.
func TestFilterLosesNothing(t *testing.T) {
	s := newConsole(t)
	texts := []string{"u-1", "u-2", "abcd", "Zoë", `a"b`, "a/b", "", "q1=="}
	spell := map[string][]string{
		"u-1":  {`"u-1"`, `"\u0075-1"`},
		"Zoë":  {`"Zoë"`, `"Zo\u00eb"`},
		"a/b":  {`"a/b"`, `"a\/b"`},
		`a"b`:  {`"a\"b"`, `"a\u0022b"`},
		"":     {`""`},
		"abcd": {`"abcd"`}, "u-2": {`"u-2"`}, "q1==": {`"q1=="`},
	}
	for _, id := range texts {
		for _, spelling := range spell[id] {
			s.put(&kgo.Record{Key: []byte(id), Value: fmt.Appendf(nil, `{"a":{"b":%s},"list":[%s,1]}`, spelling, spelling)},
				&kgo.Record{Key: []byte{0xab}, Value: fmt.Appendf(nil, `%s`, spelling)},
				&kgo.Record{Key: []byte{0x69, 0xb7, 0x1d}, Value: []byte(id)})
		}
	}
	paths := []string{".key", ".value", ".value.a.b", ".value.list[]", ".value.list[0]", ".value.a?.b", `.value["a"].b`, ".topic"}
	rapid.Check(t, func(rt *rapid.T) {
		comparison := func(name string) string {
			path, text := rapid.SampledFrom(paths).Draw(rt, name), rapid.SampledFrom(texts).Draw(rt, name+" text")
			literal, _ := json.Marshal(text)
			if rapid.Bool().Draw(rt, name+" turned") {
				return fmt.Sprintf("%s == %s", literal, path)
			}
			return fmt.Sprintf("(%s == %s)", path, literal)
		}
		expression := comparison("first")
		for i := range rapid.IntRange(0, 2).Draw(rt, "more") {
			expression += rapid.SampledFrom([]string{" and ", " or "}).Draw(rt, "operator") + comparison(fmt.Sprint(i))
		}
		fast := s.run("consume", registered, "--until", "now", "--where", expression)
		slow := s.run("consume", registered, "--until", "now", "--where", ". as $hidden | "+expression)
		if fast.out != slow.out || fast.err != nil {
			rt.Fatalf("%s: got %s, want %s (%v)", expression, fast.out, slow.out, fast.err)
		}
	})
}

func TestConsumeGroupCommitsWhatWasPrinted(t *testing.T) {
	s := newConsole(t)
	var records []*kgo.Record
	for i := range 10 {
		records = append(records, &kgo.Record{Value: fmt.Append(nil, i)})
	}
	s.put(records...)
	gone := writerFunc(func([]byte) (int, error) {
		return 0, &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}
	})
	group := []string{"consume", registered, "--group", "watchers", "-o", "raw"}
	// Nobody reads what is printed, so that nothing of it is committed.
	s.runWith(s.ctx, "", func(ios *iostreams.IOStreams) { ios.Out = gone }, append(group, "-n", "10")...).want(t, 0, "", "")
	s.run(append(group, "-n", "4")...).want(t, 0, "0\n1\n2\n3\n", "")
	s.run(append(group, "-n", "6")...).want(t, 0, "4\n5\n6\n7\n8\n9\n", "")
	s.run("consume", registered+"x", "--group", "watchers").want(t, 1, "", "did you mean "+registered)
}

// TestSearchGoesOnPastARefusal: one topic of many that may not be read is told
// of at the end.
func TestSearchGoesOnPastARefusal(t *testing.T) {
	s := newConsole(t)
	const topics = 12
	names := make([]string, topics)
	for i := range names {
		names[i] = fmt.Sprintf("dev.auth-service.seen-%c.v1", 'a'+i)
	}
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, names...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	s.brokers = strings.Join(fake.ListenAddrs(), ",")
	raw, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(raw.Close)
	for _, name := range names {
		if err := raw.ProduceSync(s.ctx, &kgo.Record{Topic: name, Value: []byte("needle of " + name)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	search := []string{"search", "dev.**", "--contains", "needle", "--format", `%s\n`}
	s.run(search...).want(t, 0, "needle of "+names[topics-1], "records found: 12, of 12 read in 12 of 12 topics")
	if got := s.run(append(search, "-n", "5")...); got.code != 0 || strings.Count(got.out, "\n") != 5 {
		t.Errorf("with -n 5: code %d, %q", got.code, got.out)
	}
	fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: names[3], Err: kerr.TopicAuthorizationFailed, Count: -1})
	got := s.run(search...)
	got.want(t, 1, "needle of "+names[topics-1], "search "+names[3])
	got.want(t, 1, "", "records found: 11, of 11 read in 11 of 12 topics")
	if !errors.Is(got.err, kerr.TopicAuthorizationFailed) || strings.Contains(got.out, names[3]) {
		t.Errorf("%v, %s", got.err, got.out)
	}
}
