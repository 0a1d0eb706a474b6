package discover_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
)

// fakeKV is the keys of an agent that answers everything alike.
func fakeKV(t *testing.T, config discover.Config, answer http.HandlerFunc) discover.KV {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Consul-LastContact", "0") // the client reads no header of a reply without this one
		w.Header().Set("X-Consul-KnownLeader", "true")
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	config.Address = server.URL
	return client(t, config).KV()
}

func putKey(t *testing.T, kv discover.KV, key, value string) {
	t.Helper()
	if err := kv.Put(t.Context(), discover.Entry{Key: key, Value: []byte(value)}); err != nil {
		t.Fatal(err)
	}
}

func TestKV(t *testing.T) {
	_, c := start(t)
	kv, ctx := c.KV(), t.Context()
	if err := kv.Put(ctx, discover.Entry{Key: "app/a", Value: []byte("secret"), Flags: 7}); err != nil {
		t.Fatal(err)
	}
	putKey(t, kv, "app/健康 键", "\x00\xff")
	putKey(t, kv, "app/b/c", "")
	putKey(t, kv, "apple", "1")
	entry, err := kv.Get(ctx, "app/a")
	if err != nil || string(entry.Value) != "secret" || entry.Flags != 7 || entry.ModifyIndex == 0 {
		t.Fatalf("got %v, %v", entry, err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, entry); strings.Contains(text, "secret") || !strings.Contains(text, "app/a (6 bytes") {
			t.Errorf("%s prints %s", format, text)
		}
	}
	if b, err := json.Marshal(entry); err != nil || strings.Contains(string(b), "alue") {
		t.Errorf("as JSON: %s, %v", b, err)
	}
	entries, err := kv.List(ctx, "app/")
	if err != nil || len(entries) != 3 || string(entries[2].Value) != "\x00\xff" || entries[1].Value == nil {
		t.Fatalf("list: %v, %v", entries, err)
	}
	for separator, want := range map[string]string{"": "app/a app/b/c app/健康 键", "/": "app/a app/b/ app/健康 键"} {
		if keys, err := kv.Keys(ctx, "app/", separator); err != nil || strings.Join(keys, " ") != want {
			t.Errorf("keys at %q: %q, %v", separator, keys, err)
		}
	}
	if err := kv.DeleteTree(ctx, "app/"); err != nil {
		t.Fatal(err)
	}
	if keys, err := kv.Keys(ctx, "", ""); err != nil || strings.Join(keys, " ") != "apple" {
		t.Errorf("left: %q, %v", keys, err)
	}
	if err := errors.Join(kv.Delete(ctx, "apple"), kv.Delete(ctx, "apple")); err != nil {
		t.Error(err)
	}
	_, err = kv.Get(ctx, "apple")
	if !errors.Is(err, discover.ErrNoKey) || err.Error() != `Consul has no key "apple"` {
		t.Errorf("got %v", err)
	}
	if entries, err := kv.List(ctx, ""); err != nil || len(entries) != 0 {
		t.Errorf("list of nothing: %v, %v", entries, err)
	}
}

