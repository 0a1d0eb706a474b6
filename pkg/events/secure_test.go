package events_test

import (
	"context"
	"crypto/tls"
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

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/internal/testcert"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/secure"
)

// vault is an authority whose errors end the test.
type vault struct {
	*testing.T
	*testcert.Authority
}

func newVault(t *testing.T) vault {
	t.Helper()
	a, err := testcert.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return vault{t, a}
}

func (v vault) issue(l testcert.Leaf) testcert.Pair {
	v.Helper()
	pair, err := v.Issue(l)
	if err != nil {
		v.Fatal(err)
	}
	return pair
}

func (v vault) server(l testcert.Leaf, clients bool) *tls.Config {
	v.Helper()
	config, err := v.Server(v.issue(l), clients)
	if err != nil {
		v.Fatal(err)
	}
	return config
}

func (v vault) client(c secure.ClientTLS) *tls.Config {
	v.Helper()
	config, err := c.Config()
	if err != nil {
		v.Fatal(err)
	}
	return config
}

func startLab(t *testing.T, o kafka.Options) string {
	t.Helper()
	server, err := kafka.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server.Addrs()[0]
}

func users() []kafka.User {
	return []kafka.User{{Mechanism: "PLAIN", Name: "ada", Password: "p"}, {Mechanism: "SCRAM-SHA-256", Name: "ada", Password: "s256"}, {Mechanism: "SCRAM-SHA-512", Name: "ada", Password: "s512"}}
}

func TestSecuredConnections(t *testing.T) {
	v := newVault(t)
	client := v.issue(testcert.Leaf{Name: "client"})
	oneWay := startLab(t, kafka.Options{TLS: v.server(testcert.Leaf{Name: "broker"}, false), Users: users()})
	mutual := startLab(t, kafka.Options{TLS: v.server(testcert.Leaf{Name: "broker2"}, true)})
	trust := v.client(secure.ClientTLS{CA: v.File})
	for name, cfg := range map[string]events.Config{
		"PLAIN":         {Brokers: []string{oneWay}, TLS: trust, SASL: &events.SASL{Mechanism: "plain", Username: "ada", Password: "p"}},
		"SCRAM-SHA-256": {Brokers: []string{oneWay}, TLS: trust, SASL: &events.SASL{Mechanism: "SCRAM-SHA-256", Username: "ada", Password: "s256"}},
		"SCRAM-SHA-512": {Brokers: []string{oneWay}, TLS: trust, SASL: &events.SASL{Mechanism: "SCRAM-SHA-512", Username: "ada", Password: "s512"}},
		"mutual TLS":    {Brokers: []string{mutual}, TLS: v.client(secure.ClientTLS{CA: v.File, Cert: client.Cert, Key: client.Key})},
	} {
		t.Run(name, func(t *testing.T) {
			if err := ask(t, cfg); err != nil {
				t.Error(err)
			}
		})
	}
}

// ask asks for what every client asks for.
func ask(t *testing.T, cfg events.Config) error {
	t.Helper()
	cfg.DialTimeout = 2 * time.Second
	client, err := events.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err = client.Topics(ctx)
	return err
}

