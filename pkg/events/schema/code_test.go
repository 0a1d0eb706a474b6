package schema_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	lab "github.com/suokelife/suokectl/internal/lab/registry"
	"github.com/suokelife/suokectl/pkg/events/schema"
)

// The same event in the three languages.
const (
	avroEvent = `{"type":"record","name":"Event","fields":[
		{"name":"meta","type":{"type":"record","name":"Meta","fields":[{"name":"id","type":"string"}]}},
		{"name":"data","type":{"type":"record","name":"Data","fields":[
			{"name":"user_id","type":"string"},
			{"name":"age","type":["null","int"],"default":null},
			{"name":"seen","type":["null",{"type":"long","logicalType":"timestamp-millis"}],"default":null},
			{"name":"mac","type":["null","bytes"],"default":null},
			{"name":"via","type":["null",{"type":"record","name":"A","fields":[{"name":"x","type":"int"}]},{"type":"record","name":"B","fields":[{"name":"x","type":"int"},{"name":"y","type":"double"}]}],"default":null},
			{"name":"tags","type":{"type":"map","values":"string"},"default":{}}
		]}}]}`
	jsonEvent  = `{"type":"object","properties":{"meta":{"type":"object"},"data":{"type":"object","required":["user_id"],"properties":{"user_id":{"type":"string"}}}}}`
	protoEvent = `syntax = "proto3"; package p;
		import "google/protobuf/timestamp.proto";
		message Event { Meta meta = 1; Data data = 2; message Nested { string x = 1; } }
		message Meta { string id = 1; }
		message Data {
			string user_id = 1; optional int32 age = 2; int64 total = 3; google.protobuf.Timestamp at = 4;
			map<string, Kind> kinds = 5; repeated double rates = 6; oneof via { string mail = 7; bytes mac = 8; }
		}
		enum Kind { UNKNOWN = 0; HOME = 1; }`
)

func TestEncodeAndDecode(t *testing.T) {
	r := start(t)
	for topic, s := range map[string]schema.Schema{
		"a": {Type: schema.Avro, Text: avroEvent}, "j": {Type: schema.JSON, Text: jsonEvent}, "p": {Type: schema.Protobuf, Text: protoEvent},
	} {
		register(t, r, topic+"-value", s.Type, s.Text)
	}
	for _, c := range []struct{ topic, event, want string }{
		{"j", `{"meta":{}, "data":{"user_id":"u"}}`, ""},
		{"a", `{"meta":{"id":"e"},"data":{"user_id":"u"}}`, `{"meta":{"id":"e"},"data":{"user_id":"u","age":null,"seen":null,"mac":null,"via":null,"tags":{}}}`},
		{"a", `{"meta":{"id":"e"},"data":{"user_id":"ü\u0000","age":1e1,"seen":1700000000123,"mac":"\u00ff\u0001","via":{"x":1,"y":2},"tags":{"b":"2","a":"1"}}}`,
			`{"meta":{"id":"e"},"data":{"user_id":"ü\u0000","age":10,"seen":1700000000123,"mac":"ÿ\u0001","via":{"x":1,"y":2},"tags":{"a":"1","b":"2"}}}`},
		{"p", `{"meta":{"id":"e"},"data":{"user_id":"u"}}`, `{"meta":{"id":"e"},"data":{"user_id":"u","total":"0","kinds":{},"rates":[]}}`},
		{"p", `{"meta":{"id":"e"},"data":{"userId":"u","age":0,"total":9007199254740993,"at":"2026-01-31T12:00:00Z","kinds":{"k":"HOME"},"rates":[1,0.5],"mac":"_w=="}}`,
			`{"meta":{"id":"e"},"data":{"user_id":"u","age":0,"total":"9007199254740993","at":"2026-01-31T12:00:00Z","kinds":{"k":"HOME"},"rates":[1,0.5],"mac":"/w=="}}`},
	} {
		framed, err := r.Encode(t.Context(), c.topic, []byte(c.event))
		if err != nil {
			t.Fatalf("%s: %v", c.event, err)
		}
		if c.want == "" {
			c.want = c.event
		}
		if got, err := r.Decode(t.Context(), framed); err != nil || string(got) != c.want {
			t.Errorf("%s is read as\n     %s, %v, want\n     %s", c.event, got, err, c.want)
		}
		if err := r.Validate(t.Context(), c.topic, framed); err == nil || !strings.Contains(err.Error(), "framed for a schema registry") {
			t.Errorf("a framed value passes for plain JSON: %v", err)
		}
	}
}