func TestCompareAndSet(t *testing.T) {
	_, c := start(t)
	kv, ctx := c.KV(), t.Context()
	entry := discover.Entry{Key: "k", Value: []byte("1")}
	if err := kv.CompareAndSet(ctx, entry); err != nil {
		t.Fatal(err)
	}
	present, err := kv.Get(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	at := present.ModifyIndex
	putKey(t, kv, "k", "2")
	for what, row := range map[string]struct {
		err     error
		present bool
		want    string
	}{
		"create what is there": {kv.CompareAndSet(ctx, entry), true, `key "k" exists already, at index`},
		"write what changed":   {kv.CompareAndSet(ctx, present), true, fmt.Sprintf(`key "k" is no longer at index %d but at `, at)},
		"delete what changed":  {kv.CompareAndDelete(ctx, "k", at), true, fmt.Sprintf(`key "k" is no longer at index %d but at `, at)},
		"write what is gone": {
			kv.CompareAndSet(ctx, discover.Entry{Key: "none", ModifyIndex: 9}), false,
			`key "none" is no longer at index 9: it is gone`,
		},
	} {
		var changed *discover.ChangedError
		if !errors.As(row.err, &changed) || !errors.Is(row.err, discover.ErrChanged) || !strings.HasPrefix(row.err.Error(), row.want) ||
			changed.Known == false || (changed.Present != 0) != row.present {
			t.Errorf("%s: %v", what, row.err)
		}
	}
	present, err = kv.Get(ctx, "k")
	if err != nil || string(present.Value) != "2" {
		t.Fatalf("%v, %v", present, err)
	}
	if err := errors.Join(kv.CompareAndDelete(ctx, "k", present.ModifyIndex), kv.CompareAndDelete(ctx, "k", present.ModifyIndex)); err != nil {
		t.Error(err)
	}
}

// TestCheckAndSetIsSentOnce: a write whose connection breaks before the answer may have been made. Sent again by
// itself, a check-and-set would be refused because of its own first time; others may go again.
func TestCheckAndSetIsSentOnce(t *testing.T) {
	var plain, conditional atomic.Int32
	kv := fakeKV(t, discover.Config{}, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodGet:
			_, _ = io.WriteString(w, `["k"]`)
			return
		case r.URL.Query().Has("cas") && conditional.Add(1) == 1, !r.URL.Query().Has("cas") && plain.Add(1) == 1:
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "true")
	})
	connect := func() { // a connection that was used before is one that may have been closed meanwhile
		if _, err := kv.Keys(t.Context(), "", ""); err != nil {
			t.Fatal(err)
		}
	}
	connect()
	err := kv.CompareAndSet(t.Context(), discover.Entry{Key: "k", ModifyIndex: 3})
	if !errors.Is(err, discover.ErrUnreachable) || conditional.Load() != 1 {
		t.Errorf("check-and-set: %v after %d times", err, conditional.Load())
	}
	connect()
	if err := kv.Put(t.Context(), discover.Entry{Key: "k"}); err != nil || plain.Load() != 2 {
		t.Errorf("put: %v after %d times", err, plain.Load())
	}
}

func TestKeysThatCannotBeUsed(t *testing.T) {
	kv := fakeKV(t, discover.Config{}, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
	ctx := t.Context()
	for key, want := range map[string]string{
		"":          `key "" is empty`,
		"/a":        `key "/a" begins with a slash; keys do not`,
		"a//b":      `key "a//b" has two slashes in a row, which Consul would take for one`,
		"a/../b":    `key "a/../b" has ".." between slashes, which Consul would resolve to another key`,
		"..":        `key ".." has ".." between slashes, which Consul would resolve to another key`,
		"a/.":       `key "a/." has "." between slashes, which Consul would resolve to another key`,
		"a\tb":      `key "a\tb" has a character that cannot be printed, which Consul refuses`,
		"a\u00a0b":  `key "a\u00a0b" has a character that cannot be printed, which Consul refuses`,
		"a\u202eb":  `key "a\u202eb" has a character that cannot be printed, which Consul refuses`,
		"a\xff":     `key "a\xff" is not UTF-8`,
		"/":         `key "/" begins with a slash; keys do not`,
		"a/\x1b[2J": `key "a/\x1b[2J" has a character that cannot be printed, which Consul refuses`,
	} {
		_, get := kv.Get(ctx, key)
		errs := []error{
			get, kv.Put(ctx, discover.Entry{Key: key}), kv.CompareAndSet(ctx, discover.Entry{Key: key}), kv.Delete(ctx, key),
			kv.CompareAndDelete(ctx, key, 1), kv.DeleteTree(ctx, key),
		}
		if key != "" {
			_, list := kv.List(ctx, key)
			_, keys := kv.Keys(ctx, key, "")
			errs = append(errs, list, keys)
		}
		for i, err := range errs {
			var wrong *discover.KeyError
			if !errors.As(err, &wrong) || err.Error() != want {
				t.Errorf("%q, %d: %v", key, i, err)
			}
		}
	}
}

func TestTooLarge(t *testing.T) {
	_, c := start(t)
	putKey(t, c.KV(), "k", strings.Repeat("x", discover.MaxValue))
	err := c.KV().Put(t.Context(), discover.Entry{Key: "k", Value: make([]byte, discover.MaxValue+1)})
	if !errors.Is(err, discover.ErrTooLarge) || err.Error() != `the value of "k" has 524289 bytes, and Consul keeps at most 524288` {
		t.Errorf("got %v", err)
	}
	small := fakeKV(t, discover.Config{}, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Request body too large, max size: 8 bytes.", http.StatusRequestEntityTooLarge)
	})
	for _, value := range []string{"123456789", strings.Repeat("123456789", 50_000)} { // the body of neither is read
		err = small.Put(t.Context(), discover.Entry{Key: "k", Value: []byte(value)})
		var request *discover.RequestError
		if !errors.Is(err, discover.ErrTooLarge) || !errors.As(err, &request) || strings.Contains(err.Error(), "123456789") ||
			!strings.HasSuffix(err.Error(), "it answered 413 Request body too large, max size: 8 bytes.") {
			t.Errorf("got %v", err)
		}
	}
}

