package spec_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/spec"
)

const event = `{
  "meta": {
    "id": "unique-event-id",
    "type": "user-registered",
    "version": "1.0",
    "source": "auth-service",
    "time": "2023-11-10T12:34:56Z",
    "correlation_id": "request-correlation-id"
  },
  "data": {"n": 1.00, "s": "\u0041"}
}`

func TestParseEvent(t *testing.T) {
	got, err := spec.Default().ParseEvent([]byte(event))
	if err != nil {
		t.Fatal(err)
	}
	want := spec.Meta{
		ID: "unique-event-id", Type: "user-registered", Version: "1.0", Source: "auth-service",
		Time: time.Date(2023, 11, 10, 12, 34, 56, 0, time.UTC), CorrelationID: "request-correlation-id",
	}
	if got.Meta != want {
		t.Errorf("got  %+v\nwant %+v", got.Meta, want)
	}
	if string(got.Data) != `{"n": 1.00, "s": "\u0041"}` {
		t.Errorf("data was changed: %s", got.Data)
	}
	if !got.DeadLetter.IsZero() {
		t.Errorf("dead letter: %+v", got.DeadLetter)
	}
}

func TestParseEventReadsDeadLetters(t *testing.T) {
	c := spec.Default()
	value, _ := c.AddDeadLetter([]byte(event), letter)
	got, err := c.ParseEvent(value)
	if err != nil || got.DeadLetter != letter {
		t.Errorf("got %+v, %v", got.DeadLetter, err)
	}
}

func TestParseEventFindsWhatIsWrong(t *testing.T) {
	line := func(field string) string { return `(?m)^ *"` + field + `": .*\n` }
	set := func(field, value string) [2]string {
		return [2]string{`"` + field + `": "[^"]*"`, `"` + field + `": ` + value}
	}
	tests := []struct {
		name    string
		replace [2]string // regular expression and text
		field   string
		got     string
		hint    string
	}{
		{"no id", [2]string{line("id"), ""}, "meta.id", "", ""},
		{"no type", [2]string{line("type"), ""}, "meta.type", "", ""},
		{"no version", [2]string{line("version"), ""}, "meta.version", "", ""},
		{"no source", [2]string{line("source"), ""}, "meta.source", "", ""},
		{"no time", [2]string{line("time"), ""}, "meta.time", "", ""},
		{"no correlation_id", [2]string{`,\s*"correlation_id": "[^"]*"`, ""}, "meta.correlation_id", "", ""},
		{"no data", [2]string{`,\s*"data": .*`, ""}, "data", "", ""},
		{"no meta", [2]string{`"meta"`, `"metadata"`}, "meta", "", ""},
		{"meta is a list", [2]string{`(?s)"meta": \{.*?\}`, `"meta": []`}, "meta", "[]", ""},
		{"empty id", set("id", `""`), "meta.id", `""`, ""},
		{"id is a number", set("id", "17"), "meta.id", "17", ""},
		{"type is null", set("type", "null"), "meta.type", "null", ""},
		{"version is a word", set("version", `"latest"`), "meta.version", `"latest"`, ""},
		{"naive time", set("time", `"2023-11-10T12:34:56.789012"`), "meta.time", `"2023-11-10T12:34:56.789012"`, "datetime.utcnow().isoformat()"},
		{"offset and Z", set("time", `"2023-11-10T12:34:56+00:00Z"`), "meta.time", `"2023-11-10T12:34:56+00:00Z"`, `datetime.now(timezone.utc).isoformat() + "Z"`},
		{"str of a time", set("time", `"2023-11-10 12:34:56.789+00:00"`), "meta.time", `"2023-11-10 12:34:56.789+00:00"`, "str(datetime.now(timezone.utc))"},
		{"str of a naive time", set("time", `"2023-11-10 12:34:56"`), "meta.time", `"2023-11-10 12:34:56"`, "str(datetime.utcnow())"},
		{"offset without colon", set("time", `"2023-11-10T12:34:56+0000"`), "meta.time", `"2023-11-10T12:34:56+0000"`, "strftime"},
		{"ctime", set("time", `"Fri Nov 10 12:34:56 2023"`), "meta.time", `"Fri Nov 10 12:34:56 2023"`, "time.ctime()"},
		{"seconds", set("time", "1699619696.78"), "meta.time", "1699619696.78", "time.time()"},
		{"seconds as text", set("time", `"1699619696.78"`), "meta.time", `"1699619696.78"`, "str(time.time())"},
		{"no time at all", set("time", `"soon"`), "meta.time", `"soon"`, ""},
		{"id twice", [2]string{`"type"`, `"id": "another", "type"`}, "meta.id", `"another"`, ""},
		{"id again and again", [2]string{`"type"`, `"id": "b", "id": "c", "type"`}, "meta.id", `"b"`, ""},
		{"version twice, once in escapes", [2]string{`"type"`, `"version": "v1", "type"`}, "meta.version", `"1.0"`, ""},
		{"source twice, once in escapes", [2]string{`"source"`, `"source": "evil", "source"`}, "meta.source", `"auth-service"`, ""},
		{"meta twice", [2]string{`(?s)("meta": \{.*?\})`, "$1, $1"}, "meta", "{…", ""},
		{"an empty meta before", [2]string{`"meta": `, `"meta": {}, "meta": `}, "meta", "{…", ""},
		{"data twice", [2]string{`"data"`, `"data": 1, "data"`}, "data", `{"n": 1.00, "s": "\u0041"}`, ""},
		{"a letter's error twice", [2]string{`"type"`, `"error": "a", "error": "b", "type"`}, "meta.error", `"b"`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			value := regexp.MustCompile(tt.replace[0]).ReplaceAllString(event, tt.replace[1])
			_, err := spec.Default().ParseEvent([]byte(value))
			var envErr *spec.EnvelopeError
			if !errors.As(err, &envErr) || len(envErr.Problems) != 1 {
				t.Fatalf("got %v, want one problem", err)
			}
			p := envErr.Problems[0]
			if p.Field != tt.field || p.Got != tt.got || !strings.Contains(p.Hint, tt.hint) || (tt.hint == "") != (p.Hint == "") {
				t.Errorf("got %+v", p)
			}
			if got := strings.TrimSuffix(p.Got, "…"); !strings.HasPrefix(value[p.Offset:], got) {
				t.Errorf("offset %d is at %.20q", p.Offset, value[p.Offset:])
			}
		})
	}
}

