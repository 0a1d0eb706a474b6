package consulgrpc

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/spec"
)

const scheme = "consul"

// Target is what a consul: URL asks for.
type Target struct {
	Service string
	Query   discover.Query
}

// TargetError says why a text is no target.
type TargetError struct {
	Text   string
	Reason string
}

// Error names the text and what is wrong with it.
func (e *TargetError) Error() string { return fmt.Sprintf("%q is no target: %s", e.Text, e.Reason) }

// ParseTarget reads consul:///NAME with the parameters version, tag (may be repeated, all are wanted), dc, health
// (passing, warning or any), near and meta.KEY. Errors are *TargetError.
func ParseTarget(text string) (Target, error) {
	parsed, err := url.Parse(text)
	if err != nil {
		return Target{}, &TargetError{text, err.Error()}
	}
	return fromURL(*parsed)
}

func fromURL(u url.URL) (Target, error) {
	bad := func(format string, args ...any) (Target, error) {
		return Target{}, &TargetError{u.String(), fmt.Sprintf(format, args...)}
	}
	name := strings.TrimPrefix(u.Path, "/")
	switch {
	case u.Scheme != scheme:
		return bad("the scheme is not %s", scheme)
	case u.Host != "" || u.User != nil || u.Opaque != "" || name == "" || strings.Contains(name, "/"):
		return bad("use consul:///NAME?version=v1&tag=prod")
	case u.Fragment != "":
		return bad("#%s is no part of a target", u.Fragment)
	case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return bad("the name has a blank or a control character")
	}
	given, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return bad("%v", err)
	}
	target := Target{Service: name}
	for key, values := range given {
		if reason := target.set(key, values); reason != "" {
			return bad("%s", reason)
		}
	}
	return target, nil
}

// parameters are the names that a target may have beside meta.KEY.
func parameters() []string { return []string{"version", "tag", "dc", "health", "near"} }

// set takes the values of a parameter, and says what is wrong with them.
func (t *Target) set(key string, values []string) (reason string) {
	meta, isMeta := strings.CutPrefix(key, "meta.")
	switch {
	case key == "tag":
		t.Query.Tags = values
		return ""
	case !isMeta && !slices.Contains(parameters(), key):
		return unknown(key)
	case len(values) > 1:
		return fmt.Sprintf("the parameter %q is given %d times", key, len(values))
	case isMeta && meta == "":
		return "meta. needs a key, as in meta.team=core"
	}
	switch value := values[0]; key {
	case "version":
		t.Query.Version = value
	case "dc":
		t.Query.Datacenter = value
	case "near":
		t.Query.Near = value
	case "health":
		return t.setHealth(discover.Health(value))
	default:
		if t.Query.Meta == nil {
			t.Query.Meta = map[string]string{}
		}
		t.Query.Meta[meta] = value
	}
	return ""
}

func (t *Target) setHealth(health discover.Health) (reason string) {
	switch health {
	case discover.Passing, discover.Warning, discover.Any:
		t.Query.Health = health
		return ""
	}
	return fmt.Sprintf("health %q is none of passing, warning, any", health)
}

func unknown(key string) string {
	for _, known := range parameters() {
		if spec.EditDistance(strings.ToLower(key), known) <= max(1, len(known)/3) {
			return fmt.Sprintf("the parameter %q is not known; did you mean %s?", key, known)
		}
	}
	return fmt.Sprintf("the parameter %q is not known; %s and meta.KEY are", key, strings.Join(parameters(), ", "))
}