func TestWhatIsNotEncoded(t *testing.T) {
	r := start(t)
	register(t, r, "a-value", schema.Avro, avroEvent)
	register(t, r, "p-value", schema.Protobuf, protoEvent)
	register(t, r, "data-value", schema.Avro, avroUser)
	var invalid *schema.ValidationError
	for _, topic := range []string{"a", "p"} {
		if _, err := r.Encode(t.Context(), topic, []byte(`{"meta":{"id":"e"},"data":{"user_id":7}}`)); !errors.As(err, &invalid) || invalid.Problems[0].Path != "data.user_id" {
			t.Errorf("%s: %v", topic, err)
		}
	}
	if _, err := r.Encode(t.Context(), "data", []byte(`{"meta":{},"data":{"id":"1"}}`)); !errors.Is(err, schema.ErrDataOnly) {
		t.Errorf("a schema of the data only: %v", err)
	}
	if _, err := r.Encode(t.Context(), "none", []byte(`{}`)); !errors.Is(err, schema.ErrSubjectNotFound) {
		t.Errorf("no subject: %v", err)
	}
}

func TestWhatIsNotDecoded(t *testing.T) {
	r := start(t)
	a := register(t, r, "a-value", schema.Avro, avroEvent)
	p := register(t, r, "p-value", schema.Protobuf, protoEvent)
	j := register(t, r, "j-value", schema.JSON, jsonEvent)
	for name, c := range map[string]struct {
		value []byte
		want  error
	}{
		"plain JSON":          {[]byte(`{"meta":{}}`), schema.ErrNotFramed},
		"nothing":             {nil, schema.ErrNotFramed},
		"unknown id":          {schema.AppendFrame(nil, 999), schema.ErrSchemaNotFound},
		"Avro, truncated":     {append(schema.AppendFrame(nil, a.ID), 2), schema.ErrMalformed},
		"Avro, too long":      {append(schema.AppendFrame(nil, a.ID), 0, 0, 0, 0, 0, 0, 0, 0, 0), schema.ErrMalformed},
		"JSON that is none":   {append(schema.AppendFrame(nil, j.ID), '{'), schema.ErrMalformed},
		"no indexes":          {schema.AppendFrame(nil, p.ID), schema.ErrMalformed},
		"no such message":     {schema.AppendIndexes(schema.AppendFrame(nil, p.ID), 7), schema.ErrMalformed},
		"Protobuf, truncated": {append(schema.AppendIndexes(schema.AppendFrame(nil, p.ID), 0), 10, 9), schema.ErrMalformed},
	} {
		if text, err := r.Decode(t.Context(), c.value); !errors.Is(err, c.want) {
			t.Errorf("%s: %s, %v, want %v", name, text, err, c.want)
		}
	}
	nested := append(schema.AppendIndexes(schema.AppendFrame(nil, p.ID), 0, 0), 10, 1, 'n')
	if text, err := r.Decode(t.Context(), nested); err != nil || string(text) != `{"x":"n"}` {
		t.Errorf("a nested message is %s, %v", text, err)
	}
}

