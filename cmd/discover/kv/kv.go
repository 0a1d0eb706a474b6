// Package kv is `suokectl discover kv`: Consul's keys and values.
package kv

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/discover"
)

// NewCmdKV returns the noun with its verbs.
func NewCmdKV(f *app.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kv",
		Short: "Read, change, watch and compare Consul's keys",
		Long: `Consul's keys as a configuration centre. Keys are written with slashes and have
folders in that sense only: app/a and app/b are under app/.

Values are printed by get, watch and diff, and by put --dry-run, and nowhere
else: not in errors, not with -v, not by list.`,
		Example: "printf 30s | suokectl discover kv put app/timeout\nsuokectl discover kv get app/timeout\nsuokectl discover kv list app/",
	}
	cmd.AddCommand(
		NewCmdGet(f, nil),
		NewCmdList(f, nil),
		NewCmdPut(f, nil),
		NewCmdDelete(f, nil),
		NewCmdWatch(f, nil),
		NewCmdDiff(f, nil),
	)
	return cmd
}

// keyNames completes a key folder by folder, as a shell completes files.
func keyNames(f *app.Factory) cobra.CompletionFunc {
	return complete.At(func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		folder := prefix[:strings.LastIndexByte(prefix, '/')+1]
		fetch := func(ctx context.Context) ([]string, error) {
			client, err := f.Discover()
			if err != nil {
				return nil, err
			}
			keys, err := client.KV().Keys(ctx, folder, "/")
			if errors.Is(err, discover.ErrFiltered) {
				err = nil // what may be seen is what may be used
			}
			return keys, err
		}
		keys, directive := complete.Values(f, "keys under "+folder, fetch)(cmd, args, prefix)
		if len(keys) == 1 && strings.HasSuffix(keys[0], "/") {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		return keys, directive
	})
}

// item is a key with its value, as -o json prints it.
type item struct {
	discover.Entry
	Value    string `json:"value"`
	Encoding string `json:"encoding"` // utf-8, or base64 when the value is not that
}

func itemOf(entry discover.Entry) item {
	if utf8.Valid(entry.Value) {
		return item{Entry: entry, Value: string(entry.Value), Encoding: "utf-8"}
	}
	return item{Entry: entry, Value: base64.StdEncoding.EncodeToString(entry.Value), Encoding: "base64"}
}

// hinted makes a key that cannot be used a usage error, and adds what to type next where a command can help.
func hinted(err error) error {
	var wrong *discover.KeyError
	switch {
	case errors.As(err, &wrong):
		return &failure.UsageError{Err: err}
	case errors.Is(err, discover.ErrNoKey):
		return failure.WithHint(err, "`suokectl discover kv list` lists the keys")
	case errors.Is(err, discover.ErrChanged):
		return failure.WithHint(err, "nothing was changed; `suokectl discover kv get KEY -o json` tells the value and modify_index of now")
	}
	return err
}

// asFolder is a prefix that takes in what is under it, and not its neighbours: app is no part of apple.
func asFolder(prefix string) string {
	if prefix == "" || strings.HasSuffix(prefix, "/") {
		return prefix
	}
	return prefix + "/"
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
