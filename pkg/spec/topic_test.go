package spec_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/spec"
)

func TestParseTopic(t *testing.T) {
	c := spec.Default()
	for _, name := range []string{"prod.auth-service.user-registered.v1", "prod.health-service.vital-signs-recorded.v2", "dev.a.b.v10"} {
		topic, err := c.ParseTopic(name)
		if err != nil {
			t.Errorf("ParseTopic(%q): %v", name, err)
		}
		if topic.String() != name {
			t.Errorf("ParseTopic(%q).String() = %q", name, topic)
		}
	}
}

func TestParseTopicDiagnosis(t *testing.T) {
	long := "dev.auth-service." + strings.Repeat("x", 223) + ".v1"
	tests := []struct {
		name       string
		parts      string // the parts that are wrong, in order
		suggestion string
	}{
		{"production.auth-service.user-registered.v1", "env", "prod.auth-service.user-registered.v1"},
		{"PROD.auth-service.user-registered.v1", "env", "prod.auth-service.user-registered.v1"},
		{"porduction.auth-service.user-registered.v1", "env", ""},
		{"stagin.auth-service.user-registered.v1", "env", "staging.auth-service.user-registered.v1"},
		{"dev.AuthService.user-registered.v1", "service", "dev.auth-service.user-registered.v1"},
		{"dev.auth_service.user_registered.v1", "service event", "dev.auth-service.user-registered.v1"},
		{"dev.auth-service.HTTPServerStarted2.v1", "event", "dev.auth-service.http-server-started2.v1"},
		{"dev.auth-service.user--registered.v1", "event", "dev.auth-service.user-registered.v1"},
		{"dev.auth-service.2fa-enabled.v1", "event", ""},
		{"dev.auth-service.user-registered.1", "version", "dev.auth-service.user-registered.v1"},
		{"dev.auth-service.user-registered.V02", "version", "dev.auth-service.user-registered.v2"},
		{"dev.auth-service.user-registered.v0", "version", ""},
		{"dev.auth-service.user-registered.latest", "version", ""},
		{"dev.auth-service.user-registered.v1.0", "name", "dev.auth-service.user-registered.v1"},
		{"dev.auth-service.user-registered", "name version", "dev.auth-service.user-registered.v1"},
		{"auth-service.user-registered.v1", "name env", ""},
		{"dev/auth-service/user-registered/v1", "characters name", "dev.auth-service.user-registered.v1"},
		{"dev..user-registered.v1", "service", ""},
		{"dev.认证.user-registered.v1", "characters service", ""},
		{"dev.auth-service.user-registered.v1\n", "characters version", ""},
		{"orders", "name", ""},
		{"", "name", ""},
		{".", "name", ""},
		{long, "length", ""},
		{"dev.auth-service.user-registered.v1.dlq", "name", "dev.auth-service.user-registered.v1"},
		{"x.parked", "name", ""},
	}
	c := spec.Default()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.ParseTopic(tt.name)
			var topicErr *spec.TopicError
			if !errors.As(err, &topicErr) {
				t.Fatalf("got %v, want a *TopicError", err)
			}
			var parts []string
			for _, p := range topicErr.Problems {
				parts = append(parts, p.Part)
				if p.Want == "" {
					t.Errorf("%+v does not say what would be right", p)
				}
			}
			if got := strings.Join(parts, " "); got != tt.parts {
				t.Errorf("wrong parts: got %q, want %q (%v)", got, tt.parts, err)
			}
			if topicErr.Suggestion != tt.suggestion {
				t.Errorf("suggestion: got %q, want %q", topicErr.Suggestion, tt.suggestion)
			}
		})
	}
}