func TestProtobufProblems(t *testing.T) {
	r := start(t)
	register(t, r, "p-value", schema.Protobuf, protoEvent)
	register(t, r, "data-value", schema.Protobuf, `syntax = "proto2"; message D { required string id = 1; optional uint64 n = 2; optional float f = 3; map<int32, bool> m = 4; }`)
	for _, c := range []struct{ topic, event, paths string }{
		{"p", `{"meta":{"id":"e"},"data":{"user_id":"u","age":null}}`, ""},
		{"p", `{"meta":{"id":"e"},"data":{"user_id":1,"age":"x","total":"9223372036854775807","rates":["NaN",true]}}`, "data.age data.rates[1] data.user_id"},
		{"p", `{"meta":{"id":"e"},"data":{"kinds":{"h":"HOME","n":7,"k":"AWAY"}}}`, "data.kinds.k"},
		{"p", `{"meta":{"id":"e"},"data":{"at":"yesterday","mac":"%","total":9223372036854775808}}`, "data.at data.mac data.total"},
		{"p", `{"meta":{"id":"e"},"data":{"mail":"a","mac":""}}`, "data.mail"},
		{"p", `{"meta":{"id":"e","di":1},"data":[]}`, "data meta.di"},
		{"p", `{"meta":{"id":"e"},"data":{"kinds":[],"rates":{}}}`, "data.kinds data.rates"},
		{"data", `{"meta":{},"data":{"id":"1","n":18446744073709551615,"f":1.5,"m":{"1":true}}}`, ""},
		{"data", `{"meta":{},"data":{"n":-1,"f":1e99}}`, "data.f data.n data.id"},
		{"data", `{"meta":{},"data":{"id":"1","m":{"x":true}}}`, "data.m.x"},
	} {
		err := r.Validate(t.Context(), c.topic, []byte(c.event))
		if got := paths(t, err); got != c.paths {
			t.Errorf("%s: problems at %q, want %q: %v", c.event, got, c.paths, err)
		}
	}
}

func TestReferences(t *testing.T) {
	for kind, c := range map[schema.Type]struct{ name, imported, text, good, bad, path string }{
		schema.Avro: {"p.Money", `{"type":"record","name":"Money","namespace":"p","fields":[{"name":"amount","type":"double"}]}`,
			`{"type":"record","name":"Order","namespace":"p","fields":[{"name":"price","type":"p.Money"}]}`, `{"price":{"amount":1}}`, `{"price":{"amount":"1"}}`, "data.price.amount"},
		schema.JSON: {"money.json", `{"definitions":{"money":{"type":"object","properties":{"amount":{"type":"number"}}}}}`,
			`{"type":"object","properties":{"price":{"$ref":"money.json#/definitions/money"}}}`, `{"price":{"amount":1}}`, `{"price":{"amount":"1"}}`, "data.price.amount"},
		schema.Protobuf: {"p/money.proto", `syntax = "proto3"; package p; message Money { double amount = 1; }`,
			`syntax = "proto3"; package p; import "p/money.proto"; message Order { Money price = 1; }`, `{"price":{"amount":1}}`, `{"price":{"amount":true}}`, "data.price.amount"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			r := start(t)
			register(t, r, "money", kind, c.imported)
			s, err := r.Register(t.Context(), "o-value", kind, c.text, schema.Reference{Name: c.name, Subject: "money", Version: 1})
			if err != nil || len(s.References) != 1 {
				t.Fatalf("registered %+v, %v", s, err)
			}
			if err := r.Validate(t.Context(), "o", []byte(`{"meta":{},"data":`+c.good+`}`)); err != nil {
				t.Error(err)
			}
			if got := paths(t, r.Validate(t.Context(), "o", []byte(`{"meta":{},"data":`+c.bad+`}`))); got != c.path {
				t.Errorf("problems at %q, want %q", got, c.path)
			}
			d, err := r.Definition(t.Context(), s)
			if err != nil || len(d.Imports) != 1 || d.Imports[0].Name != c.name {
				t.Errorf("definition %+v, %v", d, err)
			}
			if _, err := r.Register(t.Context(), "alone-value", kind, c.text); !errors.Is(err, schema.ErrInvalidSchema) {
				t.Errorf("without its reference it is %v", err)
			}
		})
	}
}