func TestKVFailures(t *testing.T) {
	denied := "Permission denied: token with AccessorID '1' lacks permission 'key:read' on \"k\""
	status := func(code int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, code) }
	}
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `[{"Key": "k", "Value": "c2Vj`)
	}
	filtered := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
		_, _ = io.WriteString(w, `[{"Key": "seen", "Value": ""}]`)
	}
	anonymous := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Consul-Default-ACL-Policy", "deny")
		w.WriteHeader(http.StatusNotFound)
	}
	another := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Del("X-Consul-KnownLeader")
		http.Error(w, "404 page not found", http.StatusNotFound)
	}
	for what, row := range map[string]struct {
		answer http.HandlerFunc
		kind   error
		want   string
	}{
		"denied":            {status(403, denied), discover.ErrDenied, "lacks permission 'key:read'"},
		"unknown token":     {status(403, "ACL not found"), discover.ErrDenied, "it does not know this token"},
		"rate limit":        {status(429, "slow down"), nil, "it limits the rate of requests"},
		"an error":          {status(500, "rpc error: no leader"), nil, "it answered 500 rpc error: no leader"},
		"cut":               {cut, discover.ErrUnreachable, "its reply was cut off in the middle"},
		"a web page":        {body("<html>"), nil, "a web page answered; is this Consul's HTTP port?"},
		"no JSON":           {body("hello"), nil, "its reply is not Consul's JSON"},
		"another's 404":     {another, nil, "it answered 404 without an index, as Consul never does; is this Consul's HTTP port?"},
		"no base64":         {body(`[{"Key": "k", "Value": "%secret%"}]`), nil, "its reply is not Consul's (illegal base64"},
		"an empty entry":    {body(`[null]`), nil, "its reply is not Consul's (it lists an empty entry)"},
		"filtered":          {filtered, discover.ErrFiltered, "ACLs hide a part of the reply; use a token that may read all of it"},
		"all of it hidden":  {anonymous, discover.ErrFiltered, "it shows nothing to the anonymous token; is a token missing?"},
		"an answer in time": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, discover.ErrUnreachable, "no answer in time"},
	} {
		t.Run(what, func(t *testing.T) {
			kv := fakeKV(t, discover.Config{Timeout: time.Second}, row.answer)
			entries, err := kv.List(t.Context(), "p/")
			var request *discover.RequestError
			if !errors.As(err, &request) || !strings.HasPrefix(err.Error(), `list the keys under "p/": Consul at `) ||
				!strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
			if row.kind != nil && !errors.Is(err, row.kind) {
				t.Errorf("%v is no %v", err, row.kind)
			}
			if _, keys := kv.Keys(t.Context(), "p/", ""); what == "another's 404" && (keys == nil || keys.Error() != err.Error()) {
				t.Errorf("of the keys alone: %v", keys)
			}
			if _, get := kv.Get(t.Context(), "k"); what == "another's 404" && errors.Is(get, discover.ErrNoKey) {
				t.Errorf("it is taken for no such key: %v", get)
			}
			if what == "filtered" && (len(entries) != 1 || entries[0].Key != "seen") {
				t.Errorf("what is seen is not told: %v", entries)
			}
		})
	}
	page := fakeKV(t, discover.Config{}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	for _, err := range []error{page.Put(t.Context(), discover.Entry{Key: "k"}), page.Delete(t.Context(), "k")} {
		if err == nil || !strings.Contains(err.Error(), `"k": Consul at `) || !strings.Contains(err.Error(), "a web page answered") {
			t.Errorf("got %v", err)
		}
	}
	down := client(t, discover.Config{Address: "127.0.0.1:1"}).KV()
	_, get := down.Get(t.Context(), "k")
	for _, err := range []error{get, down.Put(t.Context(), discover.Entry{Key: "k"}), down.DeleteTree(t.Context(), "k")} {
		if !errors.Is(err, discover.ErrUnreachable) || !strings.Contains(err.Error(), `"k": Consul at 127.0.0.1:1: connection refused`) {
			t.Errorf("got %v", err)
		}
	}
}

