package discover

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// Config says which agent to ask and as whom. Nothing of it is ever filled from the environment.
type Config struct {
	// Address is host:port, a URL (http://host:port, https://host:port/prefix) or unix:///path. It is required, and names
	// no user: errors tell it.
	Address string
	// Token is sent with every request; empty is the anonymous token.
	Token string
	// Username and Password are for a proxy before Consul that wants HTTP basic authentication; empty are none.
	Username, Password string
	// Datacenter is asked when a query names none; empty is the agent's own.
	Datacenter string
	// Namespace and Partition are for Consul Enterprise; empty are the token's defaults.
	Namespace, Partition string
	// TLS is used when it is not nil or the address is an https URL.
	TLS *TLS
	// Timeout bounds each request but a watch's; default 10 s.
	Timeout time.Duration
	// MaxWaiting is how many watches may wait for a change at the same time, each on a connection of its own; one
	// beyond them asks every 10 s instead. Default 100: an agent takes 200 connections from one address unless its
	// limits.http_max_conns_per_client says otherwise.
	MaxWaiting int
	// CacheDir is a folder in which the instances of a service are kept whenever they are read, for when Consul cannot
	// be asked: files that only the user may read. Empty keeps nothing.
	CacheDir string
}

// TLS says how the agent's certificate is verified and which one is shown to it. The zero value verifies with the
// system's roots.
type TLS struct {
	CA, Cert, Key string // paths of PEM files; Cert and Key go together
	CAPath        string // a folder of PEM files, when CA is empty
	ServerName    string // expected in the certificate; default the address's host
	Insecure      bool   // do not verify the agent's certificate
}

// Client asks one agent. It is safe for concurrent use.
type Client struct {
	consul    *api.Client
	address   string // as errors name it
	anonymous bool   // no token is sent
	timeout   time.Duration
	transport *http.Transport
	http      *http.Client // what consul sends with, for what it has no method for
	base      string       // the URL before the path of a request

	datacenter, namespace, partition string

	waiting  chan struct{} // holds one for each watch that has a connection to wait on
	turns    chan struct{} // holds one for each watch without one that is asking
	cacheDir string
}

const (
	defaultTimeout    = 10 * time.Second
	defaultMaxWaiting = 100
	dialTimeout       = 3 * time.Second
	askFirst          = 64 << 10 // bytes of a request that are not sent unless the agent takes them
)

// ErrNoAddress is returned by New when the configuration names no agent.
var ErrNoAddress = errors.New("no address of Consul is configured")

// New makes a client. It does not connect yet. It fails when the address is empty or malformed, or a TLS file
// cannot be read.
func New(config Config) (*Client, error) {
	where, err := parseAddress(config.Address)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DialContext:         where.dial,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     90 * time.Second,

		ExpectContinueTimeout: time.Second,
	}
	if config.TLS != nil || where.scheme == "https" {
		where.scheme = "https"
		if transport.TLSClientConfig, err = config.TLS.config(); err != nil {
			return nil, fmt.Errorf("prepare TLS for Consul at %s: %w", config.Address, err)
		}
	}
	sender := &http.Client{Transport: &identity{config: config, next: transport}}
	consul, err := api.NewClient(&api.Config{
		Address: where.host, Scheme: where.scheme, PathPrefix: where.prefix,
		HttpClient: sender,
		TokenFile:  os.DevNull, // else the client takes the token, or a file with it, from the environment
	})
	if err != nil {
		return nil, fmt.Errorf("make a client of Consul at %s: %w", config.Address, err)
	}
	return &Client{
		consul: consul, address: config.Address, anonymous: config.Token == "",
		timeout: positiveOr(config.Timeout, defaultTimeout), transport: transport,
		http: sender, base: where.scheme + "://" + where.host + where.prefix,
		datacenter: config.Datacenter, namespace: config.Namespace, partition: config.Partition,
		waiting: make(chan struct{}, positiveOr(config.MaxWaiting, defaultMaxWaiting)),
		turns:   make(chan struct{}, parallel), cacheDir: config.CacheDir,
	}, nil
}

func positiveOr[N ~int | ~int64](n, fallback N) N {
	if n > 0 {
		return n
	}
	return fallback
}