func TestCheckLocally(t *testing.T) {
	r := start(t)
	register(t, r, "a-value", schema.Avro, avroUser)
	register(t, r, "a-value", schema.Avro, avroUserTwo)
	if mode, err := r.Mode(t.Context(), "a-value"); err != nil || mode != schema.ModeBackward {
		t.Fatalf("mode %s, %v", mode, err)
	}
	candidate := parse(t, schema.Avro, strings.Replace(avroUser, `"name":"id","type":"string"`, `"name":"id","type":"long"`, 1))
	for mode, versions := range map[schema.Mode]string{
		schema.ModeNone: "", schema.ModeBackward: "backward 2 id", schema.ModeForwardTransitive: "forward 2 id, forward 1 id",
		schema.ModeFullTransitive: "backward 2 id, forward 2 id, backward 1 id, forward 1 id",
	} {
		conflicts, err := r.CheckLocally(t.Context(), "a-value", mode, candidate)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range conflicts {
			got = append(got, c.Direction+" "+string(rune('0'+c.Version))+" "+c.Path)
		}
		if text := strings.Join(got, ", "); text != versions {
			t.Errorf("%s: conflicts %q, want %q", mode, text, versions)
		}
	}
}

// TestDiskOutlivesTheProcess: what one client learnt, the next one uses without asking, while it is fresh.
func TestDiskOutlivesTheProcess(t *testing.T) {
	server, err := lab.Start(lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cfg := schema.Config{URL: server.URL(), CacheDir: dir, MaxAge: time.Hour, Timeout: time.Second}
	first := open(t, cfg)
	register(t, first, "a-value", schema.Avro, avroEvent)
	event := []byte(`{"meta":{"id":"e"},"data":{"user_id":"u"}}`)
	framed, err := first.Encode(t.Context(), "a", event)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Decode(t.Context(), framed); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, cfg)
	if again, err := second.Encode(t.Context(), "a", event); err != nil || !bytes.Equal(again, framed) {
		t.Errorf("encoded %x, %v", again, err)
	}
	if _, err := second.Decode(t.Context(), framed); err != nil {
		t.Error(err)
	}
	cfg.MaxAge = time.Nanosecond
	third := open(t, cfg)
	if err := third.Validate(t.Context(), "a", event); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("the newest version is too old, and the registry away: %v", err)
	}
	if _, err := third.Decode(t.Context(), framed); err != nil {
		t.Errorf("an id never grows old: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.json"))
	if err != nil || len(files) != 2 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
		if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := open(t, cfg).Decode(t.Context(), framed); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("broken files are not used: %v", err)
	}
}

// TestRegistryAwayInMidStream: an event that cannot be judged any more does not pass, and what is known for ever is
// still decoded.
func TestRegistryAwayInMidStream(t *testing.T) {
	server, err := lab.Start(lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, schema.Config{URL: server.URL(), MaxAge: time.Nanosecond, Timeout: 5 * time.Second})
	register(t, r, "a-value", schema.Avro, avroEvent)
	event := []byte(`{"meta":{"id":"e"},"data":{"user_id":"u"}}`)
	framed, err := r.Encode(t.Context(), "a", event)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Decode(t.Context(), framed); err != nil {
		t.Fatal(err)
	}
	if err := r.Validate(t.Context(), "a", event); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Validate(t.Context(), "a", event); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("validated without a registry: %v", err)
	}
	if _, err := r.Encode(t.Context(), "a", event); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("encoded without a registry: %v", err)
	}
	if _, err := r.Decode(t.Context(), framed); err != nil {
		t.Errorf("a schema is kept by its id: %v", err)
	}
	if _, err := r.Decode(t.Context(), schema.AppendFrame(nil, 99)); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("an id that nobody can be asked for: %v", err)
	}
}

