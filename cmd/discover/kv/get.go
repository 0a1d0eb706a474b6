package kv

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// GetOptions are what `discover kv get` needs.
type GetOptions struct {
	IO       *iostreams.IOStreams
	Discover func() (*discover.Client, error)
	Output   output.Flags
	Key      string
}

// NewCmdGet returns the verb; runF replaces its run in tests.
func NewCmdGet(f *app.Factory, runF func(*GetOptions) error) *cobra.Command {
	opts := &GetOptions{IO: f.IO, Discover: f.Discover}
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "Print the value of a key",
		Long: `Print the value of a key, byte for byte. On a terminal what could deceive it is
left out, a line end is added, and a binary value is refused.

-o json gives key, value, encoding (utf-8, or base64 when the value is not that),
flags, create_index, modify_index (for put --cas) and session.`,
		Example: `printf 30s | suokectl discover kv put app/timeout
suokectl discover kv get app/timeout
suokectl discover kv get app/timeout -o json
suokectl discover kv get app/none # exits 1`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: keyNames(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Key = args[0]
			if runF != nil {
				return runF(opts)
			}
			return runGet(cmd.Context(), opts)
		},
	}
	opts.Output.Bind(cmd)
	return cmd
}

func runGet(ctx context.Context, opts *GetOptions) error {
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	entry, err := client.KV().Get(ctx, opts.Key)
	if err != nil {
		return hinted(err)
	}
	view := output.View[item]{Name: func(i item) string { return i.Key }}
	return output.One(opts.IO, opts.Output, view, itemOf(entry), func(w io.Writer) error {
		return writeValue(w, opts.IO, entry)
	})
}

func writeValue(w io.Writer, ios *iostreams.IOStreams, entry discover.Entry) error {
	if !ios.StdoutTTY() {
		_, err := w.Write(entry.Value)
		return err
	}
	if discover.IsBinary(entry.Value) {
		return failure.WithHint(fmt.Errorf("the value of %q is %s of binary data, which a terminal does not take",
			entry.Key, plural(len(entry.Value), "byte")), "send it to a file with >, or use -o json")
	}
	_, err := fmt.Fprintln(w, strings.TrimSuffix(ios.Clean(string(entry.Value)), "\n"))
	return err
}
