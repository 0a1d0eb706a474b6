package kv

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// ListOptions are what `discover kv list` needs.
type ListOptions struct {
	IO        *iostreams.IOStreams
	Discover  func() (*discover.Client, error)
	Output    output.Flags
	Prefix    string
	Separator string
}

// listed is a line of the list.
type listed struct {
	Key    string `json:"key"`
	Folder bool   `json:"folder"` // it stands for the keys that begin so
}

// NewCmdList returns the verb; runF replaces its run in tests.
func NewCmdList(f *app.Factory, runF func(*ListOptions) error) *cobra.Command {
	opts := &ListOptions{IO: f.IO, Discover: f.Discover}
	cmd := &cobra.Command{
		Use:   "list [PREFIX]",
		Short: "List keys, without their values",
		Long: `List the keys that begin with PREFIX, or all, sorted. --separator / folds what is
in folders below into the folder's name. Values are not read.

When ACLs hide some of the keys the others are listed, and the exit code is 1.`,
		Example: `printf 30s | suokectl discover kv put app/timeout
suokectl discover kv list
suokectl discover kv list app/ -o name
suokectl discover kv list --separator /`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: keyNames(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Prefix = strings.Join(args, "")
			if runF != nil {
				return runF(opts)
			}
			return runList(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.Separator, "separator", "", "fold keys at the first of this `text` after the prefix")
	_ = cmd.RegisterFlagCompletionFunc("separator", cobra.FixedCompletions([]string{"/"}, cobra.ShellCompDirectiveNoFileComp))
	opts.Output.Bind(cmd)
	return cmd
}

func runList(ctx context.Context, opts *ListOptions) error {
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	keys, hidden := client.KV().Keys(ctx, opts.Prefix, opts.Separator)
	if hidden != nil && len(keys) == 0 { // it is another error, or nothing may be seen
		return hinted(hidden)
	}
	list := make([]listed, len(keys))
	for i, key := range keys {
		list[i] = listed{Key: key, Folder: opts.Separator != "" && strings.HasSuffix(key, opts.Separator)}
	}
	view := keyView()
	view.Empty = "Consul has no keys"
	if opts.Prefix != "" {
		view.Empty = fmt.Sprintf("Consul has no keys that begin with %q", opts.Prefix)
	}
	if err := output.List(opts.IO, opts.Output, view, list); err != nil {
		return err
	}
	return hidden
}

func keyView() output.View[listed] {
	key := func(l listed) string { return l.Key }
	return output.View[listed]{Name: key, Columns: []output.Column[listed]{{Name: "KEY", Value: key}}}
}