// TestSlowRegistryHoldsNobodyUp: the newest version is asked for again while it is used. The file says that it was
// learnt when half of its time had gone by.
func TestSlowRegistryHoldsNobodyUp(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-release
		_, _ = w.Write([]byte(`{"subject":"t-value","version":2,"id":2,"schema":"\"int\""}`))
	}))
	defer server.Close()
	cfg := schema.Config{URL: server.URL, CacheDir: t.TempDir(), MaxAge: time.Hour, Timeout: time.Minute, Scope: schema.ScopeEvent}
	first := open(t, cfg)
	go func() { <-asked; release <- struct{}{} }()
	if err := first.Validate(t.Context(), "t", []byte(`1`)); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(cfg.CacheDir, "*", "latest-*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	half := fmt.Sprintf(`{"at":%q,"schema":{"subject":"t-value","version":1,"id":1,"type":"AVRO","schema":"\"string\""}}`, time.Now().Add(-40*time.Minute).Format(time.RFC3339))
	if err := os.WriteFile(files[0], []byte(half), 0o600); err != nil {
		t.Fatal(err)
	}
	second := open(t, cfg)
	for range 3 {
		if err := second.Validate(t.Context(), "t", []byte(`"text"`)); err != nil {
			t.Fatalf("the version that is known is not used: %v", err)
		}
	}
	<-asked // once, in the background
	release <- struct{}{}
	for second.Validate(t.Context(), "t", []byte(`1`)) != nil {
		if t.Context().Err() != nil {
			t.Fatal("the new version never came")
		}
	}
}

// FuzzDecode: whatever stands behind a frame, it is decoded or refused.
func FuzzDecode(f *testing.F) {
	parsed := []*schema.Parsed{parse(f, schema.Avro, avroEvent), parse(f, schema.Protobuf, protoEvent), parse(f, schema.Avro,
		`{"type":"record","name":"L","fields":[{"name":"n","type":["null","L"]},{"name":"m","type":{"type":"map","values":{"type":"array","items":"null"}}}]}`)}
	for _, p := range parsed[:2] {
		encoded, err := p.Encode([]byte(`{"meta":{"id":"e"},"data":{"user_id":"u","age":7}}`))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Add([]byte{0xfe, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, p := range parsed {
			text, err := p.Decode(data)
			if err != nil {
				if !errors.Is(err, schema.ErrMalformed) {
					t.Fatal(err)
				}
				continue
			}
			if !json.Valid(text) {
				t.Fatalf("%x is decoded as %q", data, text)
			}
		}
	})
}

// TestBytesOfConfluentsClient: what confluent-kafka 2.6.1 for Python wrote is read.
func TestBytesOfConfluentsClient(t *testing.T) {
	const bytes64 = "AAAAAAMACgkKAmlkEgNzLTIKFgoGc291cmNlEgxkZW1vLXNlcnZpY2UKHAoEdGltZRIUMjAyNi0wMS0zMVQxMjowMDowMFoKDAoEdHlwZRIEc2VlbgoVCg5jb3JyZWxhdGlvbl9pZBIDci0xCg0KB3ZlcnNpb24SAnYxEg0IBxABGIGAgICAgIAQ"
	value, err := base64.StdEncoding.DecodeString(bytes64)
	if err != nil {
		t.Fatal(err)
	}
	id, body, err := schema.ParseFrame(value)
	if err != nil || id != 3 {
		t.Fatalf("id %d, %v", id, err)
	}
	indexes, payload, err := schema.ParseIndexes(body)
	if err != nil {
		t.Fatal(err)
	}
	p := parse(t, schema.Protobuf, `syntax = "proto3"; package demo; message Event { map<string, string> meta = 1; Data data = 2; }
		message Data { int32 count = 1; Kind kind = 2; int64 big = 3; } enum Kind { UNKNOWN = 0; HOME = 1; }`)
	text, err := p.Decode(payload, indexes...)
	if want := `"data":{"count":7,"kind":"HOME","big":"9007199254740993"}}`; err != nil || !strings.HasSuffix(string(text), want) {
		t.Errorf("it is %s, %v, want %s at its end", text, err, want)
	}
}