func TestTopicErrorText(t *testing.T) {
	_, err := spec.Default().ParseTopic("production.auth-service.UserRegistered")
	want := `topic "production.auth-service.UserRegistered": name "3 parts": want 4: {env}.{service}.{event}.{version}; ` +
		`env "production": want one of dev, test, staging, prod; event "UserRegistered": want kebab-case such as user-registered; ` +
		`version is missing: want v and a number from 1, such as v1 (did you mean "prod.auth-service.user-registered.v1"?)`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestLongestTopicLeavesRoom(t *testing.T) {
	c := spec.Default()
	name := "dev.auth-service." + strings.Repeat("x", 222) + ".v1"
	if len(name) != 242 || c.MaxTopicLength() != 242 {
		t.Fatalf("name has %d characters, limit is %d", len(name), c.MaxTopicLength())
	}
	if _, err := c.ParseTopic(name); err != nil {
		t.Error(err)
	}
	if got := len(c.ParkedTopic(name)); got != 249 {
		t.Errorf("parked topic has %d characters, Kafka allows 249", got)
	}
}

func TestBuildTopic(t *testing.T) {
	c := spec.Default()
	_, err := c.BuildTopic(spec.Topic{Env: "dev", Service: "auth.service", Event: "user-registered", Version: "v1"})
	var topicErr *spec.TopicError
	if !errors.As(err, &topicErr) || len(topicErr.Problems) != 1 || topicErr.Problems[0].Part != spec.PartService {
		t.Errorf("got %v, want one problem of the service", err)
	}
	_, err = c.BuildTopic(spec.Topic{})
	if !errors.As(err, &topicErr) || len(topicErr.Problems) != 4 {
		t.Errorf("got %v, want four problems", err)
	}
}

func TestSuffixes(t *testing.T) {
	const base = "dev.auth-service.user-registered.v1"
	c := spec.Default()
	for _, name := range []string{base, base + ".dlq", base + ".parked"} {
		if got := c.DLQTopic(name); got != base+".dlq" {
			t.Errorf("DLQTopic(%q) = %q", name, got)
		}
		if got := c.ParkedTopic(name); got != base+".parked" {
			t.Errorf("ParkedTopic(%q) = %q", name, got)
		}
		got, ok := c.BaseTopic(name)
		if got != base || ok != (name != base) {
			t.Errorf("BaseTopic(%q) = %q, %v", name, got, ok)
		}
	}
	if got, ok := c.BaseTopic(".dlq"); ok || got != ".dlq" {
		t.Errorf(`BaseTopic(".dlq") = %q, %v: a suffix alone has no base`, got, ok)
	}
}

func TestExplainTopic(t *testing.T) {
	tests := []struct {
		name string
		kind spec.TopicKind
		base string
		ok   bool
	}{
		{"dev.auth-service.user-registered.v1", spec.TopicEvents, "dev.auth-service.user-registered.v1", true},
		{"dev.auth-service.user-registered.v1.dlq", spec.TopicDeadLetters, "dev.auth-service.user-registered.v1", true},
		{"dev.auth-service.user-registered.v1.parked", spec.TopicParked, "dev.auth-service.user-registered.v1", true},
		{"orders.dlq", spec.TopicDeadLetters, "orders", false},
		{"orders", spec.TopicUnknown, "orders", false},
	}
	for _, tt := range tests {
		x := spec.Default().ExplainTopic(tt.name)
		if x.Kind != tt.kind || x.Base != tt.base || (x.Topic != nil) != tt.ok || (x.Err == nil) != tt.ok {
			t.Errorf("ExplainTopic(%q) = %+v", tt.name, x)
		}
	}
}

func TestOtherTopicFormat(t *testing.T) {
	c := spec.Default()
	c.Topic.Format = "acme.{service}.{event}"
	topic, err := c.ParseTopic("acme.billing.invoice-paid")
	if err != nil || topic != (spec.Topic{Service: "billing", Event: "invoice-paid"}) {
		t.Errorf("got %+v, %v", topic, err)
	}
	name, err := c.BuildTopic(spec.Topic{Env: "dev", Service: "billing", Event: "invoice-paid", Version: "v1"})
	if err != nil || name != "acme.billing.invoice-paid" {
		t.Errorf("got %q, %v", name, err)
	}
	_, err = c.ParseTopic("other.billing.InvoicePaid")
	var topicErr *spec.TopicError
	if !errors.As(err, &topicErr) || len(topicErr.Problems) != 2 || topicErr.Suggestion != "acme.billing.invoice-paid" {
		t.Errorf("got %v", err)
	}
}

func TestMatchTopic(t *testing.T) {
	const name = "prod.auth-service.user-registered.v1"
	tests := []struct {
		pattern string
		want    bool
	}{
		{name, true}, {"prod.*.user-*.v?", true}, {"**", true}, {"prod.**", true}, {"**.v1", true},
		{"**.user-registered.**", true}, {name + ".**", true}, {"*.*.*.*", true}, {"prod.*ser*ice.*.*", true},
		{"*", false}, {"*.*.*", false}, {"dev.**", false}, {"prod.*.v1", false}, {name + ".*", false}, {"", false},
	}
	for _, tt := range tests {
		if got := spec.MatchTopic(tt.pattern, name); got != tt.want {
			t.Errorf("MatchTopic(%q) = %v", tt.pattern, got)
		}
	}
}

// TestMatchTopicAgainstRegexp compares with the same pattern as a regular expression.
func TestMatchTopicAgainstRegexp(t *testing.T) {
	part := rapid.StringMatching(`[ab*?]{1,4}`)
	rapid.Check(t, func(t *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "pattern"), ".")
		name := strings.Join(rapid.SliceOfN(rapid.StringMatching(`[ab]{1,4}`), 1, 4).Draw(t, "name"), ".")
		var expr strings.Builder
		for p := range strings.SplitSeq(pattern, ".") {
			if p == "**" {
				expr.WriteString(`(\.[^.]+)*`)
				continue
			}
			expr.WriteString(`\.` + strings.NewReplacer("*", "[^.]*", "?", "[^.]").Replace(p))
		}
		want := regexp.MustCompile("^" + expr.String() + "$").MatchString("." + name)
		if got := spec.MatchTopic(pattern, name); got != want {
			t.Fatalf("MatchTopic(%q, %q) = %v", pattern, name, got)
		}
	})
}

