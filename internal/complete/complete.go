// Package complete answers the shell's TAB. A list that is young is taken
// from the cache; an old one is fetched anew for at most 80 ms, and when that
// does not suffice the old list is used. It never prints an error: a shell
// would show it in the middle of the user's line.
package complete

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2/maybe"
	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
)

const (
	fresh = 10 * time.Second      // how long a list is used without asking again
	bound = 80 * time.Millisecond // how long a TAB waits for a list
)

// Values completes the first argument, or a flag, from a list that fetch
// gets. kind names the list in the cache; lists of different contexts are
// kept apart.
func Values(f *app.Factory, kind string, fetch func(ctx context.Context) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return Prefixed(list(cmd.Context(), f, kind, fetch), prefix), cobra.ShellCompDirectiveNoFileComp
	}
}

// At completes each argument by its own function, and nothing after the last.
func At(positions ...cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(positions) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return positions[len(args)](cmd, args, prefix)
	}
}

// Prefixed keeps the values that begin with prefix, made safe for a terminal.
func Prefixed(values []string, prefix string) []string {
	var kept []string
	for _, v := range values {
		if v = iostreams.Strip(v); strings.HasPrefix(v, prefix) {
			kept = append(kept, v)
		}
	}
	return kept
}

func list(ctx context.Context, f *app.Factory, kind string, fetch func(context.Context) ([]string, error)) []string {
	path := cachePath(f, kind)
	cached, age := read(path)
	if cached != nil && age < fresh {
		return cached
	}
	if values, ok := fetchWithin(ctx, fetch); ok {
		write(path, values)
		return values
	}
	return cached
}

// fetchWithin gives fetch the bound. A fetch that does not heed its context is
// left behind: the process ends right after the answer.
func fetchWithin(ctx context.Context, fetch func(context.Context) ([]string, error)) ([]string, bool) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	got := make(chan []string, 1)
	go func() {
		if values, err := fetch(ctx); err == nil {
			got <- values
		}
		close(got)
	}()
	select {
	case values, ok := <-got:
		return values, ok
	case <-ctx.Done():
		return nil, false
	}
}

// cachePath is "" when there is no context to keep a list for.
func cachePath(f *app.Factory, kind string) string {
	paths, err := f.Paths()
	if err != nil {
		return ""
	}
	c, err := f.Context()
	if err != nil {
		return ""
	}
	safe := strings.NewReplacer("/", "_", `\`, "_", ":", "_", "..", "_").Replace
	return filepath.Join(paths.Cache, "completion", safe(c.Name), safe(kind)+".json")
}

func read(path string) ([]string, time.Duration) {
	info, err := os.Stat(path)
	if path == "" || err != nil {
		return nil, 0
	}
	b, err := os.ReadFile(path)
	var values []string
	if err != nil || json.Unmarshal(b, &values) != nil {
		return nil, 0
	}
	return values, time.Since(info.ModTime())
}

// write keeps the list for the next TAB; a cache that cannot be written is
// only a slower one.
func write(path string, values []string) {
	if path == "" {
		return
	}
	b, err := json.Marshal(values)
	if err != nil || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	_ = maybe.WriteFile(path, b, 0o600)
}