// Close closes idle connections. Requests under way are not touched.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// identity makes every request speak as the configuration says and in no other name: the API client fills what is
// empty from CONSUL_* variables.
type identity struct {
	config Config
	next   http.RoundTripper
}

// A page that answers to a write is an error: the API client does not read what it takes for an acknowledgement.
func (i *identity) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	query := req.URL.Query()
	for name, value := range map[string]string{"ns": i.config.Namespace, "partition": i.config.Partition} {
		query.Del(name)
		if value != "" {
			query.Set(name, value)
		}
	}
	req.URL.RawQuery = query.Encode()
	if req.ContentLength > askFirst {
		req.Header.Set("Expect", "100-continue") // else an agent that refuses it hangs up before its reason is read
	}
	if !query.Has("cas") { // which would be refused the second time because of the first
		req.Header["Idempotency-Key"] = nil // not sent: tells the transport that a write may go again over a fresh connection
	}
	req.Header.Del("Authorization")
	req.Header.Del("X-Consul-Token")
	if i.config.Token != "" {
		req.Header.Set("X-Consul-Token", i.config.Token)
	}
	if i.config.Username != "" || i.config.Password != "" {
		req.SetBasicAuth(i.config.Username, i.config.Password)
	}
	if own, ok := req.Context().Value(ownTransport{}).(*http.Transport); ok {
		return own.RoundTrip(req)
	}
	reply, err := i.next.RoundTrip(req)
	if err == nil && req.Method != http.MethodGet && strings.HasPrefix(reply.Header.Get("Content-Type"), "text/html") && reply.StatusCode == http.StatusOK {
		_ = reply.Body.Close() // it is not read
		return nil, errors.New("a web page answered; is this Consul's HTTP port?")
	}
	return reply, err
}

// ownTransport is the key under which a context carries the transport of who shares no connections.
type ownTransport struct{}

// address is a parsed Config.Address.
type address struct {
	scheme, host, prefix string
	socket               string // a Unix socket to dial instead of host
}

func parseAddress(text string) (address, error) {
	if text == "" {
		return address{}, ErrNoAddress
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	parsed, err := url.Parse(text)
	if err != nil {
		return address{}, fmt.Errorf("address of Consul: %w", cause(err)) // which does not quote it
	}
	switch {
	case parsed.User != nil:
		return address{}, errors.New("address of Consul: a user and a password in it would be in every error; configure them by themselves")
	case parsed.Scheme == "unix" && parsed.Path != "":
		return address{scheme: "http", host: "localhost", socket: parsed.Path}, nil
	case (parsed.Scheme == "http" || parsed.Scheme == "https") && parsed.Host != "":
		return address{scheme: parsed.Scheme, host: parsed.Host, prefix: strings.TrimSuffix(parsed.Path, "/")}, nil
	}
	return address{}, fmt.Errorf("address of Consul %q is not host:port, an http or https URL, or unix:///path", text)
}

// hostname is the host without its port.
func (a address) hostname() string { return (&url.URL{Host: a.host}).Hostname() }

func (a address) dial(ctx context.Context, network, host string) (net.Conn, error) {
	if a.socket != "" {
		network, host = "unix", a.socket
	}
	return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, host)
}

func (t *TLS) config() (*tls.Config, error) {
	if t == nil {
		t = &TLS{}
	}
	config, err := api.SetupTLSConfig(&api.TLSConfig{
		CAFile: t.CA, CAPath: t.CAPath, CertFile: t.Cert, KeyFile: t.Key, Address: t.ServerName, InsecureSkipVerify: t.Insecure,
	})
	if err != nil {
		return nil, err
	}
	config.MinVersion = tls.VersionTLS12
	return config, nil
}

// bounded gives a request its deadline.
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.timeout)
}

func (c *Client) options(ctx context.Context, q Query) *api.QueryOptions {
	return (&api.QueryOptions{Datacenter: c.datacenterOf(q), Near: q.Near}).WithContext(ctx)
}

func (c *Client) datacenterOf(q Query) string { return cmp.Or(q.Datacenter, c.datacenter) }
