package complete_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/iostreams"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell is a user's machine: a cache that stays between TABs, each of which is
// a process, and so a factory, of its own.
type shell struct{ dir string }

func (s shell) tab(t *testing.T, prefix string, fetch func(context.Context) ([]string, error)) []string {
	t.Helper()
	ios, _, out, errOut := iostreams.Test()
	f := &app.Factory{IO: ios, Dir: s.dir, Getenv: func(key string) string {
		return map[string]string{"HOME": s.dir, "SUOKECTL_ENV": "dev"}[key]
	}}
	cmd := &cobra.Command{}
	cmd.SetContext(context.Background())
	values, directive := complete.Values(f, "topics", fetch)(cmd, nil, prefix)
	if directive != cobra.ShellCompDirectiveNoFileComp {
		t.Errorf("directive %v offers files", directive)
	}
	if out.Len()+errOut.Len() > 0 {
		t.Errorf("a TAB printed %q %q", out, errOut)
	}
	return values
}

// age makes the cache older than it may be to be used unasked.
func (s shell) age(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(s.dir, func(path string, _ os.DirEntry, err error) error {
		past := time.Now().Add(-time.Hour)
		return errors.Join(err, os.Chtimes(path, past, past))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func answer(values ...string) func(context.Context) ([]string, error) {
	return func(context.Context) ([]string, error) { return values, nil }
}

// hang is a server that does not answer.
func hang(ctx context.Context) ([]string, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func refuse(context.Context) ([]string, error) { return nil, errors.New("connection refused") }

func TestValues(t *testing.T) {
	s := shell{t.TempDir()}
	for _, step := range []struct {
		name   string
		old    bool
		prefix string
		fetch  func(context.Context) ([]string, error)
		want   []string
	}{
		{"no cache and a server that is down: nothing", false, "", refuse, nil},
		{"no cache and one that hangs: nothing", false, "", hang, nil},
		{"the first answer", false, "", answer("dev.a", "dev.b", "x\x1b[31m"), []string{"dev.a", "dev.b", "x"}},
		{"a fresh cache is not asked for again", false, "dev", answer("other"), []string{"dev.a", "dev.b"}},
		{"an old cache is, and gives way", true, "", answer("new"), []string{"new"}},
		{"an old cache is better than a server that hangs", true, "n", hang, []string{"new"}},
		{"and better than one that is down", true, "", refuse, []string{"new"}},
	} {
		t.Run(step.name, func(t *testing.T) {
			if step.old {
				s.age(t)
			}
			if diff := cmp.Diff(step.want, s.tab(t, step.prefix, step.fetch)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestEachArgumentHasItsOwnValues(t *testing.T) {
	fixed := func(value string) cobra.CompletionFunc {
		return cobra.FixedCompletions([]string{value}, cobra.ShellCompDirectiveNoFileComp)
	}
	at := complete.At(fixed("first"), fixed("second"))
	for n, want := range [][]string{{"first"}, {"second"}, nil} {
		if got, _ := at(&cobra.Command{}, make([]string, n), ""); !cmp.Equal(got, want) {
			t.Errorf("argument %d: %v, want %v", n+1, got, want)
		}
	}
}