func TestParseEventReadsBadTimesAsWellAsItCan(t *testing.T) {
	value := strings.Replace(event, "2023-11-10T12:34:56Z", "2023-11-10T12:34:56+00:00Z", 1)
	got, err := spec.Default().ParseEvent([]byte(value))
	if err == nil || !got.Meta.Time.Equal(time.Date(2023, 11, 10, 12, 34, 56, 0, time.UTC)) {
		t.Errorf("got %v, %v", got.Meta.Time, err)
	}
}

func TestParseEventOfNoJSON(t *testing.T) {
	for _, value := range [][]byte{nil, {}, []byte("\x00\x00\x00\x00\x01xyz"), []byte(`{"meta":`), []byte(`[]`), []byte(`"x"`), []byte(event + "x"), []byte(`{"meta":{}} {}`)} {
		if _, err := spec.Default().ParseEvent(value); !errors.Is(err, spec.ErrNotJSON) {
			t.Errorf("ParseEvent(%q): %v", value, err)
		}
	}
}

func TestNoCorrelationIsAbsent(t *testing.T) {
	value := strings.Replace(event, "request-correlation-id", "none", 1)
	got, err := spec.Default().ParseEvent([]byte(value))
	if err != nil || got.Meta.CorrelationID != "" {
		t.Errorf("got %q, %v", got.Meta.CorrelationID, err)
	}
}

