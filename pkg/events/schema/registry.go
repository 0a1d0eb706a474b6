package schema

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/riferrei/srclient"

	"github.com/suokelife/suokectl/pkg/spec"
)

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
	// MaxAge is how long the latest version of a subject, or its absence, is believed. It is asked for again, while it
	// is used, from half of that on: a registry that is slower than usual holds nobody up. Default 30 s.
	MaxAge time.Duration
	// CacheDir is a folder in which the schemas that events are validated, encoded and decoded by outlive the process,
	// the newest of a subject for MaxAge. None when empty.
	CacheDir string
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

	cached cache
	disk   disk

	mu       sync.Mutex
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
	return &Registry{
		cfg: cfg, host: u.Host, transport: transport, reported: map[string]bool{},
		cached: newCache(), disk: newDisk(cfg.CacheDir, cfg.URL),
	}, nil
}

func redact(text string) string {
	if u, err := url.Parse(text); err == nil {
		return u.Redacted()
	}
	return "(unreadable)"
}

// Close ends what goes on in the background and drops idle connections. It returns nil; the error is there for
// io.Closer.
func (r *Registry) Close() error {
	r.cached.close()
	r.transport.CloseIdleConnections()
	return nil
}

// Subjects lists the subjects of the registry, in its order.
func (r *Registry) Subjects(ctx context.Context) ([]string, error) {
	return request(ctx, r, "list subjects", func(c *srclient.SchemaRegistryClient) ([]string, error) { return c.GetSubjects() })
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
