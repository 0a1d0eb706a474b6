package schema_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	lab "github.com/suokelife/suokectl/internal/lab/registry"
	"github.com/suokelife/suokectl/pkg/events/schema"
	"github.com/suokelife/suokectl/pkg/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB, change ...func(*schema.Config)) *schema.Registry {
	t.Helper()
	server, err := lab.Start(lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg := schema.Config{URL: server.URL()}
	for _, c := range change {
		c(&cfg)
	}
	return open(t, cfg)
}

func open(t testing.TB, cfg schema.Config) *schema.Registry {
	t.Helper()
	r, err := schema.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func register(t testing.TB, r *schema.Registry, subject string, kind schema.Type, text string) schema.Schema {
	t.Helper()
	s, err := r.Register(t.Context(), subject, kind, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const (
	avroUser    = `{"type":"record","name":"User","fields":[{"name":"id","type":"string"},{"name":"email","type":["null","string"],"default":null}]}`
	avroUserTwo = `{"type":"record","name":"User","fields":[{"name":"id","type":"string"},{"name":"email","type":["null","string"],"default":null},{"name":"age","type":"int","default":0}]}`
	jsonUser    = `{"type":"object","required":["user_id","email"],"properties":{"user_id":{"type":"string"},"email":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}}}}`
)

func TestRegisterGetCheck(t *testing.T) {
	r := start(t)
	first := register(t, r, "a-value", schema.Avro, avroUser)
	if first.Version != 1 || first.ID < 1 || first.Type != schema.Avro {
		t.Fatalf("registered %+v", first)
	}
	if again := register(t, r, "a-value", schema.Avro, avroUser); !reflect.DeepEqual(again, first) {
		t.Fatalf("registered again as %+v, first %+v", again, first)
	}
	if got, err := r.Get(t.Context(), "a-value", schema.Latest); err != nil || got.Version != 1 {
		t.Fatalf("latest is %+v, %v", got, err)
	}
	second := register(t, r, "a-value", schema.Avro, avroUserTwo)
	for version, want := range map[int]schema.Schema{1: first, 2: second, schema.Latest: second} {
		if got, err := r.Get(t.Context(), "a-value", version); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("version %d is %+v, %v, want %+v", version, got, err, want)
		}
	}
	verdict, err := r.Check(t.Context(), "a-value", schema.Avro, avroUser)
	if err != nil || !verdict.Compatible || len(verdict.Reasons) != 0 {
		t.Errorf("verdict %+v, %v", verdict, err)
	}
	verdict, err = r.Check(t.Context(), "a-value", schema.Avro, strings.Replace(avroUser, `"name":"id","type":"string"`, `"name":"id","type":"long"`, 1))
	if err != nil || verdict.Compatible || len(verdict.Reasons) == 0 {
		t.Errorf("verdict %+v, %v, want reasons", verdict, err)
	}
	if subjects, err := r.Subjects(t.Context()); err != nil || len(subjects) != 1 || subjects[0] != "a-value" {
		t.Errorf("subjects %v, %v", subjects, err)
	}
	j := register(t, r, "b-value", schema.JSON, jsonUser)
	if got, err := r.Get(t.Context(), "b-value", 1); err != nil || !reflect.DeepEqual(got, j) || got.Type != schema.JSON {
		t.Errorf("got %+v, %v, want %+v", got, err, j)
	}
}

func TestErrors(t *testing.T) {
	r := start(t)
	register(t, r, "a-value", schema.Avro, avroUser)
	get := func(subject string, version int) error {
		_, err := r.Get(t.Context(), subject, version)
		return err
	}
	put := func(kind schema.Type, text string) error {
		_, err := r.Register(t.Context(), "a-value", kind, text)
		return err
	}
	check := func(subject, text string) error {
		_, err := r.Check(t.Context(), subject, schema.Avro, text)
		return err
	}
	for name, c := range map[string]struct{ got, want error }{
		"unknown subject":          {get("b-value", schema.Latest), schema.ErrSubjectNotFound},
		"unknown subject, version": {get("b-value", 3), schema.ErrSubjectNotFound},
		"unknown version":          {get("a-value", 3), schema.ErrVersionNotFound},
		"invalid avro":             {put(schema.Avro, `{"type":"strnig"}`), schema.ErrInvalidSchema},
		"not json":                 {put(schema.JSON, `{`), schema.ErrInvalidSchema},
		"incompatible":             {put(schema.Avro, `"string"`), schema.ErrIncompatible},
		"check, unknown subject":   {check("b-value", avroUser), schema.ErrSubjectNotFound},
		"check, invalid":           {check("a-value", `{`), schema.ErrInvalidSchema},
	} {
		if !errors.Is(c.got, c.want) || !strings.Contains(c.got.Error(), "-value") {
			t.Errorf("%s: %v, want %v with the subject", name, c.got, c.want)
		}
	}
}

func TestValidate(t *testing.T) {
	whole := `{"type":"record","name":"E","fields":[
		{"name":"meta","type":{"type":"map","values":"string"}},
		{"name":"data","type":{"type":"record","name":"D","fields":[
			{"name":"kind","type":{"type":"enum","name":"K","symbols":["A","B"]}},
			{"name":"count","type":"int"},
			{"name":"total","type":"long","default":0},
			{"name":"ratio","type":["null","double"],"default":null},
			{"name":"raw","type":["null","bytes"]},
			{"name":"mac","type":[{"type":"fixed","name":"F","size":3},"null"]},
			{"name":"either","type":["null","string","int"],"default":null},
			{"name":"next","type":["null","D"],"default":null},
			{"name":"items","type":{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"price","type":"double"}]}},"default":[]}
		]}}]}`
	r := start(t)
	register(t, r, "whole-value", schema.Avro, whole)
	register(t, r, "data-value", schema.Avro, avroUser)
	register(t, r, "json-value", schema.JSON, jsonUser)
	register(t, r, "jsonwhole-value", schema.JSON, `{"$ref":"#/definitions/E","definitions":{"E":{"type":"object","properties":{"meta":{"required":["id"]},"data":{"type":"object"}}}}}`)
	for _, c := range []struct {
		topic, event string
		paths        string // of the problems, in order; empty when the event is valid
	}{
		{"whole", `{"meta":{"id":"1"},"data":{"kind":"A","count":1}}`, ""},
		{"whole", `{"meta":{"id":"1"},"data":{"kind":"A","count":1,"ratio":1.5,"raw":"\u00ff","mac":"abc","either":"x","items":[{"price":1}]}}`, ""},
		{"whole", `{"meta":{"id":"1"},"data":{"kind":"A","count":1,"next":{"kind":"B","count":2}}}`, ""},
		{"whole", `{"meta":{"id":"1"},"data":{"kind":"A","count":1,"next":{"kind":"C","count":2}}}`, "data.next.kind"},
		{"whole", `{"meta":{"id":1},"data":{"kind":"C","count":1}}`, "meta.id data.kind"},
		{"whole", `{"meta":{},"data":{"kind":"A","count":2147483648}}`, "data.count"},
		{"whole", `{"meta":{},"data":{"kind":"A","count":1e3,"total":9223372036854775807}}`, ""},
		{"whole", `{"meta":{},"data":{"kind":"A","count":1,"total":9223372036854775808}}`, "data.total"},
		{"whole", `{"meta":{},"data":{"kind":"A","count":1e999999999}}`, "data.count"},
		{"whole", `{"meta":{},"data":{"kind":"A","count":1.5}}`, "data.count"},
		{"whole", `{"meta":{},"data":{"kind":"A","count":1,"either":true}}`, "data.either"},
		{"whole", `{"meta":{},"data":{"kind":"A","count":1,"ratio":{"double":1}}}`, "data.ratio"},
		{"whole", `{"meta":{},"data":{"kind":"A","count":1,"raw":"\u4e2d"}}`, "data.raw"},
		{"whole", `{"meta":{},"data":{"kind":"A","count":1,"mac":"abcd"}}`, "data.mac"},
		{"whole", `{"meta":{},"data":{"kind":"A","count":1,"items":[{"price":1},{"price":"x"}]}}`, "data.items[1].price"},
		{"whole", `{"meta":{},"data":{"kind":"A"}}`, "data.count"},
		{"whole", `{"meta":{},"data":{"kind":"A","count":1,"cuont":1}}`, "data.cuont"},
		{"whole", `[]`, "$"},
		{"whole", ``, "$"},
		{"whole", `{"meta":{},`, "$"},
		{"whole", "\x00\x00\x00\x00\x01binary", "$"},
		{"data", `{"meta":{},"data":{"id":"1"}}`, ""},
		{"data", `{"meta":{},"data":{"id":"1","email":"e"}}`, ""},
		{"data", `{"meta":{},"data":{"id":1,"email":2}}`, "data.id data.email"},
		{"data", `{"meta":{}}`, "data"},
		{"data", `"text"`, "$"},
		{"json", `{"meta":{},"data":{"user_id":"1","email":"e"}}`, ""},
		{"json", `{"meta":{},"data":{"user_id":"1"}}`, "data"},
		{"json", `{"meta":{},"data":{"user_id":1,"email":"e"}}`, "data.user_id"},
		{"json", `{"meta":{},"data":{"user_id":"1","email":"e","tags":["a",2]}}`, "data.tags[1]"},
		{"jsonwhole", `{"meta":{"id":1},"data":{}}`, ""},
		{"jsonwhole", `{"meta":{},"data":{}}`, "meta"},
		{"jsonwhole", `{"meta":{"id":1},"data":1}`, "data"},
	} {
		err := r.Validate(t.Context(), c.topic, []byte(c.event))
		if got := paths(t, err); got != c.paths {
			t.Errorf("%s %s: problems at %q, want %q: %v", c.topic, c.event, got, c.paths, err)
		}
	}
}

func paths(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var invalid *schema.ValidationError
	if !errors.As(err, &invalid) {
		t.Fatalf("not a ValidationError: %v", err)
	}
	var out []string
	for _, p := range invalid.Problems {
		out = append(out, p.Path)
		if p.Message == "" || !strings.Contains(err.Error(), p.Path) {
			t.Errorf("problem %+v is not told by %q", p, err)
		}
	}
	return strings.Join(out, " ")
}

func TestScopeIsSaid(t *testing.T) {
	r := start(t, func(c *schema.Config) { c.Scope = schema.ScopeEvent })
	register(t, r, "t-value", schema.Avro, avroUser)
	if got := paths(t, r.Validate(t.Context(), "t", []byte(`{"id":"1"}`))); got != "" {
		t.Errorf("problems at %q", got)
	}
	if got := paths(t, r.Validate(t.Context(), "t", []byte(`{"meta":{},"data":{"id":"1"}}`))); got != "id data meta" {
		t.Errorf("problems at %q", got)
	}
}

func TestNoSubjectIsSaidOnceATopic(t *testing.T) {
	var said []string
	r := start(t, func(c *schema.Config) { c.Unvalidated = func(_, subject string) { said = append(said, subject) } })
	for _, topic := range []string{"a", "a", "b"} {
		if err := r.Validate(t.Context(), topic, []byte("anything")); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(said, " "); got != "a-value b-value" {
		t.Errorf("said %q", got)
	}
	register(t, r, "a-value", schema.Avro, avroUser)
	if err := r.Validate(t.Context(), "a", []byte("{}")); err == nil {
		t.Error("the subject's absence was remembered after it was registered")
	}
}

func TestCache(t *testing.T) {
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_, _ = w.Write([]byte(`{"subject":"t-value","version":1,"id":1,"schema":"\"string\""}`))
	}))
	defer server.Close()
	r := open(t, schema.Config{URL: server.URL, MaxAge: time.Hour, Scope: schema.ScopeEvent})
	for range 10 {
		if err := r.Validate(t.Context(), "t", []byte(`"x"`)); err != nil {
			t.Fatal(err)
		}
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests for one schema", n)
	}
	stale := open(t, schema.Config{URL: server.URL, MaxAge: time.Nanosecond, Scope: schema.ScopeEvent})
	for range 3 {
		if err := stale.Validate(t.Context(), "t", []byte(`"x"`)); err != nil {
			t.Fatal(err)
		}
	}
	if n := requests.Load(); n != 4 {
		t.Errorf("%d requests, want one more each time", n)
	}
}

