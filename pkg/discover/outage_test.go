package discover_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/suokelife/suokectl/pkg/discover"
)

const oneInstance = `"ID": "1", "Service": "auth-service", "Port": 1`

// agent answers each request by its number, from 1.
func agent(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *discover.Client {
	t.Helper()
	var requests atomic.Int32
	return client(t, discover.Config{Address: serve(t, func(w http.ResponseWriter, r *http.Request) {
		answer(int(requests.Add(1)), w, r)
	}).URL})
}

// tell answers with the set of that many instances and the index.
func tell(w http.ResponseWriter, index, instances int) {
	w.Header().Set("X-Consul-Index", fmt.Sprint(index))
	list := make([]string, instances)
	for i := range list {
		list[i] = fmt.Sprintf(`"ID": "%d", "Service": "auth-service", "Port": 1`, i+1)
	}
	_, _ = io.WriteString(w, entries(list...))
}

// TestWatchThrough: a watch keeps the last good set through an answer that tells nothing, says why, and recovers.
func TestWatchThrough(t *testing.T) {
	for _, row := range []struct {
		what   string
		answer http.HandlerFunc
		kind   error
		want   string
	}{
		{"no leader", plain(500, "No cluster leader"), nil, "have not agreed on a leader"},
		{"429", plain(429, "Your IP is issuing too many concurrent connections, please rate limit your calls\n"), nil, "limits the rate"},
		{"500 with a text", plain(500, "rpc error making call: EOF"), nil, "it answered 500 rpc error making call: EOF"},
		{"a token that expired", plain(403, "ACL not found"), discover.ErrDenied, "does not know this token; is it of another cluster, or expired?"},
		{"a permission that was taken away", plain(403, "Permission denied"), discover.ErrDenied, "lacks a permission"},
		{"ACLs that filter", func(w http.ResponseWriter, _ *http.Request) {
			hide(w)
			_, _ = io.WriteString(w, "[]")
		}, discover.ErrFiltered, "ACLs hide a part of the reply"},
		{"an answer that is cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `[{"Node": {"Node`)
		}, discover.ErrUnreachable, "cut off in the middle"},
		{"a gateway's page", plain(504, "<html>\n<title>504 Gateway Time-out</title>"), discover.ErrUnreachable, "something before it answered 504 Gateway Timeout"},
		{"JSON of something else", plain(200, `{"error": "x"}`), nil, "is this Consul's HTTP port?"},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			c := agent(t, func(n int, w http.ResponseWriter, r *http.Request) {
				switch n {
				case 1:
					tell(w, 5, 1)
				case 2, 3: // the wait, and the read that follows one that was cut
					row.answer(w, r)
				default:
					tell(w, 7, 2)
				}
			})
			next := watching(t, c, discover.Query{})
			good := next()
			bad := next()
			if !bad.Stale() || !strings.Contains(bad.Err.Error(), row.want) || row.kind != nil && !errors.Is(bad.Err, row.kind) {
				t.Errorf("got %v, want %q", bad.Err, row.want)
			}
			if strings.Contains(bad.Err.Error(), "\n") || !strings.HasPrefix(bad.Err.Error(), "list the instances of auth-service: Consul at http://") {
				t.Errorf("%q is not one line that says what was attempted and where", bad.Err)
			}
			if ids(bad.Instances) != "1" || !bad.Read.Equal(good.Read) || bad.Age() <= 0 {
				t.Errorf("the last good set was not kept: %+v", bad)
			}
			for u := next(); u.Stale() || ids(u.Instances) != "1 2"; u = next() {
				if ids(u.Instances) != "1" && ids(u.Instances) != "1 2" {
					t.Fatalf("on the way back: %+v", u)
				}
			}
		})
	}
}

func plain(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}

// TestWatchThroughAnImpatientProxy: a wait that is cut short is begun again, and no error.
func TestWatchThroughAnImpatientProxy(t *testing.T) {
	for what, cut := range map[string]http.HandlerFunc{
		"closes the connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"answers in its place":  plain(504, "<html>504"),
		"cuts the answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "[")
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var waits atomic.Int32
			c := agent(t, func(_ int, w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("index") != "" {
					waits.Add(1)
					cut(w, r)
					return
				}
				tell(w, 5, 1+int(waits.Load())/2)
			})
			next := watching(t, c, discover.Query{})
			for want := range 3 {
				u := next()
				if u.Err != nil || len(u.Instances) != want+1 {
					t.Fatalf("told %+v, want %d instances", u, want+1)
				}
			}
			if n := waits.Load(); n > 5 {
				t.Errorf("%d waits: a proxy that cuts at once must not be asked without an end", n)
			}
		})
	}
}

// crowded is a client whose only connection to wait on is taken until the returned function is called.
func crowded(t *testing.T, address string) (c *discover.Client, free func()) {
	t.Helper()
	c = client(t, discover.Config{Address: address, MaxWaiting: 1})
	ctx, cancel := context.WithCancel(t.Context())
	taken, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for range c.Watch(ctx, "auth-service", discover.Query{}) {
			close(taken)
			<-ctx.Done()
		}
	}()
	<-taken
	free = func() {
		cancel()
		<-done
	}
	t.Cleanup(free)
	return c, free
}

// TestWatchBeyondTheConnections: one that finds no connection to wait on asks at once, and then from time to time.
func TestWatchBeyondTheConnections(t *testing.T) {
	t.Parallel()
	server, registrar := start(t)
	register(t, registrar, "auth-service", "v1", 1, discover.Passing)
	c, _ := crowded(t, server.Addr())
	next := watching(t, c, discover.Query{})
	if u := next(); u.Err != nil || ids(u.Instances) != "1" {
		t.Fatalf("at once: %+v", u)
	}
	register(t, registrar, "auth-service", "v1", 2, discover.Passing)
	if u := next(); u.Err != nil || ids(u.Instances) != "1 2" {
		t.Errorf("from time to time: %+v", u)
	}
}

// TestWatchTakesAConnectionThatIsFree, and is told at once from then on.
func TestWatchTakesAConnectionThatIsFree(t *testing.T) {
	t.Parallel()
	server, registrar := start(t)
	register(t, registrar, "auth-service", "v1", 1, discover.Passing)
	c, free := crowded(t, server.Addr())
	next := watching(t, c, discover.Query{})
	next()
	free()
	register(t, registrar, "auth-service", "v1", 2, discover.Passing)
	next()
	start := time.Now()
	register(t, registrar, "auth-service", "v1", 3, discover.Passing)
	if u := next(); ids(u.Instances) != "1 2 3" || time.Since(start) > 2*time.Second {
		t.Errorf("after %v: %+v", time.Since(start), u)
	}
}

// TestWatchEndsAtOnce: neither a back-off nor a wait outlives its context.
func TestWatchEndsAtOnce(t *testing.T) {
	hole := listen(t) // takes connections and never says a word
	for _, address := range []string{closed(t), hole.Addr().String()} {
		ctx, cancel := context.WithCancel(t.Context())
		c := client(t, discover.Config{Address: address, Timeout: 100 * time.Millisecond})
		var start time.Time
		for update := range c.Watch(ctx, "auth-service", discover.Query{}) {
			if update.Err == nil || len(update.Instances) > 0 || !update.Read.IsZero() {
				t.Errorf("told %+v", update)
			}
			start = time.Now()
			cancel()
		}
		cancel()
		if took := time.Since(start); took > 400*time.Millisecond {
			t.Errorf("%s: ended after %v, which is the back-off's time", address, took)
		}
	}
}

// TestOddNames: a name that looks like a path is a name, unless it would lead to another path.
func TestOddNames(t *testing.T) {
	asked := make(chan string, 1)
	c := agent(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- r.URL.EscapedPath():
		default:
		}
		_, _ = io.WriteString(w, entries(oneInstance))
	})
	if _, err := c.Instances(t.Context(), "a b?c#d%", discover.Query{}); err != nil {
		t.Fatal(err)
	}
	if got := <-asked; got != "/v1/health/service/a%20b%3Fc%23d%25" {
		t.Errorf("asked for %s", got)
	}
	for _, name := range []string{".", "../../agent/self"} {
		if got, err := c.Instances(t.Context(), name, discover.Query{}); err == nil || !strings.Contains(err.Error(), "cannot be asked for") {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}
