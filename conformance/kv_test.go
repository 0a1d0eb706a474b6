//go:build unix

package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
)

// TestKVRace: fifty writers raise one counter by check-and-set, and none of what they did is lost.
func TestKVRace(t *testing.T) {
	t.Parallel()
	kv := discoverClient(t, discover.Config{Address: sharedConsul.get(t).Addr}).KV()
	const writers, times = 50, 3
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var all sync.WaitGroup
	var conflicts atomic.Int64
	for range writers {
		all.Go(func() {
			for range times {
				for err := raise(ctx, kv); err != nil; err = raise(ctx, kv) {
					if !errors.Is(err, discover.ErrChanged) {
						t.Error(err)
						return
					}
					conflicts.Add(1)
				}
			}
		})
	}
	all.Wait()
	entry, err := kv.Get(ctx, "race/counter")
	if want := strconv.Itoa(writers * times); err != nil || string(entry.Value) != want {
		t.Errorf("the counter is %q, want %s; %v", entry.Value, want, err)
	}
	if conflicts.Load() == 0 {
		t.Error("nobody was in anybody's way: this was no race")
	}
	t.Logf("%d conflicts", conflicts.Load())
}

// raise raises the counter once, if nobody does so meanwhile.
func raise(ctx context.Context, kv discover.KV) error {
	entry, err := kv.Get(ctx, "race/counter")
	if errors.Is(err, discover.ErrNoKey) {
		entry, err = discover.Entry{Key: "race/counter", Value: []byte("0")}, nil
	}
	if err != nil {
		return err
	}
	count, err := discover.Int(entry.Value)
	if err != nil {
		return err
	}
	entry.Value = []byte(strconv.Itoa(count + 1))
	return kv.CompareAndSet(ctx, entry)
}

// TestKVLimit: values as large as Consul takes, and an agent that is configured to take less.
func TestKVLimit(t *testing.T) {
	t.Parallel()
	kv := discoverClient(t, discover.Config{Address: sharedConsul.get(t).Addr}).KV()
	value := make([]byte, discover.MaxValue+1)
	if err := kv.Put(t.Context(), discover.Entry{Key: "limit/k", Value: value[1:]}); err != nil {
		t.Error(err)
	}
	err := kv.Put(t.Context(), discover.Entry{Key: "limit/k", Value: value})
	wantText(t, err, "has 524289 bytes, and Consul keeps at most 524288")

	server := testenv.Consul(t, testenv.WithConfig("limits", map[string]any{"kv_max_value_size": 1024}))
	small := discoverClient(t, discover.Config{Address: server.Addr}).KV()
	err = small.Put(t.Context(), discover.Entry{Key: "k", Value: make([]byte, 1025)})
	wantText(t, err, "it answered 413 Request body(1025 bytes) too large, max size: 1024 bytes")
	if !errors.Is(err, discover.ErrTooLarge) {
		t.Errorf("%v is not ErrTooLarge", err)
	}
}

// TestKVKeys: a key that is let in is kept as that key and no other, and comes back from a folder of files.
func TestKVKeys(t *testing.T) {
	t.Parallel()
	kv := discoverClient(t, discover.Config{Address: sharedConsul.get(t).Addr}).KV()
	ctx := t.Context()
	key := rapid.OneOf(
		rapid.StringMatching(`[ab.%~?#&+ ]{1,5}(/[ab.%\\:"é健]{1,3}){0,3}/?`),
		rapid.StringN(1, 12, 40),
	)
	values := rapid.SliceOfN(rapid.Byte(), 0, 40)
	dir, folders := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		root := "keys/" + strconv.FormatInt(rapid.Int64Min(0).Draw(t, "root"), 36)
		wrote := map[string]string{}
		for key, value := range rapid.MapOfN(key, values, 1, 5).Draw(t, "tree") {
			err := kv.Put(ctx, discover.Entry{Key: root + "/" + key, Value: value})
			var wrong *discover.KeyError
			if err != nil && !errors.As(err, &wrong) {
				t.Fatal(err)
			}
			if err == nil {
				wrote[key] = string(value)
			}
		}
		entries, err := kv.List(ctx, root+"/")
		if err != nil || len(entries) != len(wrote) {
			t.Fatalf("wrote %q, got %v, %v", wrote, entries, err)
		}
		for i, entry := range entries {
			entries[i].Key = strings.TrimPrefix(entry.Key, root+"/")
			if value, known := wrote[entries[i].Key]; !known || value != string(entry.Value) {
				t.Fatalf("wrote %q, got %v", wrote, entry)
			}
		}
		folders++
		own := filepath.Join(dir, strconv.Itoa(folders))
		if err := os.Mkdir(own, 0o700); err != nil {
			t.Fatal(err)
		}
		writeKeys(t, own, entries)
		files, err := discover.ReadKeys(own, "")
		if err != nil {
			t.Fatal(err)
		}
		if differences := discover.DiffKeys(entries, files); len(differences) > 0 {
			t.Fatalf("the folder differs: %v", differences)
		}
		if err := kv.DeleteTree(ctx, root+"/"); err != nil {
			t.Fatal(err)
		}
	})
}

