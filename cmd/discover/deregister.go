package discover

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// DeregisterOptions are what `discover deregister` needs.
type DeregisterOptions struct {
	IO       *iostreams.IOStreams
	Discover func() (*discover.Client, error)
	Guard    func(ctx context.Context, what string) error
	Output   output.Flags
	ID       string
	DryRun   bool
}

// NewCmdDeregister returns the verb; runF replaces its run in tests.
func NewCmdDeregister(f *app.Factory, runF func(*DeregisterOptions) error) *cobra.Command {
	opts := &DeregisterOptions{IO: f.IO, Discover: f.Discover, Guard: f.Guard}
	cmd := &cobra.Command{
		Use:   "deregister ID",
		Short: "Remove an instance and its checks from the agent",
		Long: `Remove an instance and its checks from the agent that was asked. An agent removes
only what was registered with it: for any other id it is said at which node it is
registered. A process that still keeps its registration registers again.`,
		Example: `suokectl discover register --name old-service --address 127.0.0.1 --port 7003 --once
suokectl discover deregister old-service-127.0.0.1-7003 --dry-run
suokectl discover deregister old-service-127.0.0.1-7003`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.At(registeredIDs(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.ID = args[0]
			if runF != nil {
				return runF(opts)
			}
			return runDeregister(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "show what would be removed, and remove nothing")
	opts.Output.Bind(cmd)
	return cmd
}

func runDeregister(ctx context.Context, opts *DeregisterOptions) error {
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	instance, err := client.Registered(ctx, opts.ID)
	if err != nil {
		return hintedID(err)
	}
	said := "would be deregistered"
	if !opts.DryRun {
		if err := opts.Guard(ctx, "deregister "+opts.ID); err != nil {
			return err
		}
		if err := client.Deregister(ctx, opts.ID); err != nil {
			return hintedID(err)
		}
		said = "is deregistered"
	}
	view := output.View[discover.Instance]{Name: func(i discover.Instance) string { return i.ID }}
	return output.One(opts.IO, opts.Output, view, instance, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s (%s, was %s) %s\n",
			opts.IO.Clean(instance.ID), opts.IO.Clean(instance.HostPort()), instance.Health, said)
		return err
	})
}

// registeredIDs completes the id of an instance that is registered with the agent.
func registeredIDs(f *app.Factory) cobra.CompletionFunc {
	return complete.Values(f, "registered ids", func(ctx context.Context) ([]string, error) {
		client, err := f.Discover()
		if err != nil {
			return nil, err
		}
		return client.IDs(ctx)
	})
}

// hintedID adds to an unknown id what to do about it.
func hintedID(err error) error {
	var unknown *discover.UnknownIDError
	switch {
	case !errors.As(err, &unknown):
		return err
	case len(unknown.Nodes) > 0:
		return failure.WithHint(err, "`suokectl discover nodes` has its address; ask the agent there: SUOKECTL_CONSUL_ADDRESS=ADDRESS:8500")
	}
	return failure.WithHint(err, "`suokectl discover instances NAME --health any -o name` lists the ids of a service")
}
