package consulgrpc_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/consulgrpc"
)

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]discover.Query{
		"consul:///auth":  {},
		"consul:///auth?": {},
		"consul:///auth?version=v1&tag=prod&tag=eu":        {Version: "v1", Tags: []string{"prod", "eu"}},
		"consul:///auth?dc=dc2&near=_agent&health=warning": {Datacenter: "dc2", Near: "_agent", Health: discover.Warning},
		"consul:///auth?health=any&meta.team=core&meta.a.b=%26": {
			Health: discover.Any, Meta: map[string]string{"team": "core", "a.b": "&"},
		},
	} {
		got, err := consulgrpc.ParseTarget(text)
		if err != nil || got.Service != "auth" || !cmp.Equal(got.Query, want) {
			t.Errorf("ParseTarget(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, reason := range map[string]string{
		"":                                    "scheme",
		"auth":                                "scheme",
		"dns:///auth":                         "scheme",
		"consul://auth":                       "use consul:///NAME",
		"consul://user@/auth":                 "use consul:///NAME",
		"consul:auth":                         "use consul:///NAME",
		"consul:///":                          "use consul:///NAME",
		"consul:///a/b":                       "use consul:///NAME",
		"consul:///a%2Fb":                     "use consul:///NAME",
		"consul:///a%0ab":                     "control character",
		"consul:///a%20b":                     "blank",
		"consul:///%zz":                       "invalid URL escape",
		"consul:///a?tag=%zz":                 "invalid URL escape",
		"consul:///a?tag=x;version=v1":        "semicolon",
		"consul:///a#v1":                      "#v1 is no part",
		"consul:///a?versio=v1":               `"versio" is not known; did you mean version?`,
		"consul:///a?Tags=x":                  "did you mean tag?",
		"consul:///a?team=core":               "version, tag, dc, health, near and meta.KEY are",
		"consul:///a?version=v1&version=v2":   `"version" is given 2 times`,
		"consul:///a?meta.team=a&meta.team=b": `"meta.team" is given 2 times`,
		"consul:///a?meta.=x":                 "meta. needs a key",
		"consul:///a?health=critical":         `health "critical" is none of passing, warning, any`,
	} {
		var bad *consulgrpc.TargetError
		if got, err := consulgrpc.ParseTarget(text); !errors.As(err, &bad) || !strings.Contains(err.Error(), reason) {
			t.Errorf("ParseTarget(%q) = %+v, %v; want %q", text, got, err, reason)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	f.Add("consul:///auth?version=v1&tag=prod&meta.a=b")
	f.Add("consul:///%2e%2e?health=any#x")
	f.Fuzz(func(t *testing.T, text string) {
		target, err := consulgrpc.ParseTarget(text)
		if err == nil && (target.Service == "" || strings.Contains(target.Service, "/")) {
			t.Errorf("ParseTarget(%q) = %+v", text, target)
		}
	})
}