func TestSecuredConnectionsThatFail(t *testing.T) {
	v, other := newVault(t), newVault(t)
	plain := startLab(t, kafka.Options{})
	sasl := startLab(t, kafka.Options{Users: users()})
	secured := startLab(t, kafka.Options{TLS: v.server(testcert.Leaf{Name: "broker"}, false)})
	both := startLab(t, kafka.Options{TLS: v.server(testcert.Leaf{Name: "both"}, false), Users: users()})
	expired := startLab(t, kafka.Options{TLS: v.server(testcert.Leaf{Name: "expired", NotAfter: time.Now().Add(-time.Minute)}, false)})
	elsewhere := startLab(t, kafka.Options{TLS: v.server(testcert.Leaf{Name: "elsewhere", Hosts: []string{"kafka.example.org"}}, false)})
	mutual := startLab(t, kafka.Options{TLS: v.server(testcert.Leaf{Name: "mutual"}, true)})
	trust := v.client(secure.ClientTLS{CA: v.File})
	stranger := other.issue(testcert.Leaf{Name: "stranger"})
	ada := func(mechanism, password string) *events.SASL {
		return &events.SASL{Mechanism: mechanism, Username: "ada", Password: password}
	}
	for name, c := range map[string]struct {
		cfg    events.Config
		reason events.ConnectReason
		text   string
		hint   string
	}{
		"wrong password":        {events.Config{Brokers: []string{sasl}, SASL: ada("PLAIN", "x")}, events.ReasonCredentials, "", `password of "ada"`},
		"wrong SCRAM password":  {events.Config{Brokers: []string{sasl}, SASL: ada("SCRAM-SHA-512", "x")}, events.ReasonCredentials, "", "meant for SCRAM-SHA-512"},
		"mechanism not offered": {events.Config{Brokers: []string{sasl}, SASL: &events.SASL{Mechanism: "OAUTHBEARER", Token: fixed("t")}}, events.ReasonMechanism, "UNSUPPORTED_SASL_MECHANISM", "does not offer SASL OAUTHBEARER"},
		"no token":              {events.Config{Brokers: []string{sasl}, SASL: &events.SASL{Mechanism: "OAUTHBEARER", Token: events.TokenFile("/no/such/token")}}, events.ReasonMechanism, "", ""},
		"SASL missing":          {events.Config{Brokers: []string{both}, TLS: trust}, events.ReasonUnauthorised, "closed the connection", "wants SASL there"},
		"TLS to plaintext":      {events.Config{Brokers: []string{plain}, TLS: trust}, events.ReasonNoAnswer, "", "speaks plaintext"},
		"plaintext to TLS":      {events.Config{Brokers: []string{secured}}, events.ReasonSecured, "", "is TLS missing?"},
		"unknown CA":            {events.Config{Brokers: []string{secured}, TLS: other.client(secure.ClientTLS{CA: other.File})}, events.ReasonUnknownCA, "unknown authority", "file of the CA"},
		"expired":               {events.Config{Brokers: []string{expired}, TLS: trust}, events.ReasonExpired, "expired", "ended on 20"},
		"another name":          {events.Config{Brokers: []string{elsewhere}, TLS: trust}, events.ReasonOtherName, "127.0.0.1", "made for kafka.example.org"},
		"no client certificate": {events.Config{Brokers: []string{mutual}, TLS: trust}, events.ReasonNoCertificate, "certificate", "wants a client certificate"},
		"strange certificate":   {events.Config{Brokers: []string{mutual}, TLS: v.client(secure.ClientTLS{CA: v.File, Cert: stranger.Cert, Key: stranger.Key})}, events.ReasonCertificate, "certificate", "signed by a CA that the broker trusts"},
	} {
		t.Run(name, func(t *testing.T) {
			err := ask(t, c.cfg)
			var connect *events.ConnectError
			if !errors.As(err, &connect) {
				t.Fatalf("got %v", err)
			}
			if connect.Reason != c.reason || !strings.Contains(err.Error(), c.text) || !strings.Contains(connect.Hint, c.hint) || !strings.Contains(err.Error(), c.cfg.Brokers[0]) {
				t.Errorf("got %s: %v\nhint %s", connect.Reason, err, connect.Hint)
			}
		})
	}
}

func fixed(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}

func TestTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	source := events.TokenFile(path)
	var failed *events.TokenError
	if _, err := source(t.Context()); !errors.As(err, &failed) || failed.From != path {
		t.Errorf("without the file: %v", err)
	}
	for _, token := range []string{"one", "two"} {
		if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := source(t.Context()); got != token || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if err := os.WriteFile(path, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := source(t.Context()); err == nil {
		t.Error("an empty file is no token")
	}
}

func TestClientCredentials(t *testing.T) {
	asked := 0
	life := 3600.0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		id, secret, _ := r.BasicAuth()
		if id != "suokectl" || secret != "hush" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "kafka" {
			w.WriteHeader(http.StatusUnauthorized)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_client", "error_description": "who are you?"})
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": fmt.Sprint("token-", asked), "expires_in": life})
	}))
	defer server.Close()
	good := &events.ClientCredentials{URL: server.URL, ClientID: "suokectl", ClientSecret: "hush", Scope: "kafka"}
	for range 2 {
		if got, err := good.Token(t.Context()); got != "token-1" || err != nil {
			t.Errorf("a token that lasts: %q, %v", got, err)
		}
	}
	life = 1
	short := &events.ClientCredentials{URL: server.URL, ClientID: "suokectl", ClientSecret: "hush", Scope: "kafka"}
	for want := 2; want < 4; want++ {
		if got, err := short.Token(t.Context()); got != fmt.Sprint("token-", want) || err != nil {
			t.Errorf("a token that ends at once: %q, %v", got, err)
		}
	}
	bad := &events.ClientCredentials{URL: server.URL, ClientID: "suokectl", ClientSecret: "wrong"}
	var failed *events.TokenError
	if _, err := bad.Token(t.Context()); !errors.As(err, &failed) || !strings.Contains(err.Error(), "401") || !strings.Contains(err.Error(), "invalid_client: who are you?") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("got %v", err)
	}
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer page.Close()
	if _, err := (&events.ClientCredentials{URL: page.URL}).Token(t.Context()); err == nil || !strings.Contains(err.Error(), "no token") {
		t.Errorf("a web page: %v", err)
	}
}