// TestAway: whatever keeps the registry from answering is an error that says where and why, in time.
func TestAway(t *testing.T) {
	hole, err := net.Listen("tcp", "127.0.0.1:0") // accepts by its backlog and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer hole.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	garbage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer garbage.Close()
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error_code":401,"message":"Unauthorized"}`))
	}))
	defer locked.Close()
	for name, c := range map[string]struct {
		url  string
		want error
		text string
	}{
		"refusing":           {"http://" + closed.Addr().String(), schema.ErrUnavailable, "refused"},
		"black hole":         {"http://" + hole.Addr().String(), schema.ErrUnavailable, "no answer in time (200ms)"},
		"TLS where it isn't": {strings.Replace(plain.URL, "http", "https", 1), schema.ErrUnavailable, "HTTP response to HTTPS client"},
		"TLS not trusted":    {secure.URL, schema.ErrUnavailable, "certificate"},
		"plain to TLS":       {strings.Replace(secure.URL, "https", "http", 1), schema.ErrUnavailable, "400"},
		"not a registry":     {garbage.URL, schema.ErrUnavailable, "invalid character"},
		"another server":     {plain.URL, schema.ErrUnavailable, "404"},
		"locked":             {locked.URL, schema.ErrUnauthorized, "Unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, schema.Config{URL: c.url, Timeout: 200 * time.Millisecond})
			err := r.Validate(t.Context(), "topic", []byte(`{}`))
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), c.url) {
				t.Errorf("error %v, want %v with %q and the address", err, c.want, c.text)
			}
		})
	}
}

