package config_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/pkg/spec"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, text string) *config.File {
	t.Helper()
	f, err := config.Load(write(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func env(pairs ...string) func(string) string {
	return func(key string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == key {
				return pairs[i+1]
			}
		}
		return ""
	}
}

const two = `# our contexts
current_context: dev
contexts:
  dev:
    env: dev
    consul:
      address: 10.0.0.1:8500 # the old one
      token: ${env:DEV_TOKEN}
  bare:
    env: test
`

func TestPrecedence(t *testing.T) {
	stray := []string{"CONSUL_HTTP_ADDR", "evil:8500", "CONSUL_HTTP_TOKEN", "stray", "KUBECONFIG", "/k", "DEV_TOKEN", "t0ken"}
	for _, test := range []struct {
		name, flag           string
		env                  []string
		address, token, kube string
	}{
		{"the context's own value beats stray variables", "", stray, "10.0.0.1:8500", "t0ken", "/k"},
		{"an ecosystem variable fills what is empty", "bare", stray, "evil:8500", "stray", "/k"},
		{"our variable beats the context", "", append([]string{"SUOKECTL_CONSUL_ADDRESS", "mine:8500"}, stray...), "mine:8500", "t0ken", "/k"},
		{"our address takes no stray token", "bare", append([]string{"SUOKECTL_CONSUL_ADDRESS", "mine:8500"}, stray...), "mine:8500", "", "/k"},
		{"SUOKECTL_CONTEXT beats the file", "", append([]string{"SUOKECTL_CONTEXT", "bare"}, stray...), "evil:8500", "stray", "/k"},
		{"--context beats SUOKECTL_CONTEXT", "dev", append([]string{"SUOKECTL_CONTEXT", "bare"}, stray...), "10.0.0.1:8500", "t0ken", "/k"},
	} {
		t.Run(test.name, func(t *testing.T) {
			source := config.Source{File: load(t, two), Flag: test.flag, Getenv: env(test.env...)}
			r, err := source.Resolve(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			got := []string{r.Consul.Address, r.Consul.Token, r.Kube.Config}
			if diff := cmp.Diff([]string{test.address, test.token, test.kube}, got); diff != "" {
				t.Errorf("address, token, kubeconfig: -want +got\n%s", diff)
			}
		})
	}
}

// TestConsulVariables reads them as the Consul CLI does: alone, for a context that names no Consul, never for one that does.
func TestConsulVariables(t *testing.T) {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("of-the-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := []string{
		"CONSUL_HTTP_ADDR", "https://c:8501", "CONSUL_HTTP_TOKEN", "of-the-variable", "CONSUL_HTTP_TOKEN_FILE", token,
		"CONSUL_HTTP_AUTH", "me:secret", "CONSUL_HTTP_SSL", "1", "CONSUL_HTTP_SSL_VERIFY", "false",
		"CONSUL_CACERT", "/ca.pem", "CONSUL_CAPATH", "/cas", "CONSUL_CLIENT_CERT", "/cert.pem", "CONSUL_CLIENT_KEY", "/key.pem",
		"CONSUL_TLS_SERVER_NAME", "consul.test", "CONSUL_NAMESPACE", "team", "CONSUL_PARTITION", "part",
	}
	want := config.Consul{
		Address: "https://c:8501", Token: "of-the-file", Auth: "me:secret", Namespace: "team", Partition: "part", CAPath: "/cas",
		TLS: config.TLS{Enabled: true, CA: "/ca.pem", Cert: "/cert.pem", Key: "/key.pem", ServerName: "consul.test", Insecure: true},
	}
	for _, test := range []struct {
		name, file, flag string
		env              []string
		want             config.Consul
	}{
		{"no context at all", "", "", all, want},
		{"a context without a Consul", two, "bare", all, want},
		{"the address alone", "", "", all[:2], config.Consul{Address: "https://c:8501"}},
		{"a token without a file", "", "", all[:4], config.Consul{Address: "https://c:8501", Token: "of-the-variable"}},
		{"verified, as it says", "", "", []string{"CONSUL_HTTP_ADDR", "c:1", "CONSUL_HTTP_SSL_VERIFY", "true"}, config.Consul{Address: "c:1"}},
		{"a context that names its own", two, "dev", append([]string{"DEV_TOKEN", "t"}, all...), config.Consul{Address: "10.0.0.1:8500", Token: "t"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := config.Source{File: load(t, test.file), Flag: test.flag, Getenv: env(test.env...)}.Resolve(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, r.Consul); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
	for variable, text := range map[string]string{"CONSUL_HTTP_SSL_VERIFY": "perhaps", "CONSUL_HTTP_SSL": "perhaps", "CONSUL_HTTP_TOKEN_FILE": "/nowhere"} {
		_, err := config.Source{File: load(t, ""), Getenv: env("CONSUL_HTTP_ADDR", "c:1", variable, text)}.Resolve(context.Background())
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s=%s: %v, want an error that shows it", variable, text, err)
		}
	}
}

func TestTheLabIsWhole(t *testing.T) {
	lab := &config.Context{Name: "lab", Env: "dev", Consul: config.Consul{Address: "127.0.0.1:1"}}
	variables := env("CONSUL_HTTP_TOKEN", "stray", "SUOKECTL_KAFKA_BROKERS", "other:9092", "KUBECONFIG", "/k")
	r, err := config.Source{File: load(t, ""), Lab: lab, Getenv: variables}.Resolve(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if r.Name != "lab" || r.Consul.Token != "" || len(r.Kafka.Brokers) > 0 || r.Kube.Config != "" {
		t.Errorf("variables were mixed into the lab: %+v", r.Context)
	}
	r, err = config.Source{File: load(t, two), Lab: lab, Getenv: env("DEV_TOKEN", "x")}.Resolve(context.Background())
	if err != nil || r.Name != "dev" {
		t.Errorf("a configured context gives way to the lab: %v, %v", r, err)
	}
}

func TestNoContext(t *testing.T) {
	_, err := config.Source{File: load(t, ""), Getenv: env()}.Resolve(context.Background())
	if !errors.Is(err, config.ErrNoContext) {
		t.Errorf("error %v, want ErrNoContext", err)
	}
	var unknown *config.UnknownContextError
	_, err = config.Source{File: load(t, two), Flag: "prod", Getenv: env()}.Resolve(context.Background())
	if !errors.As(err, &unknown) || !strings.Contains(err.Error(), "it has bare, dev") {
		t.Errorf("error %v, want the known contexts", err)
	}
}

func TestBrokenFilesSayWhere(t *testing.T) {
	for _, test := range []struct {
		name, text   string
		line, column int
		message      string
	}{
		{"unknown key", "contexts:\n  dev:\n    consul:\n      zone: x\n", 4, 7, "zone"},
		{"wrong type", "contexts:\n  dev:\n    protected: perhaps\n", 3, 16, "type bool"},
		{"tab", "contexts:\n\tdev: {}\n", 2, 1, ""},
		{"twice", "current_context: a\ncurrent_context: b\n", 2, 1, "already defined"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := config.Load(write(t, test.text))
			var parse *config.ParseError
			if !errors.As(err, &parse) {
				t.Fatalf("error %v, want a ParseError", err)
			}
			if parse.Line != test.line || parse.Column != test.column || !strings.Contains(parse.Message, test.message) {
				t.Errorf("%v, want %d:%d with %q", err, test.line, test.column, test.message)
			}
		})
	}
}

func TestReferences(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	own := config.Expander{Getenv: env("A", "from-env"), Commands: true}
	foreign := config.Expander{Getenv: env("A", "from-env")}
	for _, test := range []struct {
		x             config.Expander
		in, want, err string
	}{
		{own, "plain", "plain", ""},
		{own, "x-${env:A}-y", "x-from-env-y", ""},
		{own, "${file:" + secret + "}", "from-file", ""},
		{own, "${cmd:echo from-command}", "from-command", ""},
		{own, "${env:NOT_SET}", "", "${env:NOT_SET}: the variable is not set"},
		{own, "${file:/does/not/exist}", "", "${file:/does/not/exist}: "},
		{own, "${cmd:exit 3}", "", "${cmd:exit 3}: the command failed"},
		{foreign, "${cmd:echo x}", "", "your own config.yaml only"},
		{own, "${other:x}", "${other:x}", ""},
	} {
		got, err := test.x.Expand(context.Background(), test.in)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want %q", test.in, err, test.err)
			}
			continue
		}
		if err != nil || got != test.want {
			t.Errorf("%s: %q, %v; want %q", test.in, got, err, test.want)
		}
	}
}

func TestSaveKeepsCommentsAndGuardsSecrets(t *testing.T) {
	path := write(t, two)
	f, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Set("prod", config.Context{Env: "prod", Protected: true})
	if err := f.Use("prod"); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# our contexts", "# the old one", "current_context: prod", "${env:DEV_TOKEN}"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%q is gone from\n%s", want, b)
		}
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode().Perm())
	}
}