func TestMechanismsNeedTheirCredentials(t *testing.T) {
	for mechanism, need := range map[string]string{"PLAIN": "user and a password", "SCRAM-SHA-256": "user and a password", "OAUTHBEARER": "token", "GSSAPI": "unknown"} {
		if _, err := events.New(events.Config{Brokers: []string{"b:1"}, SASL: &events.SASL{Mechanism: mechanism}}); err == nil || !strings.Contains(err.Error(), need) {
			t.Errorf("%s: %v", mechanism, err)
		}
	}
}

// What one topic or group is denied is told beside what the others tell.
func TestDenied(t *testing.T) {
	allow := func(kind kmsg.ACLResourceType, name string, operation kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: kind, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: operation, Allow: true}
	}
	const hidden = "dev.auth-service.user-hidden.v1"
	address := startLab(t, kafka.Options{
		Topics: []kafka.Topic{{Name: registered}, {Name: hidden}},
		Users: []kafka.User{
			{Mechanism: "PLAIN", Name: "admin", Password: "a"},
			{Mechanism: "PLAIN", Name: "ada", Password: "p", ACLs: []kfake.ACL{
				allow(kmsg.ACLResourceTypeTopic, registered, kmsg.ACLOperationRead),
				allow(kmsg.ACLResourceTypeGroup, "open", kmsg.ACLOperationRead),
			}},
		},
	})
	c := &cluster{T: t, addrs: []string{address}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	c.ctx = ctx
	c.client = c.connect(events.Config{Brokers: c.addrs, SASL: &events.SASL{Mechanism: "PLAIN", Username: "admin", Password: "a"}})
	c.fill("open", 2, 1)
	c.fill("closed", 2, 1)
	c.client = c.connect(events.Config{Brokers: c.addrs, SASL: &events.SASL{Mechanism: "PLAIN", Username: "ada", Password: "p"}})

	var denied *events.DeniedError
	topics, err := c.client.DescribeTopics(c.ctx, registered, hidden)
	if len(topics) != 1 || topics[0].Name != registered || !errors.As(err, &denied) || !strings.Contains(err.Error(), "describe topic "+hidden) {
		t.Errorf("topics: %v, %v", topics, err)
	} else if len(topics[0].Untold) != 2 || !strings.Contains(topics[0].Untold[1], "size on the disks of broker 0") {
		t.Errorf("untold: %q", topics[0].Untold)
	}
	if all, err := c.client.Topics(c.ctx); err != nil || len(all) != 1 {
		t.Errorf("the list: %v, %v", all, err)
	}
	groups, err := c.client.Groups(c.ctx, "open", "closed")
	if len(groups) != 1 || groups[0].Name != "open" || groups[0].Lag != 3 || !errors.As(err, &denied) || !strings.Contains(err.Error(), "describe group closed") {
		t.Errorf("groups: %+v, %v", groups, err)
	}
	_, planned := c.client.PlanAlter(c.ctx, registered, events.TopicChange{Partitions: 5})
	for what, err := range map[string]error{
		"alter": planned, "delete": c.client.DeleteTopic(c.ctx, registered), "delete group": c.client.DeleteGroup(c.ctx, "open"),
		"create": c.client.CreateTopic(c.ctx, events.NewTopic{Name: "dev.auth-service.user-new.v1"}, false),
	} {
		if !errors.As(err, &denied) || !strings.Contains(err.Error(), "AUTHORIZATION_FAILED") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