// writeKeys writes entries to files as KeyFiles says.
func writeKeys(t *rapid.T, dir string, entries []discover.Entry) {
	var keys []string
	for _, entry := range entries {
		keys = append(keys, entry.Key)
	}
	files := discover.KeyFiles(keys)
	for _, entry := range entries {
		path := filepath.Join(dir, filepath.FromSlash(files[entry.Key]))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, entry.Value, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKVWatchThroughRestarts: after each restart, with the state kept and wiped, the watch tells what is written then.
func TestKVWatchThroughRestarts(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t)
	kv := discoverClient(t, discover.Config{Address: server.Addr}).KV()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	updates := make(chan discover.KVUpdate)
	var running sync.WaitGroup
	running.Go(func() {
		defer close(updates)
		for update := range kv.WatchTree(ctx, "app/") {
			select {
			case updates <- update:
			case <-ctx.Done():
			}
		}
	})
	defer running.Wait()
	defer cancel()
	state := map[string]string{}
	for round, wipe := range []bool{false, false, true, false, true} {
		state["app/round"] = strconv.Itoa(round)
		state[fmt.Sprintf("app/%d", round)] = "here"
		putAll(ctx, t, kv, state)
		outages := awaitState(t, updates, state)
		if round > 0 && outages == 0 {
			t.Errorf("round %d: the restart was not told", round)
		}
		if err := server.Restart(wipe); err != nil {
			t.Fatal(err)
		}
	}
	putAll(ctx, t, kv, state)
	awaitState(t, updates, state)
}

func putAll(ctx context.Context, t *testing.T, kv discover.KV, state map[string]string) {
	t.Helper()
	for key, value := range state {
		if err := kv.Put(ctx, discover.Entry{Key: key, Value: []byte(value)}); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitState waits until the watch tells that state as good, and counts the updates that were stale.
func awaitState(t *testing.T, updates <-chan discover.KVUpdate, state map[string]string) (stale int) {
	t.Helper()
	within := time.After(30 * time.Second) // the watch asks again after at most 15 s for outages as short as these
	for {
		select {
		case update, open := <-updates:
			if !open {
				t.Fatal("the watch ended")
			}
			if update.Err != nil {
				stale++
				continue
			}
			got := map[string]string{}
			for _, entry := range update.Entries {
				got[entry.Key] = string(entry.Value)
			}
			if fmt.Sprint(got) == fmt.Sprint(state) {
				return stale
			}
		case <-within:
			t.Fatalf("the watch never told %v", state)
		}
	}
}

// TestKVWatchLearnsOfADeletedTree: who deletes a tree does not move the index of a folder in it; whoever waits there
// learns of it all the same, when the wait ends.
func TestKVWatchLearnsOfADeletedTree(t *testing.T) {
	t.Parallel()
	kv := discoverClient(t, discover.Config{Address: sharedConsul.get(t).Addr}).KV()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	putAll(ctx, t, kv, map[string]string{"tree/app/k": "1", "tree/app/gone": "1"})
	if err := kv.Delete(ctx, "tree/app/gone"); err != nil {
		t.Fatal(err)
	}
	for update := range kv.WatchTree(ctx, "tree/app/") {
		switch {
		case update.Err != nil:
			t.Fatal(update.Err)
		case len(update.Entries) == 0:
			return
		}
		if err := kv.DeleteTree(ctx, "tree/"); err != nil {
			t.Fatal(err)
		}
	}
	t.Error("the watch never told it")
}

// TestKVACL: a token for a part of the keys is told so wherever it meets the others.
func TestKVACL(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, testenv.WithACL())
	ctx := t.Context()
	manager := discoverClient(t, discover.Config{Address: server.Addr, Token: server.Token}).KV()
	putAll(ctx, t, manager, map[string]string{"app/open/k": "1", "app/closed/k": "secret"})
	partial := aclToken(t, server, `key_prefix "app/open/" { policy = "write" }`)
	nothing := aclToken(t, server, `node_prefix "" { policy = "read" }`)
	kv := discoverClient(t, discover.Config{Address: server.Addr, Token: partial}).KV()
	entries, err := kv.List(ctx, "app/")
	if !errors.Is(err, discover.ErrFiltered) || len(entries) != 1 || entries[0].Key != "app/open/k" {
		t.Errorf("list: %v, %v", entries, err)
	}
	keys, err := kv.Keys(ctx, "app/", "/")
	if !errors.Is(err, discover.ErrFiltered) || !slices.Equal(keys, []string{"app/open/"}) {
		t.Errorf("keys: %q, %v", keys, err)
	}
	for update := range kv.WatchTree(ctx, "app/") {
		if !errors.Is(update.Err, discover.ErrFiltered) || !update.Read.IsZero() {
			t.Errorf("watch: %+v", update)
		}
		break
	}
	if err := kv.CompareAndSet(ctx, discover.Entry{Key: "app/open/new"}); err != nil {
		t.Error(err)
	}
	_, get := kv.Get(ctx, "app/closed/k")
	none := discoverClient(t, discover.Config{Address: server.Addr, Token: nothing}).KV()
	_, getNone := none.Get(ctx, "app/open/k")
	for i, err := range []error{
		get, getNone, kv.Put(ctx, discover.Entry{Key: "app/closed/k"}), kv.Delete(ctx, "app/closed/k"),
		kv.DeleteTree(ctx, "app/"), kv.CompareAndDelete(ctx, "app/closed/k", 1), none.Put(ctx, discover.Entry{Key: "k"}),
	} {
		wantText(t, err, "lacks permission '")
		if !errors.Is(err, discover.ErrDenied) || strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%d: %v", i, err)
		}
	}
	anonymous := discoverClient(t, discover.Config{Address: server.Addr}).KV()
	_, err = anonymous.List(ctx, "app/")
	wantText(t, err, "is a token missing?")
}
