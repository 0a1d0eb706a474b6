package schema

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/riferrei/srclient"

	"github.com/suokelife/suokectl/pkg/spec"
)

// Type is a schema's language, as the registry spells it.
type Type string

// The types that are understood.
const (
	Avro Type = "AVRO"
	JSON Type = "JSON"
)

// Detect tells which type a schema's text is: a JSON object with a keyword that only JSON Schema has is one, all else
// is Avro.
func Detect(text string) Type {
	var o map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &o) != nil {
		return Avro
	}
	for _, keyword := range []string{"$schema", "$ref", "$defs", "definitions", "properties", "required", "additionalProperties", "allOf", "anyOf", "oneOf"} {
		if _, ok := o[keyword]; ok {
			return JSON
		}
	}
	if string(o["type"]) == `"object"` {
		return JSON
	}
	return Avro
}

// Latest asks for a subject's newest version.
const Latest = 0

// Schema is a registered schema.
type Schema struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
	ID      int    `json:"id"`
	Type    Type   `json:"type"`
	Text    string `json:"schema"`
}

// Verdict is a registry's answer on compatibility.
type Verdict struct {
	Compatible bool     `json:"compatible"`
	Reasons    []string `json:"reasons"` // why not, in the registry's words; it may give none
}

// Config says where the registry is and how events are held to it.
type Config struct {
	// URL is the base of the REST API, such as http://127.0.0.1:8081.
	URL string
	// Username and Password are for basic authentication; none when Username is empty.
	Username, Password string
	// TLS replaces the system's trust; nil means the default.
	TLS *tls.Config
	// Timeout bounds each request. Default 5 s.
	Timeout time.Duration
	// MaxAge is how long the latest version of a subject, or its absence, is believed. Default 30 s.
	MaxAge time.Duration
	// Conventions name the event's fields. Default: the specification's.
	Conventions spec.Conventions
	// Scope says what schemas describe. Default: found out by their fields.
	Scope Scope
	// Unvalidated, when set, is called once a topic when it has no subject, before Validate lets the event pass.
	// It may be called from several goroutines.
	Unvalidated func(topic, subject string)
}

// Registry is a client of one registry, safe for concurrent use.
type Registry struct {
	cfg       Config
	host      string // the only one that gets credentials
	transport *http.Transport

	mu       sync.Mutex
	cached   map[key]*entry
	reported map[string]bool // topics that Unvalidated was called for
}

// New checks the configuration; it does not connect. Close gives the connections back.
func New(cfg Config) (*Registry, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("schema registry: URL %q is not http://HOST:PORT or https://HOST:PORT", redact(cfg.URL))
	}
	cfg.URL = strings.TrimRight(cfg.URL, "/")
	if cfg.Timeout <= 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.MaxAge <= 0 {
		cfg.MaxAge = 30 * time.Second
	}
	if cfg.Conventions.Envelope == (spec.Envelope{}) {
		cfg.Conventions = spec.Default()
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = cfg.TLS
	return &Registry{cfg: cfg, host: u.Host, transport: transport, cached: map[key]*entry{}, reported: map[string]bool{}}, nil
}

func redact(text string) string {
	if u, err := url.Parse(text); err == nil {
		return u.Redacted()
	}
	return "(unreadable)"
}

// Close drops idle connections. It returns nil; the error is there for io.Closer.
func (r *Registry) Close() error {
	r.transport.CloseIdleConnections()
	return nil
}

// Subjects lists the subjects of the registry, in its order.
func (r *Registry) Subjects(ctx context.Context) ([]string, error) {
	return request(ctx, r, "list subjects", func(c *srclient.SchemaRegistryClient) ([]string, error) { return c.GetSubjects() })
}

// Get returns a version of a subject, or the newest for [Latest]. It answers from memory where it can. Errors are
// ErrSubjectNotFound, ErrVersionNotFound, ErrUnauthorized and ErrUnavailable.
func (r *Registry) Get(ctx context.Context, subject string, version int) (Schema, error) {
	e, err := r.load(ctx, key{subject, version})
	if err != nil {
		return Schema{}, err
	}
	return e.schema, nil
}

func (r *Registry) fetch(ctx context.Context, k key) (Schema, error) {
	what := fmt.Sprintf("get %s version %d", k.subject, k.version)
	if k.version == Latest {
		what = "get the latest version of " + k.subject
	}
	return request(ctx, r, what, func(c *srclient.SchemaRegistryClient) (Schema, error) {
		get := func() (*srclient.Schema, error) { return c.GetSchemaByVersion(k.subject, k.version) }
		if k.version == Latest {
			get = func() (*srclient.Schema, error) { return c.GetLatestSchema(k.subject) }
		}
		s, err := get()
		if err != nil {
			return Schema{}, err
		}
		return schemaOf(k.subject, s), nil
	})
}