func kebab() *rapid.Generator[string] {
	return rapid.StringMatching(`[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,6}){0,3}`)
}

func topics() *rapid.Generator[spec.Topic] {
	return rapid.Custom(func(t *rapid.T) spec.Topic {
		return spec.Topic{
			Env:     rapid.SampledFrom(spec.Default().Topic.Environments).Draw(t, "env"),
			Service: kebab().Draw(t, "service"),
			Event:   kebab().Draw(t, "event"),
			Version: rapid.StringMatching(`v[1-9][0-9]{0,3}`).Draw(t, "version"),
		}
	})
}

func TestBuildThenParse(t *testing.T) {
	c := spec.Default()
	rapid.Check(t, func(t *rapid.T) {
		topic := topics().Draw(t, "topic")
		name, err := c.BuildTopic(topic)
		if err != nil || name != topic.String() {
			t.Fatalf("BuildTopic: %q, %v", name, err)
		}
		back, err := c.ParseTopic(name)
		if err != nil || back != topic {
			t.Fatalf("ParseTopic: %+v, %v", back, err)
		}
	})
}

func FuzzParseTopic(f *testing.F) {
	for _, seed := range []string{"", "prod.auth-service.user-registered.v1", "PROD/Auth/User/1", "a.b.c.v1.0", "x.dlq", "\xff.é.b.v1"} {
		f.Add(seed)
	}
	c := spec.Default()
	f.Fuzz(func(t *testing.T, name string) {
		topic, err := c.ParseTopic(name)
		if err == nil {
			if topic.String() != name {
				t.Fatalf("ParseTopic(%q) = %+v", name, topic)
			}
			return
		}
		var topicErr *spec.TopicError
		if !errors.As(err, &topicErr) || len(topicErr.Problems) == 0 {
			t.Fatalf("ParseTopic(%q): %v says nothing", name, err)
		}
		if s := topicErr.Suggestion; s != "" {
			if _, err := c.ParseTopic(s); err != nil {
				t.Fatalf("ParseTopic(%q) suggests what is wrong too: %v", name, err)
			}
		}
	})
}

func TestKebab(t *testing.T) {
	for in, want := range map[string]string{
		"UserRegistered": "user-registered", "user_registered": "user-registered", "user registered": "user-registered",
		"HTTPServer": "http-server", "userID": "user-id", "v2Beta": "v2-beta", "--x--": "x", "": "", "é": "",
	} {
		if got := spec.Kebab(in); got != want {
			t.Errorf("Kebab(%q) = %q, want %q", in, got, want)
		}
	}
}
