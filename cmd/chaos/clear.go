package chaos

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/chaos"
)

// ClearOptions are what `chaos clear` needs.
type ClearOptions struct {
	IO     *iostreams.IOStreams
	Chaos  func() (*chaos.Client, error)
	Guard  func(ctx context.Context, what string) error
	Output output.Flags
	// Names of the faults to clear; all when empty.
	Names  []string
	DryRun bool
}

// NewCmdClear returns the verb; runF replaces its run in tests.
func NewCmdClear(f *app.Factory, runF func(*ClearOptions) error) *cobra.Command {
	opts := &ClearOptions{IO: f.IO, Chaos: client(f), Guard: f.Guard}
	var all bool
	cmd := &cobra.Command{
		Use:   "clear [NAME]",
		Short: "End faults before their time",
		Long: `End a fault before its time, or all with --all, orphaned ones too, and verify that
it is gone. What is gone already is no error.`,
		Example: `suokectl chaos clear --all --dry-run
suokectl chaos clear --all
suokectl chaos clear # exits 2`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: faultNames(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) == 1) {
				return failure.Usagef("name one fault, or give --all")
			}
			opts.Names = args
			if runF != nil {
				return runF(opts)
			}
			return runClear(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "end every fault in the cluster")
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "list what would be ended, and end nothing")
	opts.Output.Bind(cmd)
	return cmd
}

func runClear(ctx context.Context, opts *ClearOptions) error {
	c, err := opts.Chaos()
	if err != nil {
		return err
	}
	chosen, err := c.Find(ctx, opts.Names...)
	if err != nil {
		return hinted(err)
	}
	switch {
	case len(chosen) == 0:
		opts.IO.Infof("nothing to clear")
	case opts.DryRun:
		opts.IO.Infof("dry run: these would be cleared")
	default:
		if err := opts.Guard(ctx, "clear faults"); err != nil {
			return err
		}
		if err := c.End(ctx, chosen...); err != nil {
			return err
		}
		for i := range chosen {
			chosen[i].State, chosen[i].SecondsLeft = "cleared", 0
		}
	}
	return output.List(opts.IO, opts.Output, leaseView(), chosen)
}
