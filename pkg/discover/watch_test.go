package discover_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
)

// watching runs a watch in a goroutine; what it tells comes out of next.
func watching(t *testing.T, c *discover.Client, q discover.Query) (next func() discover.Update) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	updates := make(chan discover.Update)
	var running sync.WaitGroup
	running.Go(func() {
		for update := range c.Watch(ctx, "auth-service", q) {
			select {
			case updates <- update:
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return func() discover.Update {
		t.Helper()
		select {
		case update := <-updates:
			return update
		case <-time.After(20 * time.Second):
			t.Fatal("the watch is silent")
			return discover.Update{}
		}
	}
}

func TestWatchTellsChanges(t *testing.T) {
	_, c := start(t)
	next := watching(t, c, discover.Query{})
	if u := next(); u.Err != nil || len(u.Instances) != 0 || u.Read.IsZero() {
		t.Fatalf("first of an unknown service: %+v", u)
	}
	id := register(t, c, "auth-service", "v1", 1, discover.Passing)
	if u := next(); ids(u.Instances) != "1" {
		t.Fatalf("after the first: %+v", u)
	}
	report(t, c, id, discover.Passing, "only another text")
	register(t, c, "auth-service", "v1", 2, discover.Critical)
	report(t, c, id, discover.Critical, "")
	if u := next(); len(u.Instances) != 0 {
		t.Fatalf("an instance that turned critical must be the next thing told: %+v", u)
	}
	report(t, c, "auth-service-127.0.0.1-2", discover.Passing, "")
	if u := next(); ids(u.Instances) != "2" {
		t.Fatalf("after the second: %+v", u)
	}
}

func TestWatchOutlivesTheAgent(t *testing.T) {
	server, err := consul.Start(consul.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, discover.Config{Address: server.Addr()})
	id := register(t, c, "auth-service", "v1", 1, discover.Passing)
	for range 20 { // the next agent's index must be the lower one
		report(t, c, id, discover.Critical, "")
		report(t, c, id, discover.Passing, "")
	}
	next := watching(t, c, discover.Query{})
	if u := next(); ids(u.Instances) != "1" {
		t.Fatalf("first: %+v", u)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	for u := next(); ; u = next() { // the closing agent may end the read with an answer first
		if ids(u.Instances) != "1" {
			t.Fatalf("the last good set was not kept: %+v", u)
		}
		if u.Err != nil {
			if !errors.Is(u.Err, discover.ErrUnreachable) {
				t.Fatalf("outage: %v", u.Err)
			}
			break
		}
	}
	server, err = consul.Start(consul.Options{Addr: server.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }() // the watch has ended by then
	register(t, c, "auth-service", "v2", 2, discover.Passing)
	for u := next(); ; u = next() {
		if u.Err == nil && ids(u.Instances) == "2" {
			return
		}
	}
}

// TestWatchSeesAnAgentThatForgotBetweenTwoReads: no read fails, and the old index would wait for minutes.
func TestWatchSeesAnAgentThatForgotBetweenTwoReads(t *testing.T) {
	server, err := consul.Start(consul.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }() // the last of them
	c := client(t, discover.Config{Address: server.Addr()})
	id := register(t, c, "auth-service", "v1", 1, discover.Passing)
	for range 20 { // the next agent's index must be the lower one
		report(t, c, id, discover.Critical, "")
		report(t, c, id, discover.Passing, "")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for update := range c.Watch(ctx, "auth-service", discover.Query{}) {
		if ids(update.Instances) == "2" {
			return
		}
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		if server, err = consul.Start(consul.Options{Addr: server.Addr()}); err != nil {
			t.Fatal(err)
		}
		register(t, c, "auth-service", "v1", 2, discover.Passing) // and the watch may take over its connection
	}
	t.Fatal("the watch waits on the index of the agent that is gone")
}

// TestWatchFollowsAnything: after any changes the watch comes to tell what is asked for, and nothing else last.
func TestWatchFollowsAnything(t *testing.T) {
	_, c := start(t)
	next := watching(t, c, discover.Query{})
	last := next()
	rapid.Check(t, func(r *rapid.T) {
		for range rapid.IntRange(1, 12).Draw(r, "changes") {
			port := rapid.IntRange(1, 4).Draw(r, "port")
			if rapid.Bool().Draw(r, "goes") {
				_ = c.Deregister(t.Context(), fmt.Sprintf("auth-service-127.0.0.1-%d", port)) // it may not be there
				continue
			}
			status := rapid.SampledFrom([]discover.Health{discover.Passing, discover.Warning, discover.Critical}).Draw(r, "status")
			register(t, c, "auth-service", "v1", port, status)
		}
		truth, err := c.Instances(t.Context(), "auth-service", discover.Query{})
		if err != nil && !errors.Is(err, discover.ErrNoInstance) {
			r.Fatal(err)
		}
		for ids(last.Instances) != ids(truth) {
			last = next()
		}
	})
}

// TestWatchIndex plays an agent whose index goes backwards, and sees what is asked.
func TestWatchIndex(t *testing.T) {
	replies := []string{"7", "9", "3", "4"}
	var mu sync.Mutex
	var asked []string
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		n := len(asked)
		asked = append(asked, r.URL.Query().Get("index"))
		if n >= len(replies) {
			n = len(replies) - 1
		}
		w.Header().Set("X-Consul-Index", replies[n])
		_, _ = fmt.Fprintf(w, `[{"Node": {"Node": "n"}, "Service": {"ID": "%d", "Service": "auth-service"}, "Checks": []}]`, len(asked))
	})
	next := watching(t, client(t, discover.Config{Address: server.URL}), discover.Query{})
	for range 5 {
		if u := next(); u.Err != nil {
			t.Fatal(u.Err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if got := fmt.Sprint(asked[:4]); got != "[ 7 9 ]" {
		t.Errorf("asked with indexes %s, want the last to be forgotten after it went backwards", got)
	}
}

func TestWatchKeepsTheSetThatACLsHide(t *testing.T) {
	var mu sync.Mutex
	reads := 0
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		reads++
		w.Header().Set("X-Consul-Index", fmt.Sprint(reads))
		if reads == 2 {
			hide(w)
			_, _ = io.WriteString(w, "[]")
			return
		}
		_, _ = io.WriteString(w, `[{"Node": {"Node": "n"}, "Service": {"ID": "1", "Service": "auth-service"}, "Checks": []}]`)
	})
	next := watching(t, client(t, discover.Config{Address: server.URL}), discover.Query{})
	next()
	if u := next(); !errors.Is(u.Err, discover.ErrFiltered) || len(u.Instances) != 1 {
		t.Errorf("hidden: %+v", u)
	}
	if u := next(); u.Err != nil || len(u.Instances) != 1 {
		t.Errorf("back: %+v", u)
	}
}

func TestWatchStops(t *testing.T) {
	_, c := start(t)
	for range c.Watch(t.Context(), "auth-service", discover.Query{}) {
		break // the caller has enough
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := 0
	for range c.Watch(ctx, "auth-service", discover.Query{}) {
		told++
		cancel()
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}
