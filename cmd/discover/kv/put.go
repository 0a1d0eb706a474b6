package kv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// PutOptions are what `discover kv put` needs.
type PutOptions struct {
	IO       *iostreams.IOStreams
	Discover func() (*discover.Client, error)
	Guard    func(ctx context.Context, what string) error
	Output   output.Flags
	Key      string
	Source   string // of the value: the value itself, @FILE, or - for stdin
	Flags    uint64
	Index    *uint64 // that the key must still have; nil is any
	DryRun   bool
}

// outcome is what a write did, or would do.
type outcome struct {
	Key    string `json:"key"`
	Kind   string `json:"kind"` // written; with --dry-run added, changed or unchanged
	Bytes  int    `json:"bytes"`
	Flags  uint64 `json:"flags"`
	DryRun bool   `json:"dry_run"`
}

// NewCmdPut returns the verb; runF replaces its run in tests.
func NewCmdPut(f *app.Factory, runF func(*PutOptions) error) *cobra.Command {
	opts := &PutOptions{IO: f.IO, Discover: f.Discover, Guard: f.Guard}
	var index uint64
	cmd := &cobra.Command{
		Use:   "put KEY [VALUE | - | @FILE]",
		Short: "Write the value of a key",
		Long: `Write the value of a key, at most 512 KiB: from stdin (when no value is given, or
-), from a file (@FILE), or as it is given. The last is for what everyone may
know: other users of the machine see it in the list of processes, and the shell
keeps it in its history. Nothing is added or taken away: echo ends its text with a line
end, printf does not.

--cas INDEX writes only if the key still has the modify_index that get -o json
told; --cas 0 only if there is no such key. If not, the exit code is 1.

--dry-run reads what is there and prints how it would change.`,
		Example: `printf 30s | suokectl discover kv put app/timeout
suokectl discover kv put app/timeout 60s --dry-run
printf '{"rate": 5}\n' > limits.json && suokectl discover kv put app/limits.json @limits.json
suokectl discover kv put app/timeout 60s --cas 0 # exits 1
suokectl discover kv put app/timeout 60s --cas "$(suokectl discover kv get app/timeout --jq .modify_index)"`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: keyNames(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Key, opts.Source = args[0], "-"
			if len(args) > 1 {
				opts.Source = args[1]
			}
			if cmd.Flags().Changed("cas") {
				opts.Index = &index
			}
			if runF != nil {
				return runF(opts)
			}
			return runPut(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.Uint64Var(&index, "cas", 0, "write only if the key still has this `index`; 0 if there is no such key")
	flags.Uint64Var(&opts.Flags, "flags", 0, "`number` that is kept beside the value, for whoever reads it")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "show how the value would change, and write nothing")
	_ = cmd.RegisterFlagCompletionFunc("cas", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("flags", cobra.NoFileCompletions)
	opts.Output.Bind(cmd)
	return cmd
}

func runPut(ctx context.Context, opts *PutOptions) error {
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	value, err := opts.value()
	if err != nil {
		return err
	}
	entry := discover.Entry{Key: opts.Key, Value: value, Flags: opts.Flags}
	if opts.DryRun {
		return hinted(previewPut(ctx, opts, client.KV(), entry))
	}
	if err := opts.Guard(ctx, fmt.Sprintf("write %s to the key %q", plural(len(value), "byte"), opts.Key)); err != nil {
		return err
	}
	if opts.Index != nil {
		entry.ModifyIndex = *opts.Index
		err = client.KV().CompareAndSet(ctx, entry)
	} else {
		err = client.KV().Put(ctx, entry)
	}
	if err != nil {
		return hinted(err)
	}
	return opts.tell(outcome{Key: opts.Key, Kind: "written", Bytes: len(value), Flags: opts.Flags}, nil)
}

// previewPut shows what a write would change.
func previewPut(ctx context.Context, opts *PutOptions, kv discover.KV, entry discover.Entry) error {
	present, err := kv.Get(ctx, entry.Key)
	if err != nil && !errors.Is(err, discover.ErrNoKey) {
		return err
	}
	if len(entry.Value) > discover.MaxValue {
		return &discover.TooLargeError{Name: entry.Key, Size: int64(len(entry.Value))}
	}
	if opts.Index != nil && *opts.Index != present.ModifyIndex {
		return &discover.ChangedError{Key: entry.Key, Wanted: *opts.Index, Present: present.ModifyIndex, Known: true}
	}
	d := discover.KeyDifference{Key: entry.Key, Kind: discover.Changed, Old: present.Value, New: entry.Value}
	result := outcome{Key: entry.Key, Kind: string(discover.Changed), Bytes: len(entry.Value), Flags: entry.Flags, DryRun: true}
	switch {
	case present.ModifyIndex == 0:
		d.Kind, result.Kind = discover.Added, string(discover.Added)
	case string(present.Value) == string(entry.Value) && present.Flags == entry.Flags:
		return opts.tell(outcome{Key: entry.Key, Kind: "unchanged", Bytes: len(entry.Value), Flags: entry.Flags, DryRun: true}, nil)
	}
	return opts.tell(result, func(w io.Writer) error { return writeDifference(w, opts.IO, d, "new") })
}

// tell prints the outcome: as data, or as talk with what text writes.
func (o *PutOptions) tell(result outcome, text func(io.Writer) error) error {
	if text == nil {
		text = func(io.Writer) error { return nil }
	}
	view := output.View[outcome]{Name: func(r outcome) string { return r.Key }}
	if err := output.One(o.IO, o.Output, view, result, text); err != nil || !o.Output.Human() {
		return err
	}
	if o.DryRun {
		o.IO.Infof("%q would be %s (%s); nothing was written", result.Key, result.Kind, plural(result.Bytes, "byte"))
	} else {
		o.IO.Infof("%q written (%s)", result.Key, plural(result.Bytes, "byte"))
	}
	return nil
}

// value reads the value from where it comes.
func (o *PutOptions) value() ([]byte, error) {
	file, isFile := strings.CutPrefix(o.Source, "@")
	switch {
	case isFile:
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read the value: %w", err)
		}
		defer f.Close()
		return readAll(f, file)
	case o.Source == "-":
		if o.IO.StdinTTY() {
			o.IO.Infof("type the value of %q; Ctrl-D ends it", o.Key)
		}
		return readAll(o.IO.In, "stdin")
	}
	return []byte(o.Source), nil
}

// readAll reads no more than shows that it is too much.
func readAll(r io.Reader, name string) ([]byte, error) {
	value, err := io.ReadAll(io.LimitReader(r, discover.MaxValue+1))
	if err != nil {
		return nil, fmt.Errorf("read the value from %s: %w", name, err)
	}
	if len(value) > discover.MaxValue {
		return nil, fmt.Errorf("read the value from %s: %w: Consul keeps at most %d bytes", name, discover.ErrTooLarge, discover.MaxValue)
	}
	return value, nil
}
