package mesh

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

type httpRoute struct {
	Match []match
	Route []weighted
	Fault *fault

	undone []string // what the route asks for and the proxy does not do
}

type match struct {
	Headers map[string]stringMatch
	URI     *stringMatch
	Method  *stringMatch

	undone []string
}

type weighted struct {
	Destination struct{ Host, Subset string }
	Weight      int
}

type fault struct {
	Delay *struct {
		Percentage *percentage
		FixedDelay duration
	}
	Abort *struct {
		Percentage *percentage
		HTTPStatus int
		GRPCStatus string
	}
}

type percentage struct{ Value float64 }

// stringMatch is exact, prefix or a regular expression for the whole text; when all are empty, presence.
type stringMatch struct{ Exact, Prefix, Regex string }

type duration time.Duration

func (d *duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	parsed, err := time.ParseDuration(s)
	*d = duration(parsed)
	return err
}

func (route *httpRoute) UnmarshalJSON(text []byte) error {
	type plain httpRoute
	if err := json.Unmarshal(text, (*plain)(route)); err != nil {
		return err
	}
	var err error
	route.undone, err = unknownKeys(text, "name", "match", "route", "fault")
	return err
}

func (m *match) UnmarshalJSON(text []byte) error {
	type plain match
	if err := json.Unmarshal(text, (*plain)(m)); err != nil {
		return err
	}
	var err error
	m.undone, err = unknownKeys(text, "name", "headers", "uri", "method")
	return err
}

func unknownKeys(text []byte, known ...string) (unknown []string, err error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		return nil, err
	}
	for _, k := range known {
		delete(keys, k)
	}
	for k := range keys {
		unknown = append(unknown, k)
	}
	return unknown, nil
}

// choose returns the first route that a request matches, nil when none does, and an error when that cannot be told.
func (vs *virtualService) choose(r *http.Request) (*httpRoute, error) {
	for i := range vs.HTTP {
		route := &vs.HTTP[i]
		matched, err := route.matches(r)
		if err != nil {
			return nil, err
		}
		if !matched {
			continue
		}
		if len(route.undone) > 0 {
			return nil, fmt.Errorf("the lab's mesh does not do %s", strings.Join(route.undone, ", "))
		}
		return route, nil
	}
	return nil, nil
}

func (route *httpRoute) matches(r *http.Request) (bool, error) {
	for i := range route.Match {
		m := &route.Match[i]
		if len(m.undone) > 0 {
			return false, fmt.Errorf("the lab's mesh does not match on %s", strings.Join(m.undone, ", "))
		}
		if m.holds(r) {
			return true, nil
		}
	}
	return len(route.Match) == 0, nil
}

func (m *match) holds(r *http.Request) bool {
	if m.URI != nil && !m.URI.holds(r.URL.RequestURI()) || m.Method != nil && !m.Method.holds(r.Method) {
		return false
	}
	for name, want := range m.Headers {
		values, there := r.Header[http.CanonicalHeaderKey(name)]
		if !there || !want.holds(strings.Join(values, ",")) {
			return false
		}
	}
	return true
}

func (s *stringMatch) holds(text string) bool {
	switch {
	case s.Exact != "":
		return text == s.Exact
	case s.Prefix != "":
		return strings.HasPrefix(text, s.Prefix)
	case s.Regex != "":
		matched, err := regexp.MatchString("^(?:"+s.Regex+")$", text)
		return err == nil && matched
	}
	return true
}

// pick chooses a destination by weight; chance is in [0, 1).
func (route *httpRoute) pick(chance float64) (host, subset string, found bool) {
	total := 0
	for _, w := range route.Route {
		total += w.Weight
	}
	if total == 0 && len(route.Route) > 0 { // a single destination needs no weight
		return route.Route[0].Destination.Host, route.Route[0].Destination.Subset, true
	}
	at := chance * float64(total)
	for _, w := range route.Route {
		if at -= float64(w.Weight); at < 0 {
			return w.Destination.Host, w.Destination.Subset, true
		}
	}
	return "", "", false
}

// hits says whether a fault with this percentage strikes; chance is in [0, 1). Without a percentage it always does.
func (p *percentage) hits(chance float64) bool { return p == nil || chance*100 < p.Value }
