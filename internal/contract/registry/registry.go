// Package registry holds the contract of a schema registry: one table of cases that the lab's registry and a real one
// both pass. A case on which real registries differ from Confluent's API, which the lab follows, names the difference.
package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Engine says which registry answers; differences between the cases' columns are looked up by it.
type Engine string

// The engines that the table knows.
const (
	Lab      Engine = "lab"
	Apicurio Engine = "apicurio" // 2.6.13.Final, /apis/ccompat/v7
)

// Run holds the registry at baseURL to the contract. The registry should be empty; subjects have names of their own.
func Run(t *testing.T, engine Engine, baseURL string) {
	run := fmt.Sprintf("contract-%d-", time.Now().UnixNano())
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			r := &registry{t: t, base: baseURL, subject: run + subjectOf(c.name)}
			if d, ok := c.differs[engine]; ok {
				t.Attr("differs", d.why)
				d.check(r)
				return
			}
			c.check(r)
		})
	}
}

// subjectOf makes a subject of a case's name.
func subjectOf(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, name) + "-value"
}

type testCase struct {
	name    string
	check   func(*registry)
	differs map[Engine]difference
}

// difference is what an engine does where it leaves Confluent's API. It is checked too: when it is mended upstream, the
// case fails and the difference goes.
type difference struct {
	why   string
	check func(*registry)
}

// but adds the difference of Apicurio to a case.
func (c testCase) but(why string, check func(*registry)) testCase {
	c.differs = map[Engine]difference{Apicurio: {why, check}}
	return c
}

// registry is one case's view: the subject is the case's own.
type registry struct {
	t       *testing.T
	base    string
	subject string
}

// answer is a status with the decoded JSON body.
type answer struct {
	status int
	body   any
}

func (r *registry) do(method, path string, body any) answer {
	r.t.Helper()
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			r.t.Fatal(err)
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.base+strings.ReplaceAll(path, "SUBJECT", url.PathEscape(r.subject)), payload)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode}
	if len(bytes.TrimSpace(text)) > 0 {
		if err := json.Unmarshal(text, &a.body); err != nil {
			a.body = string(text) // not JSON: no case is content with that
		}
	}
	return a
}

func (a answer) field(name string) any {
	o, _ := a.body.(map[string]any)
	return o[name]
}

func (r *registry) ok(a answer) answer {
	r.t.Helper()
	if a.status != http.StatusOK {
		r.t.Fatalf("status %d, want 200: %v", a.status, a.body)
	}
	return a
}

func (r *registry) fails(a answer, status, code int) {
	r.t.Helper()
	if a.status != status || a.field("error_code") != float64(code) {
		r.t.Fatalf("status %d, error_code %v, want %d, %d: %v", a.status, a.field("error_code"), status, code, a.body)
	}
}

func (r *registry) equal(what string, got, want any) {
	r.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Fatalf("%s is %v, want %v", what, got, want)
	}
}

// schema is the body of a request. Avro is sent without a type, as old clients do.
type schema map[string]any

func avro(text string) schema  { return schema{"schema": text} }
func js(text string) schema    { return schema{"schema": text, "schemaType": "JSON"} }
func proto(text string) schema { return schema{"schema": text, "schemaType": "PROTOBUF"} }

func (s schema) text() string { text, _ := s["schema"].(string); return text }

// refers adds a reference to version 1 of a subject.
func (s schema) refers(name, subject string) schema {
	out := schema{"references": []any{map[string]any{"name": name, "subject": subject, "version": 1}}}
	for k, v := range s {
		out[k] = v
	}
	return out
}

func (r *registry) register(s schema) float64 {
	r.t.Helper()
	id, ok := r.ok(r.do("POST", "/subjects/SUBJECT/versions", s)).field("id").(float64)
	if !ok {
		r.t.Fatal("no id in the answer")
	}
	return id
}

func (r *registry) level(level string) {
	r.t.Helper()
	r.equal("level", r.ok(r.do("PUT", "/config/SUBJECT", map[string]string{"compatibility": level})).field("compatibility"), level)
}

func (r *registry) compatible(s schema, version string) bool {
	r.t.Helper()
	verdict, ok := r.ok(r.do("POST", "/compatibility/subjects/SUBJECT/versions"+version, s)).field("is_compatible").(bool)
	if !ok {
		r.t.Fatal("no is_compatible in the answer")
	}
	return verdict
}
