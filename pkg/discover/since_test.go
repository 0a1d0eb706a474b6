package discover_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/suokelife/suokectl/pkg/discover"
)

// sinceOf explains the one failing instance of auth-service, and returns since when its check is as it is.
func sinceOf(t *testing.T, c *discover.Client, q discover.Query) *discover.Since {
	t.Helper()
	all, err := c.Explain(t.Context(), "auth-service", q, discover.ExplainOptions{})
	if err != nil || len(all) != 1 || len(all[0].Causes) == 0 || all[0].Causes[0].Check == nil {
		t.Fatalf("got %+v, %v", all, err)
	}
	return all[0].Causes[0].Since
}

// TestSinceBetweenLooks: two processes look, and what one saw the other tells.
func TestSinceBetweenLooks(t *testing.T) {
	server, registrar := start(t)
	config := discover.Config{Address: server.Addr(), CacheDir: t.TempDir()}
	id := register(t, registrar, "auth-service", "v1", 1, discover.Critical)
	if since := sinceOf(t, client(t, config), discover.Query{}); since != nil {
		t.Errorf("at the first look: %+v", since)
	}
	first := time.Now()
	if since := sinceOf(t, client(t, config), discover.Query{}); since == nil || !since.After.IsZero() || since.Before.After(first) {
		t.Errorf("at the second: %+v", since)
	}
	report(t, registrar, id, discover.Passing, "")
	if _, err := client(t, config).Instances(t.Context(), "auth-service", discover.Query{}); err != nil {
		t.Fatal(err)
	}
	report(t, registrar, id, discover.Warning, "")
	since := sinceOf(t, client(t, config), discover.Query{})
	if since == nil || !since.After.After(first) || !since.Before.After(since.After) {
		t.Fatalf("after it passed at a look: %+v, first %v", since, first)
	}
	report(t, registrar, id, discover.Warning, "only another text")
	if again := sinceOf(t, client(t, config), discover.Query{}); again == nil || !again.Before.Equal(since.Before) {
		t.Errorf("after another text: %+v, was %+v", again, since)
	}
	report(t, registrar, id, discover.Critical, "")
	if worse := sinceOf(t, client(t, config), discover.Query{}); worse == nil || !worse.After.After(since.Before) {
		t.Errorf("in another state: %+v, was %+v", worse, since)
	}
	if since := sinceOf(t, registrar, discover.Query{}); since != nil {
		t.Errorf("without a folder: %+v", since)
	}
}

// TestSinceOfAWatch: a watch that waits for a change sees it when it comes.
func TestSinceOfAWatch(t *testing.T) {
	server, registrar := start(t)
	config := discover.Config{Address: server.Addr(), CacheDir: t.TempDir()}
	id := register(t, registrar, "auth-service", "v1", 1, discover.Passing)
	next := watching(t, client(t, config), discover.Query{Health: discover.Any})
	next()
	before := time.Now()
	report(t, registrar, id, discover.Critical, "")
	next()
	since := sinceOf(t, client(t, config), discover.Query{})
	if since == nil || since.After.Before(before) || !since.After.Equal(since.Before) {
		t.Errorf("got %+v, it changed at %v", since, before)
	}
	if text, err := json.Marshal(since); err != nil || string(text) != `{"after":"`+since.After.Format(time.RFC3339Nano)+`","before":"`+since.Before.Format(time.RFC3339Nano)+`"}` {
		t.Errorf("%s, %v", text, err)
	}
}

// TestSinceIsNotTakenFromAPart: where a filter or ACLs hide some, that a check is not seen failing means nothing.
func TestSinceIsNotTakenFromAPart(t *testing.T) {
	hidden := false
	reply := entries(`"ID": "1", "Service": "auth-service", "Port": 1`)
	failing := `[` + entryJSON(nodeJSON, `{"ID": "1", "Service": "auth-service", "Port": 1}`, `{"CheckID": "c", "Status": "critical", "ServiceID": "1", "Output": "x"}`) + `]`
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/v1/health/service/auth-service":
			w.WriteHeader(http.StatusForbidden)
		case hidden:
			hide(w)
			_, _ = w.Write([]byte("[]"))
		default:
			_, _ = w.Write([]byte(reply))
		}
	})
	c := client(t, discover.Config{Address: server.URL, CacheDir: t.TempDir()})
	hidden = true
	_, _ = c.Explain(t.Context(), "auth-service", discover.Query{}, discover.ExplainOptions{}) // it fails, as it should
	hidden = false
	if _, err := c.Instances(t.Context(), "auth-service", discover.Query{Filter: "Service.Port == 1"}); err != nil {
		t.Fatal(err)
	}
	reply = failing
	if since := sinceOf(t, c, discover.Query{}); since != nil {
		t.Errorf("nobody saw it before, and it is since %+v", since)
	}
}
