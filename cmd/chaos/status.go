package chaos

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/chaos"
)

// StatusOptions are what `chaos status` needs.
type StatusOptions struct {
	IO     *iostreams.IOStreams
	Chaos  func() (*chaos.Client, error)
	Output output.Flags
	// Namespaces to look in; all when empty.
	Namespaces []string
}

// NewCmdStatus returns the verb; runF replaces its run in tests.
func NewCmdStatus(f *app.Factory, runF func(*StatusOptions) error) *cobra.Command {
	opts := &StatusOptions{IO: f.IO, Chaos: client(f)}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "List the faults in the cluster and the time they have left",
		Long: `List the faults that suokectl injected, whoever ran it. A fault is active; arming,
while its routing is not written yet; overdue, when its deadline is past and the
cluster has not taken it back; or orphaned, when its Job is lost and nothing but
"chaos clear" will end it.`,
		Example:           "suokectl chaos status\nsuokectl chaos status --client-namespace shop -o json",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(opts)
			}
			return runStatus(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringArrayVar(&opts.Namespaces, "client-namespace", nil, "look in this `namespace` only; may be repeated (default all)")
	_ = cmd.RegisterFlagCompletionFunc("client-namespace", cobra.NoFileCompletions)
	opts.Output.Bind(cmd)
	return cmd
}

func runStatus(ctx context.Context, opts *StatusOptions) error {
	c, err := opts.Chaos()
	if err != nil {
		return err
	}
	leases, err := c.Status(ctx, opts.Namespaces...)
	if err != nil {
		return hinted(err)
	}
	return output.List(opts.IO, opts.Output, leaseView(), leases)
}