// Every setting survives being written as text and read back.
func TestSettingsRoundTrip(t *testing.T) {
	settings := config.Settings()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(settings).Draw(t, "setting")
		text := rapid.StringMatching(`true|false|[a-z0-9.:/-]{1,20}(,[a-z0-9.:/-]{1,20}){0,2}`).Draw(t, "text")
		var first, second config.Context
		if s.Set(&first, text) != nil {
			return // not a value of this setting
		}
		if got := s.Get(&first); got != "" {
			if err := s.Set(&second, got); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatalf("%s: written as %q: %s", s.Key, text, diff)
		}
	})
}

func TestConventions(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(deep, 0o750); err != nil {
		t.Fatal(err)
	}
	if got := config.FindConventions(deep); got != "" {
		t.Fatalf("found %q in an empty tree", got)
	}
	path := filepath.Join(root, config.ConventionsFile)
	text := "organization: acme\ntopic:\n  environments: [qa, live]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.LoadConventions(config.FindConventions(deep))
	if err != nil {
		t.Fatal(err)
	}
	want := spec.Default()
	want.Organization, want.Topic.Environments = "acme", []string{"qa", "live"}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for _, bad := range []string{"organisation: acme\n", "organization: ''\n", "topic: [1]\n"} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.LoadConventions(path); err == nil || !strings.Contains(err.Error(), config.ConventionsFile) {
			t.Errorf("%q: error %v, want one that names the file", bad, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(two)
	f.Add("contexts: [")
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if f, err := config.Load(path); err == nil && f == nil {
			t.Error("neither a file nor an error")
		}
	})
}