func schemaOf(subject string, s *srclient.Schema) Schema {
	out := Schema{Subject: subject, Version: s.Version(), ID: s.ID(), Type: Avro, Text: s.Schema()}
	if t := s.SchemaType(); t != nil && *t != "" {
		out.Type = Type(*t)
	}
	return out
}

// Register adds a version to a subject, or finds the one that has this schema already. Errors are ErrIncompatible,
// ErrInvalidSchema, ErrUnauthorized and ErrUnavailable.
func (r *Registry) Register(ctx context.Context, subject string, t Type, text string) (Schema, error) {
	s, err := request(ctx, r, "register a schema for "+subject, func(c *srclient.SchemaRegistryClient) (Schema, error) {
		if _, err := c.CreateSchema(subject, text, srclient.SchemaType(t)); err != nil {
			return Schema{}, err
		}
		s, err := c.LookupSchema(subject, text, srclient.SchemaType(t)) // the answer to creating has no version
		if err != nil {
			return Schema{}, err
		}
		return schemaOf(subject, s), nil
	})
	if err == nil {
		r.forget(subject)
	}
	return s, err
}

// Check asks the registry whether the schema may follow the subject's newest version at the subject's level. Errors
// are ErrSubjectNotFound, ErrInvalidSchema, ErrUnauthorized and ErrUnavailable; to be incompatible is none.
func (r *Registry) Check(ctx context.Context, subject string, t Type, text string) (Verdict, error) {
	call := r.newCall(ctx)
	defer call.cancel()
	c := call.client(srclient.WithPreReqFn(func(req *http.Request) error {
		req.URL.RawQuery = "verbose=true" // the reasons, which the client library leaves out of its answer
		return nil
	}))
	compatible, err := c.IsSchemaCompatible(subject, text, "latest", srclient.SchemaType(t))
	if err != nil {
		return Verdict{}, call.explain("check a schema for "+subject, err)
	}
	var answer struct {
		Messages []string `json:"messages"`
	}
	_ = json.Unmarshal(call.body.Bytes(), &answer) // a registry may have no reasons to give
	return Verdict{Compatible: compatible, Reasons: append([]string{}, answer.Messages...)}, nil
}

// request runs one conversation with the registry under its own deadline.
func request[T any](ctx context.Context, r *Registry, what string, do func(*srclient.SchemaRegistryClient) (T, error)) (T, error) {
	call := r.newCall(ctx)
	defer call.cancel()
	out, err := do(call.client())
	if err != nil {
		var zero T
		return zero, call.explain(what, err)
	}
	return out, nil
}

// explain gives an error of the client library its sentinel, and says what was attempted and where.
func (c *call) explain(what string, err error) error {
	var said srclient.Error
	reason := err.Error()
	sentinel := ErrUnavailable
	if errors.As(err, &said) {
		reason = fmt.Sprintf("%s (%d)", said.Message, said.Code)
		sentinel = sentinelOf(said.Code)
	}
	switch c.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		sentinel = ErrUnauthorized
	}
	if ctxErr := context.Cause(c.ctx); ctxErr != nil && c.status == 0 {
		return fmt.Errorf("%s at %s: %w: %w", what, redact(c.registry.cfg.URL), sentinel, ctxErr)
	}
	if errors.Is(sentinel, ErrUnavailable) && !errors.As(err, &said) {
		return fmt.Errorf("%s at %s: %w: %w", what, redact(c.registry.cfg.URL), sentinel, rootCause(err))
	}
	return fmt.Errorf("%s at %s: %w: %s", what, redact(c.registry.cfg.URL), sentinel, reason)
}

// rootCause leaves out the method and address that the HTTP client puts before the reason.
func rootCause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func sentinelOf(code int) error {
	switch code {
	case 40401:
		return ErrSubjectNotFound
	case 40402:
		return ErrVersionNotFound
	case 40403:
		return ErrSchemaNotFound
	case http.StatusConflict:
		return ErrIncompatible
	case http.StatusUnprocessableEntity, 42201:
		return ErrInvalidSchema
	case http.StatusUnauthorized, http.StatusForbidden, 40101, 40301:
		return ErrUnauthorized
	}
	return ErrUnavailable
}