func TestTenThousandKeys(t *testing.T) {
	const many = 10_000
	kv := fakeKV(t, discover.Config{}, func(w http.ResponseWriter, _ *http.Request) {
		keys := make([]string, many)
		for i := range keys {
			keys[i] = fmt.Sprintf("p/%05d", i)
		}
		_ = json.NewEncoder(w).Encode(keys)
	})
	keys, err := kv.Keys(t.Context(), "p/", "")
	if err != nil || len(keys) != many || !slices.IsSorted(keys) {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

// watchingKeys runs a watch in a goroutine; what it tells comes out of next.
func watchingKeys[U any](t *testing.T, watch func(context.Context) func(func(U) bool)) (next func() U) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	updates := make(chan U)
	var running sync.WaitGroup
	running.Go(func() {
		for update := range watch(ctx) {
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
	return func() U {
		t.Helper()
		select {
		case update := <-updates:
			return update
		case <-time.After(20 * time.Second):
			t.Fatal("the watch is silent")
			panic("not reached")
		}
	}
}

func told(update discover.KVUpdate) string {
	var parts []string
	for _, entry := range update.Entries {
		parts = append(parts, entry.Key+"="+string(entry.Value))
	}
	if update.Err != nil {
		parts = append(parts, "stale")
	}
	return strings.Join(parts, " ")
}

func TestWatchKey(t *testing.T) {
	_, c := start(t)
	kv := c.KV()
	next := watchingKeys(t, func(ctx context.Context) func(func(discover.KVUpdate) bool) { return kv.Watch(ctx, "k") })
	want := func(text string) {
		t.Helper()
		if got := told(next()); got != text {
			t.Fatalf("told %q, want %q", got, text)
		}
	}
	want("")
	putKey(t, kv, "k", "1")
	want("k=1")
	putKey(t, kv, "k", "1")
	putKey(t, kv, "other", "1")
	putKey(t, kv, "k", "2")
	want("k=2")
	if err := kv.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	want("")
}

func TestWatchTree(t *testing.T) {
	_, c := start(t)
	kv := c.KV()
	next := watchingKeys(t, func(ctx context.Context) func(func(discover.KVUpdate) bool) { return kv.WatchTree(ctx, "p/") })
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, ""},
		{func() { putKey(t, kv, "p/b", "1") }, "p/b=1"},
		{func() { putKey(t, kv, "q", "1"); putKey(t, kv, "p/a", "1") }, "p/a=1 p/b=1"},
		{func() { _ = kv.Delete(t.Context(), "p/b") }, "p/a=1"},
		{func() { _ = kv.DeleteTree(t.Context(), "p/") }, ""},
	} {
		step.do()
		if got := told(next()); got != step.want {
			t.Fatalf("told %q, want %q", got, step.want)
		}
	}
}

// TestWatchThroughWipe: the agent comes back with nothing remembered and an index that begins anew.
func TestWatchThroughWipe(t *testing.T) {
	server, err := consul.Start(consul.Options{})
	if err != nil {
		t.Fatal(err)
	}
	address := server.Addr()
	kv := client(t, discover.Config{Address: address}).KV()
	putKey(t, kv, "p/k", "old")
	next := watchingKeys(t, func(ctx context.Context) func(func(discover.KVUpdate) bool) { return kv.WatchTree(ctx, "p/") })
	if got := told(next()); got != "p/k=old" {
		t.Fatalf("told %q", got)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	outage := next()
	if got := told(outage); got != "p/k=old stale" || outage.Read.IsZero() {
		t.Fatalf("told %q of the outage", got)
	}
	if server, err = consul.Start(consul.Options{Addr: address}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	putKey(t, kv, "p/k", "new")
	for {
		switch update := next(); told(update) {
		case "p/k=old stale", "": // not yet back, or back and empty
		case "p/k=new":
			return
		default:
			t.Fatalf("told %q", told(update))
		}
	}
}

func TestWatchKeepsWhatACLsHide(t *testing.T) {
	var reads atomic.Int32
	kv := fakeKV(t, discover.Config{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Consul-Index", "5")
		if reads.Add(1) > 1 {
			w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
			w.Header().Set("X-Consul-Index", "6")
			_, _ = io.WriteString(w, `[]`)
			return
		}
		_, _ = io.WriteString(w, `[{"Key": "p/k", "Value": "MQ=="}]`)
	})
	next := watchingKeys(t, func(ctx context.Context) func(func(discover.KVUpdate) bool) { return kv.WatchTree(ctx, "p/") })
	if got := told(next()); got != "p/k=1" {
		t.Fatalf("told %q", got)
	}
	if update := next(); told(update) != "p/k=1 stale" || !errors.Is(update.Err, discover.ErrFiltered) {
		t.Errorf("told %q, %v", told(update), update.Err)
	}
}
