package kv

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// DiffOptions are what `discover kv diff` needs.
type DiffOptions struct {
	IO          *iostreams.IOStreams
	Discover    func() (*discover.Client, error)
	Output      output.Flags
	Prefix, Dir string
}

// difference is a key that differs, as -o json prints it: without values.
type difference struct {
	discover.KeyDifference
	Binary   bool `json:"binary"`
	OldBytes int  `json:"old_bytes"` // Consul's
	NewBytes int  `json:"new_bytes"` // the file's
}

// NewCmdDiff returns the verb; runF replaces its run in tests.
func NewCmdDiff(f *app.Factory, runF func(*DiffOptions) error) *cobra.Command {
	opts := &DiffOptions{IO: f.IO, Discover: f.Discover}
	cmd := &cobra.Command{
		Use:   "diff PREFIX DIR",
		Short: "Compare the keys in a folder of Consul with a folder of files",
		Long: `Compare the keys under PREFIX/ with the files in DIR: added is what only the
folder has, removed what only Consul has, changed what both have with different
values. The exit code is 100 when anything differs. An empty PREFIX is all keys.

Text values are shown as a unified diff from Consul to the folder; -o json gives
key, kind, binary and sizes, and no values.

The file of a key has the key's path below PREFIX. In each part % and \ : * ? " < >
| and a dot at the beginning are written as % and two hexadecimal digits; the
value of app/a, when there is app/a/b too, is in the file app/a/%self; an empty
part is %empty. Files and folders whose names begin with a dot are left out,
links are followed to files inside DIR only, and a line end at the end of a file
is a part of the value.`,
		Example: `mkdir -p conf && printf 30s > conf/timeout && printf 30s | suokectl discover kv put shop/timeout
suokectl discover kv diff shop conf
printf 60s > conf/timeout
suokectl discover kv diff shop conf # exits 100`,
		Args: cobra.ExactArgs(2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			return keyNames(f)(cmd, args, prefix)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Prefix, opts.Dir = asFolder(args[0]), args[1]
			if runF != nil {
				return runF(opts)
			}
			return runDiff(cmd.Context(), opts)
		},
	}
	opts.Output.Bind(cmd)
	return cmd
}

func runDiff(ctx context.Context, opts *DiffOptions) error {
	files, err := discover.ReadKeys(opts.Dir, opts.Prefix)
	if err != nil {
		return err
	}
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	entries, err := client.KV().List(ctx, opts.Prefix)
	if err != nil {
		return hinted(err)
	}
	differences := discover.DiffKeys(entries, files)
	if err := opts.tell(differences); err != nil {
		return err
	}
	return failure.Findings(len(differences))
}

func (o *DiffOptions) tell(differences []discover.KeyDifference) error {
	if o.Output.Human() {
		return o.tellText(differences)
	}
	list := make([]difference, len(differences))
	for i, d := range differences {
		list[i] = difference{KeyDifference: d, Binary: d.Binary(), OldBytes: len(d.Old), NewBytes: len(d.New)}
	}
	view := output.View[difference]{Name: func(d difference) string { return d.Key }}
	return output.List(o.IO, o.Output, view, list)
}

func (o *DiffOptions) tellText(differences []discover.KeyDifference) error {
	count := map[discover.ChangeKind]int{}
	for _, d := range differences {
		count[d.Kind]++
		if err := writeDifference(o.IO.Out, o.IO, d, "folder"); err != nil {
			return err
		}
	}
	if len(differences) == 0 {
		o.IO.Infof("no difference")
		return nil
	}
	o.IO.Infof("%d added, %d changed, %d removed", count[discover.Added], count[discover.Changed], count[discover.Removed])
	return nil
}

// writeDifference writes a unified diff from Consul's value to the new one, or says why there is none.
func writeDifference(w io.Writer, ios *iostreams.IOStreams, d discover.KeyDifference, newName string) error {
	text := string(diff.Diff("consul:"+d.Key, d.Old, newName+":"+d.Key, d.New))
	switch {
	case d.Binary():
		text = fmt.Sprintf("binary value of %q %s: %s, then %s\n", d.Key, d.Kind, plural(len(d.Old), "byte"), plural(len(d.New), "byte"))
	case text == "" && d.Kind == discover.Changed:
		text = fmt.Sprintf("flags of %q changed\n", d.Key)
	case text == "":
		text = fmt.Sprintf("empty value of %q %s\n", d.Key, d.Kind)
	}
	_, err := io.WriteString(w, coloured(ios.Style(), ios.Clean(text)))
	return err
}

// coloured shows what goes and what comes.
func coloured(st iostreams.Style, text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line, end := strings.TrimSuffix(line, "\n"), line[len(strings.TrimSuffix(line, "\n")):]
		switch {
		case strings.HasPrefix(line, "+"):
			line = st.Good(line)
		case strings.HasPrefix(line, "-"):
			line = st.Bad(line)
		case strings.HasPrefix(line, "@@"), strings.HasPrefix(line, "diff "):
			line = st.Dim(line)
		}
		b.WriteString(line + end)
	}
	return b.String()
}