func TestContextEndsACall(t *testing.T) {
	hole, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hole.Close()
	r := open(t, schema.Config{URL: "http://" + hole.Addr().String(), Timeout: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := r.Get(ctx, "s", schema.Latest); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestCredentialsAndTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if user, password, _ := req.BasicAuth(); user != "u" || password != "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = w.Write([]byte(`["s"]`))
	}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	cfg := schema.Config{URL: server.URL + "/", Username: "u", TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	if got, err := open(t, cfg).Subjects(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("subjects %v, %v", got, err)
	}
	cfg.Password = "wrong"
	if _, err := open(t, cfg).Subjects(t.Context()); !errors.Is(err, schema.ErrUnauthorized) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("error %v", err)
	}
}

func TestARedirectionGetsNoCredentials(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "" {
			t.Error("credentials went to another host")
		}
		_, _ = w.Write([]byte(`[]`))
	}))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	defer server.Close()
	if _, err := open(t, schema.Config{URL: server.URL, Username: "u", Password: "p"}).Subjects(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDetect(t *testing.T) {
	for text, want := range map[string]schema.Type{
		avroUser: schema.Avro, jsonUser: schema.JSON, `"string"`: schema.Avro, `string`: schema.Avro,
		`{"type":"object"}`: schema.JSON, `{"type":"string"}`: schema.Avro, `{"$ref":"#/x"}`: schema.JSON, `["null","string"]`: schema.Avro,
	} {
		if got := schema.Detect(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is taken for %s", text, got)
		}
	}
}

func TestNewRefusesWhatIsNotAnAddress(t *testing.T) {
	for _, url := range []string{"", "localhost:8081", "ftp://host", "http://", "http://u:secret@ho st"} {
		if _, err := schema.New(schema.Config{URL: url}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// TestNumbersFitAsTheirTypesSay: an int is what 32 bits hold, a long what 64 do.
func TestNumbersFitAsTheirTypesSay(t *testing.T) {
	r := start(t, func(c *schema.Config) { c.Scope = schema.ScopeEvent })
	register(t, r, "int-value", schema.Avro, `"int"`)
	register(t, r, "long-value", schema.Avro, `"long"`)
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.Int64().Draw(rt, "n")
		text := strconv.AppendInt(nil, n, 10)
		if err := r.Validate(t.Context(), "long", text); err != nil {
			rt.Fatalf("long %d: %v", n, err)
		}
		if err := r.Validate(t.Context(), "int", text); (err == nil) != (int64(int32(n)) == n) {
			rt.Fatalf("int %d: %v", n, err)
		}
	})
}

func FuzzValidate(f *testing.F) {
	r := start(f, func(c *schema.Config) { c.MaxAge = time.Hour })
	register(f, r, "a-value", schema.Avro, avroUser)
	register(f, r, "j-value", schema.JSON, jsonUser)
	for _, seed := range []string{`{"meta":{},"data":{"id":"1","email":null}}`, `[]`, ``, "\xff", `{"data":{"user_id":"1","email":"e","tags":[1]}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, topic := range []string{"a", "j"} {
			var invalid *schema.ValidationError
			if err := r.Validate(t.Context(), topic, value); err != nil && !errors.As(err, &invalid) {
				t.Fatalf("%v", err)
			}
		}
	})
}

// TestAmbiguousUnionsEnd: a value that fits no branch at its innermost level is not tried with all of them at each.
func TestAmbiguousUnionsEnd(t *testing.T) {
	var records []string
	for _, name := range []string{"A", "B", "C"} {
		records = append(records, `{"type":"record","name":"`+name+`","fields":[{"name":"n","type":["null","A","B","C"],"default":null}]}`)
	}
	records[0] = `{"type":"record","name":"A","fields":[{"name":"n","type":["null","A",` + records[1] + "," + records[2] + `],"default":null}]}`
	p := parse(t, schema.Avro, records[0])
	value := strings.Repeat(`{"n":`, 60) + `{"x":1}` + strings.Repeat("}", 60)
	if problems := p.Problems([]byte(value), schema.ScopeEvent, spec.Default().Envelope); len(problems) == 0 {
		t.Error("it fits")
	}
}
