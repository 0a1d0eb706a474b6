package events_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/events"
)

func TestAppendRecord(t *testing.T) {
	at := time.Date(2026, 1, 31, 15, 4, 5, 7e6, time.FixedZone("", 3600))
	for name, c := range map[string]struct {
		record kgo.Record
		want   string
	}{
		"an event": {kgo.Record{Key: []byte("u-1"), Value: []byte(`{"a": 1e2}`)}, `"key":"u-1","value":{"a": 1e2}}`},
		"headers": {kgo.Record{Value: []byte(`1`), Headers: []events.Header{{Key: "a\x1b", Value: []byte("x")}, {Key: "a\x1b"}, {Key: "b", Value: []byte{0xff}}}},
			`"key":null,"headers":[{"key":"a\u001b","value":"x"},{"key":"a\u001b","value":null},{"key":"b","value":"/w==","value_encoding":"base64"}],"value":1}`},
		"tombstone":      {kgo.Record{Key: []byte("k")}, `"key":"k","value":null,"tombstone":true}`},
		"null":           {kgo.Record{Value: []byte(`null`)}, `"key":null,"value":null}`},
		"empty":          {kgo.Record{Key: []byte{}, Value: []byte{}}, `"key":"","value":"","value_encoding":"base64"}`},
		"text":           {kgo.Record{Value: []byte(`hello`)}, `"key":null,"value":"aGVsbG8=","value_encoding":"base64"}`},
		"framed":         {kgo.Record{Value: []byte("\x00\x00\x00\x00\x07{}")}, `"key":null,"value":"AAAAAAd7fQ==","value_encoding":"base64"}`},
		"cut short":      {kgo.Record{Value: []byte(`{"a":`)}, `"key":null,"value":"eyJhIjo=","value_encoding":"base64"}`},
		"several lines":  {kgo.Record{Value: []byte("{\n  \"a\": \"x  y\"\r\n}")}, `"key":null,"value":{"a":"x  y"}}`},
		"binary key":     {kgo.Record{Key: []byte{0xff}, Value: []byte(`1`)}, `"key":"/w==","key_encoding":"base64","value":1}`},
		"quotes in keys": {kgo.Record{Key: []byte(`a"\b`), Value: []byte(`1`)}, `"key":"a\"\\b","value":1}`},
	} {
		r := c.record
		r.Topic, r.Partition, r.Offset, r.Timestamp = "t", 3, 4, at
		want := `{"topic":"t","partition":3,"offset":4,"timestamp":"2026-01-31T14:04:05.007Z",` + c.want + "\n"
		if got := string(events.AppendRecord(nil, &r)); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

// line is what AppendRecord writes, read back.
type line struct {
	Topic         string          `json:"topic"`
	Partition     int32           `json:"partition"`
	Offset        int64           `json:"offset"`
	Timestamp     time.Time       `json:"timestamp"`
	Key           *string         `json:"key"`
	KeyEncoding   string          `json:"key_encoding"`
	Value         json.RawMessage `json:"value"`
	ValueEncoding string          `json:"value_encoding"`
	Tombstone     bool            `json:"tombstone"`
}

func (l line) bytes(rt *rapid.T) []byte {
	if l.Tombstone {
		return nil
	}
	if l.ValueEncoding == "" {
		return l.Value
	}
	var text string
	if err := json.Unmarshal(l.Value, &text); err != nil {
		rt.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		rt.Fatal(err)
	}
	return raw
}

// TestAppendRecordProperty: whatever a record holds, its line is one line of
// valid JSON, and nothing of it is lost but the space between JSON tokens.
func TestAppendRecordProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		value := rapid.OneOf(
			rapid.SliceOf(rapid.Byte()),
			rapid.Map(rapid.SampledFrom([]string{`{"a":1}`, "{\n}", `"\u2028"`, "\"\u2028\"", `null`, `[1,2]`, "1\n", `{"a":`}), func(s string) []byte { return []byte(s) }),
			rapid.Just([]byte(nil)),
		).Draw(rt, "value")
		r := &kgo.Record{
			Topic: "t", Key: rapid.SliceOf(rapid.Byte()).Draw(rt, "key"), Value: value,
			Offset:    rapid.Int64Min(0).Draw(rt, "offset"),
			Timestamp: time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(rt, "time")),
		}
		text := events.AppendRecord(nil, r)
		if bytes.Count(text, []byte("\n")) != 1 || text[len(text)-1] != '\n' || !utf8.Valid(text) {
			rt.Fatalf("not one line of text: %q", text)
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			rt.Fatalf("%q: %v", text, err)
		}
		if l.Offset != r.Offset || !l.Timestamp.Equal(r.Timestamp) {
			rt.Fatalf("got %+v", l)
		}
		if got := l.bytes(rt); !bytes.Equal(got, value) && !bytes.Equal(compact(got), compact(value)) || (got == nil) != (value == nil) {
			rt.Fatalf("value %q came back as %q", value, got)
		}
	})
}

func compact(text []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return text
	}
	return b.Bytes()
}

func BenchmarkAppendRecord(b *testing.B) {
	r := &kgo.Record{Topic: registered, Key: []byte("u-1"), Value: event("e-1"), Timestamp: time.Now()}
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		buffer = events.AppendRecord(buffer[:0], r)
	}
}

func TestTimesAreThoseOfTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(-1e14, 3e14).Draw(t, "ms"))
		line := events.AppendRecord(nil, &kgo.Record{Timestamp: at})
		var record struct{ Timestamp string }
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatal(err)
		}
		if want := at.UTC().Format("2006-01-02T15:04:05.000Z"); record.Timestamp != want {
			t.Fatalf("got %s, want %s", record.Timestamp, want)
		}
	})
}
