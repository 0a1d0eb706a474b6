package kv

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// DeleteOptions are what `discover kv delete` needs.
type DeleteOptions struct {
	IO       *iostreams.IOStreams
	Discover func() (*discover.Client, error)
	Guard    func(ctx context.Context, what string) error
	Output   output.Flags
	Key      string
	Tree     bool
	Index    *uint64 // that the key must still have; nil is any
	DryRun   bool
}

// deleted is a key that was deleted, or would be.
type deleted struct {
	Key    string `json:"key"`
	DryRun bool   `json:"dry_run"`
}

// NewCmdDelete returns the verb; runF replaces its run in tests.
func NewCmdDelete(f *app.Factory, runF func(*DeleteOptions) error) *cobra.Command {
	opts := &DeleteOptions{IO: f.IO, Discover: f.Discover, Guard: f.Guard}
	var index uint64
	cmd := &cobra.Command{
		Use:   "delete KEY",
		Short: "Delete a key, or all that is in a folder",
		Long: `Delete a key, and print it. With --tree, delete every key in the folder KEY/, and
print them: not KEY itself, and no neighbour whose name only begins alike.

What would be deleted is looked up first: when there is nothing, or when ACLs
hide a part of it, nothing is deleted and the exit code is 1.`,
		Example: `printf 30s | suokectl discover kv put old/timeout
suokectl discover kv delete old --tree --dry-run
suokectl discover kv delete old/timeout
suokectl discover kv delete old/timeout # exits 1`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: keyNames(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Key = args[0]
			if cmd.Flags().Changed("cas") {
				opts.Index = &index
			}
			if opts.Tree && opts.Key == "" {
				return failure.Usagef("--tree wants a folder; all keys are not deleted at once")
			}
			if runF != nil {
				return runF(opts)
			}
			return runDelete(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&opts.Tree, "tree", false, "delete every key in the folder")
	flags.Uint64Var(&index, "cas", 0, "delete only if the key still has this `index`")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "print what would be deleted, and delete nothing")
	cmd.MarkFlagsMutuallyExclusive("tree", "cas")
	_ = cmd.RegisterFlagCompletionFunc("cas", cobra.NoFileCompletions)
	opts.Output.Bind(cmd)
	return cmd
}

func runDelete(ctx context.Context, opts *DeleteOptions) error {
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	kv := client.KV()
	keys, err := opts.plan(ctx, kv)
	if err != nil {
		return hinted(err)
	}
	if !opts.DryRun {
		what := fmt.Sprintf("delete the key %q", opts.Key)
		if opts.Tree {
			what = fmt.Sprintf("delete %s under %q", plural(len(keys), "key"), asFolder(opts.Key))
		}
		if err := opts.Guard(ctx, what); err != nil {
			return err
		}
		if err := opts.delete(ctx, kv); err != nil {
			return hinted(err)
		}
	}
	return opts.tell(keys)
}

// plan finds what would be deleted.
func (o *DeleteOptions) plan(ctx context.Context, kv discover.KV) ([]string, error) {
	if o.Tree {
		keys, err := kv.Keys(ctx, asFolder(o.Key), "")
		if err == nil && len(keys) == 0 {
			err = &discover.UnknownKeyError{Key: asFolder(o.Key)}
		}
		return keys, err
	}
	entry, err := kv.Get(ctx, o.Key)
	if err == nil && o.Index != nil && entry.ModifyIndex != *o.Index {
		err = &discover.ChangedError{Key: o.Key, Wanted: *o.Index, Present: entry.ModifyIndex, Known: true}
	}
	return []string{o.Key}, err
}

func (o *DeleteOptions) delete(ctx context.Context, kv discover.KV) error {
	switch {
	case o.Tree:
		return kv.DeleteTree(ctx, asFolder(o.Key))
	case o.Index != nil:
		return kv.CompareAndDelete(ctx, o.Key, *o.Index)
	}
	return kv.Delete(ctx, o.Key)
}

func (o *DeleteOptions) tell(keys []string) error {
	list := make([]deleted, len(keys))
	for i, key := range keys {
		list[i] = deleted{Key: key, DryRun: o.DryRun}
	}
	key := func(d deleted) string { return d.Key }
	view := output.View[deleted]{Name: key, Columns: []output.Column[deleted]{{Name: "KEY", Value: key}}}
	if err := output.List(o.IO, o.Output, view, list); err != nil || !o.Output.Human() {
		return err
	}
	if o.DryRun {
		o.IO.Infof("%s would be deleted", plural(len(keys), "key"))
	} else {
		o.IO.Infof("%s deleted", plural(len(keys), "key"))
	}
	return nil
}
