package discover_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/discover"
)

func TestStatus(t *testing.T) {
	ask := func(s *discover.Status) (code int, body string) {
		recorder := httptest.NewRecorder()
		s.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/health", nil))
		return recorder.Code, strings.TrimSpace(recorder.Body.String())
	}
	var s discover.Status
	for _, row := range []struct {
		change     func()
		health     discover.Health
		note, body string
		code       int
	}{
		{func() {}, discover.Passing, "", `{"status":"passing","checks":[]}`, 200},
		{
			func() { s.Set("database", discover.Passing, "12 connections") }, discover.Passing, "database: 12 connections",
			`{"status":"passing","checks":[{"name":"database","status":"passing","note":"12 connections"}]}`, 200,
		},
		{
			func() { s.Set("queue", discover.Warning, "") }, discover.Warning, "queue",
			`{"status":"warning","checks":[{"name":"queue","status":"warning","note":""},{"name":"database","status":"passing","note":"12 connections"}]}`, 429,
		},
		{
			func() {
				s.Set("database", discover.Critical, "gone")
				s.Set("cache", discover.Health("odd"), "") // what is not known is bad
			}, discover.Critical, "cache; database: gone",
			`{"status":"critical","checks":[{"name":"cache","status":"critical","note":""},{"name":"database","status":"critical","note":"gone"},{"name":"queue","status":"warning","note":""}]}`, 503,
		},
		{
			func() {
				s.Forget("database")
				s.Forget("cache")
				s.Forget("nobody")
			}, discover.Warning, "queue", `{"status":"warning","checks":[{"name":"queue","status":"warning","note":""}]}`, 429,
		},
	} {
		row.change()
		health, note := s.Get()
		code, body := ask(&s)
		if health != row.health || note != row.note || code != row.code || body != row.body {
			t.Errorf("got %s %q, %d %s\nwant %s %q, %d %s", health, note, code, body, row.health, row.note, row.code, row.body)
		}
	}
}

// TestStatusIsWatched: the channel is closed by a change, and by nothing else.
func TestStatusIsWatched(t *testing.T) {
	var s discover.Status
	closed := func(changed <-chan struct{}) bool {
		select {
		case <-changed:
			return true
		default:
			return false
		}
	}
	told := func() string {
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, nil)
		return answer.Body.String()
	}
	rapid.Check(t, func(r *rapid.T) {
		part := rapid.SampledFrom([]string{"a", "b"}).Draw(r, "part")
		health := rapid.SampledFrom([]discover.Health{discover.Passing, discover.Warning, discover.Critical}).Draw(r, "health")
		_, _, changed := s.Watch()
		before := told()
		if rapid.Bool().Draw(r, "forget") {
			s.Forget(part)
		} else {
			s.Set(part, health, "")
		}
		if after := told(); closed(changed) == (before == after) {
			r.Fatalf("from %s to %s: told %v", before, after, closed(changed))
		}
	})
}
