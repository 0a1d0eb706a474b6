package discover_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/discover"
)

// remembering asks an agent once, which then goes away, and returns a client of another process.
func remembering(t *testing.T, q discover.Query) (c *discover.Client, file string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "made", "when needed")
	agent := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(entries(`"ID": "1", "Service": "s", "Port": 1, "Meta": {"version": "v1"}`, `"ID": "2", "Service": "s", "Port": 2`)))
	})
	config := discover.Config{Address: agent.URL, CacheDir: dir}
	if _, err := client(t, config).Instances(t.Context(), "s", q); err != nil {
		t.Fatal(err)
	}
	agent.Close()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	files = slices.DeleteFunc(files, func(file string) bool { return strings.HasSuffix(file, ".since") }) // of checks
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	return client(t, config), files[0]
}

func TestRemembered(t *testing.T) {
	c, file := remembering(t, discover.Query{Version: "v1"})
	for _, row := range []struct {
		q    discover.Query
		want string
	}{
		{discover.Query{}, "1 2"}, {discover.Query{Version: "v1"}, "1"}, {discover.Query{Version: "v1", Health: discover.Any}, "1"},
	} {
		got, err := c.Remembered("s", row.q)
		if err != nil || ids(got.Instances) != row.want || got.Age() <= 0 || got.Age() > time.Minute {
			t.Errorf("%+v: got %+v, %v", row.q, got, err)
		}
	}
	var none *discover.NoInstanceError
	if _, err := c.Remembered("s", discover.Query{Version: "v9"}); !errors.As(err, &none) || len(none.Known) != 2 {
		t.Errorf("of another version: %v", err)
	}
	for _, q := range []discover.Query{{Datacenter: "dc2"}, {Filter: "Service.Port == 1"}, {Near: "_agent"}} {
		if got, err := c.Remembered("s", q); !errors.Is(err, discover.ErrNotRemembered) {
			t.Errorf("%+v was never asked for: %+v, %v", q, got, err)
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestRememberedOrNothing: whatever happens to the file, what is told is what was known or ErrNotRemembered.
func TestRememberedOrNothing(t *testing.T) {
	c, file := remembering(t, discover.Query{})
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		text := append([]byte{}, whole[:rapid.IntRange(0, len(whole)).Draw(r, "torn at")]...)
		if len(text) > 0 && rapid.Bool().Draw(r, "changed") {
			text[rapid.IntRange(0, len(text)-1).Draw(r, "at")] ^= byte(rapid.IntRange(1, 255).Draw(r, "by"))
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			r.Fatal(err)
		}
		got, err := c.Remembered("s", discover.Query{})
		switch {
		case string(text) == string(whole) && (err != nil || ids(got.Instances) != "1 2"):
			r.Fatalf("the whole file: %+v, %v", got, err)
		case string(text) != string(whole) && !errors.Is(err, discover.ErrNotRemembered):
			r.Fatalf("a torn file: %+v, %v", got, err)
		}
	})
}

// TestWatchBeginsWithWhatIsRemembered: while Consul was never reached, that is the last good set.
func TestWatchBeginsWithWhatIsRemembered(t *testing.T) {
	c, _ := remembering(t, discover.Query{})
	for update := range c.Watch(t.Context(), "s", discover.Query{Version: "v1"}) {
		if !update.Stale() || ids(update.Instances) != "1" || !errors.Is(update.Err, discover.ErrUnreachable) || update.Age() <= 0 {
			t.Errorf("got %+v", update)
		}
		return
	}
}

// TestWatchRemembers: what a watch reads is there for another process.
func TestWatchRemembers(t *testing.T) {
	server, registrar := start(t)
	register(t, registrar, "auth-service", "v1", 1, discover.Passing)
	config := discover.Config{Address: server.Addr(), CacheDir: t.TempDir()}
	next := watching(t, client(t, config), discover.Query{Version: "v1"})
	next()
	register(t, registrar, "auth-service", "v1", 2, discover.Passing)
	next()
	got, err := client(t, config).Remembered("auth-service", discover.Query{})
	if err != nil || ids(got.Instances) != "1 2" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestClockJumps: what another process read can seem to be read in the future.
func TestClockJumps(t *testing.T) {
	if age := (discover.Update{Read: time.Now().Round(0).Add(time.Hour)}).Age(); age != 0 {
		t.Errorf("an age of %v", age)
	}
	if age := (discover.Update{}).Age(); age != 0 {
		t.Errorf("never read, and %v old", age)
	}
}

func TestNothingIsRememberedWithoutAFolder(t *testing.T) {
	_, c := start(t)
	shop(t, c)
	if _, err := c.Instances(t.Context(), "auth-service", discover.Query{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Remembered("auth-service", discover.Query{}); !errors.Is(err, discover.ErrNotRemembered) {
		t.Errorf("got %v", err)
	}
}