func TestCheckTopic(t *testing.T) {
	c := spec.Default()
	e, err := c.ParseEvent([]byte(event))
	if err != nil {
		t.Fatal(err)
	}
	good := spec.Topic{Env: "dev", Service: "auth-service", Event: "user-registered", Version: "v1"}
	if err := c.CheckTopic(e, good); err != nil {
		t.Error(err)
	}
	tests := []struct {
		topic spec.Topic
		field string
	}{
		{spec.Topic{Env: "dev", Service: "user-service", Event: "user-registered", Version: "v1"}, "meta.source"},
		{spec.Topic{Env: "dev", Service: "auth-service", Event: "user-left", Version: "v1"}, "meta.type"},
		{spec.Topic{Env: "dev", Service: "auth-service", Event: "user-registered", Version: "v2"}, "meta.version"},
	}
	for _, tt := range tests {
		var envErr *spec.EnvelopeError
		if err := c.CheckTopic(e, tt.topic); !errors.As(err, &envErr) || len(envErr.Problems) != 1 || envErr.Problems[0].Field != tt.field {
			t.Errorf("CheckTopic(%s): %v, want a problem of %s", tt.topic, err, tt.field)
		}
	}
}

func TestMajorVersion(t *testing.T) {
	for in, want := range map[string]string{"v1": "1", "1.0": "1", "v2.3.4": "2", "10": "10", "v01": "1", "0.1": "0", "": "", "v": "", "1.": "", "V1": "", "1.x": "", "vv1": ""} {
		if got, ok := spec.MajorVersion(in); got != want || ok != (want != "") {
			t.Errorf("MajorVersion(%q) = %q, %v", in, got, ok)
		}
	}
}

