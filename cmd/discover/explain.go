package discover

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

// ExplainOptions are what `discover explain` needs.
type ExplainOptions struct {
	IO       *iostreams.IOStreams
	Discover func() (*discover.Client, error)
	Output   output.Flags
	Name     string
	Query    discover.Query
}

// NewCmdExplain returns the verb; runF replaces its run in tests.
func NewCmdExplain(f *app.Factory, runF func(*ExplainOptions) error) *cobra.Command {
	opts := &ExplainOptions{IO: f.IO, Discover: f.Discover}
	var query queryFlags
	cmd := &cobra.Command{
		Use:   "explain NAME",
		Short: "Say for each known instance whether a caller would be given it, and why not",
		Long: `Show every instance of a service that Consul knows. For one that the same flags
of "discover instances" leave out, say what keeps it out: the check that fails,
with its last output; maintenance, with its reason; a tag or version that it
does not have.`,
		Example: `suokectl discover explain auth-service
suokectl discover explain auth-service --version v2 --tag prod
suokectl discover explain auth-service --jq '.[] | select(.causes != []) | .instance.id'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: serviceNames(f),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			opts.Name = args[0]
			if opts.Query, err = query.query(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runExplain(cmd.Context(), opts)
		},
	}
	query.bind(f, cmd)
	opts.Output.Bind(cmd)
	return cmd
}

func runExplain(ctx context.Context, opts *ExplainOptions) error {
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	all, err := client.Explain(ctx, opts.Name, opts.Query)
	if err != nil {
		return hinted(err)
	}
	if opts.Output.Human() {
		return output.Text(opts.IO, "%s", explainText(opts.IO, all))
	}
	return output.List(opts.IO, opts.Output, explanationView(), all)
}

// explainText shows a line for each instance and under it a line for each cause, whole whatever the terminal's width:
// the reason is what was asked for.
func explainText(ios *iostreams.IOStreams, all []discover.Explanation) string {
	var text strings.Builder
	address, version := 0, 0
	for _, e := range all {
		address = max(address, len(e.Instance.HostPort()))
		version = max(version, len(e.Instance.Version))
	}
	style := ios.Style()
	for _, e := range all {
		verdict := style.Good("given   ")
		if !e.Included() {
			verdict = style.Bad("left out")
		}
		health := coloured(style, e.Instance.Health, fmt.Sprintf("%-11s", e.Instance.Health))
		fmt.Fprintf(&text, "%s  %-*s  %-*s  %s  %s\n", verdict, address, ios.Clean(e.Instance.HostPort()),
			version, ios.Clean(e.Instance.Version), health, style.Dim(ios.Clean(e.Instance.ID)))
		for _, sentence := range e.Sentences() {
			fmt.Fprintf(&text, "          %s\n", ios.Clean(sentence))
		}
	}
	return text.String()
}

// explanationView is for the formats that are not read by eyes.
func explanationView() output.View[discover.Explanation] {
	return output.View[discover.Explanation]{Name: func(e discover.Explanation) string { return e.Instance.ID }}
}
