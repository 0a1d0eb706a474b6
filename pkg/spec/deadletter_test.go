package spec_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/spec"
)

var letter = spec.DeadLetter{
	Error:         "handler said \"no\"\n",
	OriginalTopic: "dev.auth-service.user-registered.v1",
	Time:          time.Date(2023, 11, 10, 12, 34, 56, 0, time.UTC),
}

const chunk = `"error":"handler said \"no\"\n","original_topic":"dev.auth-service.user-registered.v1","dlq_time":"2023-11-10T12:34:56Z"`

func TestAddDeadLetter(t *testing.T) {
	tests := []struct{ name, in, out, place string }{
		{"compact", `{"meta":{"id":"1"},"data":1.0}`, `{"meta":{"id":"1",` + chunk + `},"data":1.0}`, "17+121"},
		{"spaced", "{ \"meta\" : {\"id\" : 1 \n} }\n", "{ \"meta\" : {\"id\" : 1," + chunk + " \n} }\n", "20+121"},
		{"empty meta", `{"meta":{ }}`, `{"meta":{` + chunk + ` }}`, "9+120"},
		{"escaped name", `{"\u006deta":{}}`, `{"\u006deta":{` + chunk + `}}`, "14+120"},
		{"last of two", `{"meta":{},"meta":{"a":[]}}`, `{"meta":{},"meta":{"a":[],` + chunk + `}}`, "25+121"},
		{"has a field", `{"meta":{"error":null}}`, `{"meta":{"error":null}}`, "none"},
		{"meta is text", `{"meta":"x"}`, `{"meta":"x"}`, "none"},
		{"no meta", `{"data":{"meta":{}}}`, `{"data":{"meta":{}}}`, "none"},
		{"cut short", `{"meta":{},"data":`, `{"meta":{},"data":`, "none"},
		{"array", `[{"meta":{}}]`, `[{"meta":{}}]`, "none"},
		{"empty", ``, ``, "none"},
		{"binary", "\x00\x00\x00\x00\x01{}", "\x00\x00\x00\x00\x01{}", "none"},
	}
	c := spec.Default()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, place := c.AddDeadLetter([]byte(tt.in), letter)
			if string(out) != tt.out || place != tt.place {
				t.Errorf("got %s at %s\nwant %s at %s", out, place, tt.out, tt.place)
			}
			if back := c.StripDeadLetter(out, place); string(back) != tt.in {
				t.Errorf("stripped: got %s\nwant %s", back, tt.in)
			}
		})
	}
}

func TestStripByName(t *testing.T) {
	tests := []struct{ name, in, place, out string }{
		{"as Python writes it",
			`{"meta": {"id": "1", "error": "x", "original_topic": "t", "dlq_time": "…Z"}, "data": {"error": 1}}`, "",
			`{"meta": {"id": "1"}, "data": {"error": 1}}`},
		{"first", `{"meta":{ "error":1 , "id":2 }}`, "", `{"meta":{ "id":2 }}`},
		{"between", `{"meta":{"a":1,"error":2,"b":3}}`, "", `{"meta":{"a":1,"b":3}}`},
		{"both ends", `{"meta":{"error":1,"a":1,"b":2,"dlq_time":3}}`, "", `{"meta":{"a":1,"b":2}}`},
		{"all", `{"meta":{ "error":1 }}`, "", `{"meta":{}}`},
		{"twice", `{"meta":{"a":0,"error":1,"error":2}}`, "", `{"meta":{"a":0}}`},
		{"none", `{"meta":{"a":0}}`, "", `{"meta":{"a":0}}`},
		{"not JSON", `{"meta":{"error":1}`, "", `{"meta":{"error":1}`},
		{"kept by its place", `{"meta":{"error":1}}`, spec.PlaceNone, `{"meta":{"error":1}}`},
		{"place of something else", `{"meta":{"id":1,"error":2},"data":"x"}`, "34+3", `{"meta":{"id":1},"data":"x"}`},
		{"place outside", `{"meta":{"id":1,"error":2}}`, "100+9", `{"meta":{"id":1}}`},
		{"place that overflows", `{"meta":{"id":1,"error":2}}`, "9223372036854775807+9223372036854775807", `{"meta":{"id":1}}`},
		{"no place at all", `{"meta":{"id":1,"error":2}}`, "-1+x", `{"meta":{"id":1}}`},
		{"chunk in data is not the letter", `{"meta":{"id":1},"data":{"a":1,` + chunk + `}}`, "31+121", `{"meta":{"id":1},"data":{"a":1,` + chunk + `}}`},
	}
	c := spec.Default()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.in
			in := []byte(tt.in)
			if got := c.StripDeadLetter(in, tt.place); string(got) != tt.out {
				t.Errorf("got  %s\nwant %s", got, tt.out)
			}
			if string(in) != before {
				t.Errorf("the value was changed: %s", in)
			}
		})
	}
}