func TestBuildEvent(t *testing.T) {
	c := spec.Default()
	at := time.Date(2023, 11, 10, 20, 34, 56, 0, time.FixedZone("CST", 8*3600))
	got, err := c.BuildEvent(spec.Meta{ID: "1", Type: "user-registered", Source: "auth-service", Time: at}, json.RawMessage(`{"n":1.0}`))
	want := `{"meta":{"id":"1","type":"user-registered","version":"v1","source":"auth-service","time":"2023-11-10T12:34:56Z","correlation_id":"none"},"data":{"n":1.0}}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	for name, build := range map[string]func() ([]byte, error){
		"no type":   func() ([]byte, error) { return c.BuildEvent(spec.Meta{Source: "x"}, json.RawMessage("{}")) },
		"no source": func() ([]byte, error) { return c.BuildEvent(spec.Meta{Type: "x"}, json.RawMessage("{}")) },
		"no data":   func() ([]byte, error) { return c.BuildEvent(spec.Meta{Type: "x", Source: "y"}, nil) },
		"bad data":  func() ([]byte, error) { return c.BuildEvent(spec.Meta{Type: "x", Source: "y"}, json.RawMessage("{")) },
		"injection": func() ([]byte, error) {
			return c.BuildEvent(spec.Meta{Type: "x", Source: "y"}, json.RawMessage(`1,"meta":{}`))
		},
	} {
		var envErr *spec.EnvelopeError
		if out, err := build(); !errors.As(err, &envErr) || out != nil {
			t.Errorf("%s: got %s, %v", name, out, err)
		}
	}
}

func TestNewID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	a, b := spec.NewID(), spec.NewID()
	if !form.MatchString(a) || a == b {
		t.Errorf("ids %s and %s", a, b)
	}
}

func TestBuildThenParseEvent(t *testing.T) {
	c := spec.Default()
	text := rapid.StringN(1, 20, -1)
	rapid.Check(t, func(t *rapid.T) {
		meta := spec.Meta{
			ID: text.Draw(t, "id"), Type: text.Draw(t, "type"), Source: text.Draw(t, "source"),
			Version:       rapid.StringMatching(`v[1-9]|[1-9]\.[0-9]`).Draw(t, "version"),
			Time:          time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
			CorrelationID: rapid.StringMatching(`([a-z0-9-]{5,40})?`).Draw(t, "correlation"),
		}
		data := jsonText().Draw(t, "data")
		value, err := c.BuildEvent(meta, json.RawMessage(data))
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.ParseEvent(value)
		if err != nil || got.Meta != meta || string(got.Data) != strings.TrimSpace(data) {
			t.Fatalf("got %+v, %s, %v", got.Meta, got.Data, err)
		}
	})
}

// FuzzParseEvent holds the reader against encoding/json.
func FuzzParseEvent(f *testing.F) {
	for _, seed := range []string{event, `{}`, `{"meta":{},"data":1e5}`, `{"\u006deta":{"id":"\ud800"}}`, `{"a":[1,-0.5,true,null,"\\"]}`, `[[[`, "{\"\xff\":0}"} {
		f.Add([]byte(seed))
	}
	c := spec.Default()
	fitter := seasonedFitter(&c)
	f.Fuzz(func(t *testing.T, value []byte) {
		got, err := c.ParseEvent(value)
		var object map[string]json.RawMessage
		isObject := json.Unmarshal(value, &object) == nil && object != nil
		if isObject == errors.Is(err, spec.ErrNotJSON) {
			t.Fatalf("ParseEvent(%q): %v, encoding/json: object %v", value, err, isObject)
		}
		if isObject && string(got.Data) != string(object["data"]) {
			t.Fatalf("data: got %q, want %q", got.Data, object["data"])
		}
		if err == nil && (got.Meta.ID == "" || got.Meta.Time.IsZero() && !strings.Contains(string(value), "0001")) {
			t.Fatalf("ParseEvent(%q) = %+v without a problem", value, got.Meta)
		}
		topic := spec.Topic{Service: got.Meta.Source, Event: got.Meta.Type, Version: "v1"}
		if c.FitsTopic(value, topic) && (err != nil || c.CheckTopic(got, topic) != nil) {
			t.Fatalf("FitsTopic(%q), but %v, %v", value, err, c.CheckTopic(got, topic))
		}
		if fits := fitter.Fits(value); fits != c.FitsTopic(value, eventTopic) {
			t.Fatalf("a Fitter says %v of %q", fits, value)
		}
	})
}

var eventTopic = spec.Topic{Env: "dev", Service: "auth-service", Event: "user-registered", Version: "v1"}

// seasonedFitter has seen how event is written.
func seasonedFitter(c *spec.Conventions) *spec.Fitter {
	fitter := c.Fitter(eventTopic)
	fitter.Fits([]byte(event))
	return fitter
}

// TestFitsTopic shows the kinds of event that are judged at once; what fits, the
// slower reader takes too, which FuzzParseEvent holds for any text.
func TestFitsTopic(t *testing.T) {
	c := spec.Default()
	for _, tt := range []struct {
		name, old, new string
		want           bool
	}{
		{"an event", "", "", true},
		{"v1", `"1.0"`, `"v1"`, true},
		{"the last of a month", "2023-11-10", "2023-12-31", true},
		{"no such day", "2023-11-10", "2023-11-31", false},
		{"a leap day, which is for ParseEvent", "2023-11-10", "2024-02-29", false},
		{"a naive time", "34:56Z", "34:56", false},
		{"a time of Python's", "34:56Z", "34:56+00:00Z", false},
		{"another type", `"user-registered"`, `"user-deleted"`, false},
		{"another source", `"auth-service"`, `"user-service"`, false},
		{"another major", `"1.0"`, `"2.0"`, false},
		{"an empty id", `"unique-event-id"`, `""`, false},
		{"an id that is a number", `"unique-event-id"`, `17`, false},
		{"no data", `"data"`, `"date"`, false},
		{"cut short", "}\n}", "}", false},
		{"another id", `"unique-event-id"`, `"é"`, true},
		{"an id with an escape, which is for ParseEvent", `"unique-event-id"`, `"\u0061"`, false},
		{"an id over two lines", `"unique-event-id"`, "\"a\nb\"", false},
		{"an id that ends early", `"unique-event-id"`, `"a"b"`, false},
		{"something behind it", "}\n}", "}\n} x", false},
		{"data that is not JSON", `"data": {`, `"data": {,`, false},
		{"another member behind data", "}\n}", "}\n, \"meta\": 1}", false},
		{"data twice", "}\n}", "}\n, \"data\": 1}", false},
		{"data twice, first in escapes", `"data"`, `"d\u0061ta": 1, "data"`, false},
		{"a field twice", `"type"`, `"id": "b", "type"`, false},
		{"a field that is nobody's twice", `"type"`, `"x": 1, "x": 2, "type"`, true},
		{"a name twice in data", `{"n"`, `{"n": 1, "n"`, true},
	} {
		text := strings.Replace(event, tt.old, tt.new, 1)
		if got := c.FitsTopic([]byte(text), eventTopic); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		if got := seasonedFitter(&c).Fits([]byte(text)); got != tt.want {
			t.Errorf("%s: a Fitter says %v", tt.name, got)
		}
	}
}