func TestOtherDeadLetterNames(t *testing.T) {
	c := spec.Default()
	c.Envelope.Meta, c.DeadLetter.Error = "header", `"why"`
	const value = `{"header":{"error":1}}`
	out, place := c.AddDeadLetter([]byte(value), letter)
	if !strings.Contains(string(out), `"error":1,"\"why\"":"handler`) {
		t.Errorf("got %s", out)
	}
	if got := c.StripDeadLetter(out, place); string(got) != value {
		t.Errorf("stripped: %s", got)
	}
}

// jsonText draws JSON with all sorts of white space, escapes, numbers and
// doubled names, which no encoder would write.
func jsonText() *rapid.Generator[string] {
	space := rapid.SampledFrom([]string{"", " ", "\n\t", "\r\n  "})
	scalar := rapid.SampledFrom([]string{"0", "-1.50", "1e+9", "true", "null", `""`, `"\u00e9\"\\"`, `"é"`, `"}"`, `"{,:"`})
	name := rapid.SampledFrom([]string{`"meta"`, `"m\u0065ta"`, `"data"`, `"id"`, `"error"`, `"\u0065rror"`, `"original_topic"`, `"dlq_time"`, `""`})
	var value func(depth int) *rapid.Generator[string]
	value = func(depth int) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			pad := func() string { return space.Draw(t, "space") }
			kind := rapid.IntRange(0, 2).Draw(t, "kind")
			if depth == 0 || kind == 0 {
				return pad() + scalar.Draw(t, "scalar") + pad()
			}
			items := make([]string, rapid.IntRange(0, 4).Draw(t, "n"))
			for i := range items {
				items[i] = value(depth-1).Draw(t, "value")
				if kind == 1 {
					items[i] = pad() + name.Draw(t, "name") + pad() + ":" + items[i]
				}
			}
			inner := strings.Join(items, ",")
			if len(items) == 0 {
				inner = pad()
			}
			if kind == 1 {
				return pad() + "{" + inner + "}" + pad()
			}
			return pad() + "[" + inner + "]" + pad()
		})
	}
	return value(4)
}

func letters() *rapid.Generator[spec.DeadLetter] {
	return rapid.Custom(func(t *rapid.T) spec.DeadLetter {
		return spec.DeadLetter{
			Error:         rapid.String().Draw(t, "error"),
			OriginalTopic: rapid.String().Draw(t, "topic"),
			Time:          time.Unix(rapid.Int64().Draw(t, "time"), 0),
		}
	})
}

func checkSplice(t interface{ Fatalf(string, ...any) }, value []byte, d spec.DeadLetter) {
	c := spec.Default()
	out, place := c.AddDeadLetter(value, d)
	if json.Valid(out) != json.Valid(value) {
		t.Fatalf("add(%q) = %q", value, out)
	}
	if got := c.StripDeadLetter(out, place); string(got) != string(value) {
		t.Fatalf("strip(add(%q)) = %q", value, got)
	}
	if _, second := c.AddDeadLetter(out, d); second != spec.PlaceNone {
		t.Fatalf("%q was spliced twice", value)
	}
}

func TestStripUndoesAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := jsonText().Draw(t, "value")
		if rapid.Bool().Draw(t, "envelope") {
			value = `{"meta":` + value + `,"data":` + jsonText().Draw(t, "data") + `}`
		}
		checkSplice(t, []byte(value), letters().Draw(t, "letter"))
	})
}

// TestStripByNameKeepsTheRest holds against encoding/json: the same members less the fields.
func TestStripByNameKeepsTheRest(t *testing.T) {
	c := spec.Default()
	rapid.Check(t, func(t *rapid.T) {
		value := []byte(`{"meta":` + jsonText().Draw(t, "meta") + `,"data":1}`)
		got := c.StripDeadLetter(value, rapid.SampledFrom([]string{"", "8+20", "9+1", "x"}).Draw(t, "place"))
		var want, have struct{ Meta any }
		if err := json.Unmarshal(value, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(got, &have); err != nil {
			t.Fatalf("%q became %q: %v", value, got, err)
		}
		if object, ok := want.Meta.(map[string]any); ok {
			for _, name := range []string{"error", "original_topic", "dlq_time"} {
				delete(object, name)
			}
		}
		if !reflect.DeepEqual(have, want) {
			t.Fatalf("%q became %q", value, got)
		}
	})
}

func FuzzDeadLetter(f *testing.F) {
	f.Add([]byte(event), "boom", "")
	f.Add([]byte(`{"meta":{},"meta":{ }}`), "\xff\"", "9+119")
	f.Add([]byte(`{"meta":{"error":"x","a":1}}`), "", "8+12")
	f.Fuzz(func(t *testing.T, value []byte, reason, place string) {
		checkSplice(t, value, spec.DeadLetter{Error: reason, OriginalTopic: place, Time: letter.Time})
		if got := spec.Default().StripDeadLetter(value, place); json.Valid(value) && !json.Valid(got) {
			t.Fatalf("StripDeadLetter(%q, %q) = %q is not JSON", value, place, got)
		}
	})
}
