package discover

import (
	"cmp"
	"context"
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

// MaintenanceOptions are what `discover maintenance` needs.
type MaintenanceOptions struct {
	IO       *iostreams.IOStreams
	Discover func() (*discover.Client, error)
	Guard    func(ctx context.Context, what string) error
	Output   output.Flags
	On       bool
	ID       string // empty is the agent's node
	Reason   string
	DryRun   bool
}

// NewCmdMaintenance returns the verb; runF replaces its run in tests.
func NewCmdMaintenance(f *app.Factory, runF func(*MaintenanceOptions) error) *cobra.Command {
	opts := &MaintenanceOptions{IO: f.IO, Discover: f.Discover, Guard: f.Guard}
	node := false
	cmd := &cobra.Command{
		Use:   "maintenance on|off [ID]",
		Short: "Put an instance or the agent's node into maintenance, or take it out",
		Long: `Put an instance into maintenance, in which no caller is given it whatever its
checks say, or take it out. --node means the agent's node with everything on it.
An instance in maintenance stays there when it registers again.`,
		Example: `suokectl discover register --name cart-service --address 127.0.0.1 --port 7004 --once
suokectl discover maintenance on cart-service-127.0.0.1-7004 --reason "new disk"
suokectl discover maintenance off cart-service-127.0.0.1-7004
suokectl discover maintenance on --node --dry-run`,
		Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: complete.At(
			cobra.FixedCompletions([]string{"on", "off"}, cobra.ShellCompDirectiveNoFileComp), registeredIDs(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.take(args, node); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runMaintenance(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&node, "node", false, "mean the agent's node, with everything on it")
	flags.StringVar(&opts.Reason, "reason", "", "`why`, for those who ask; for on")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "show what would change, and change nothing")
	_ = cmd.RegisterFlagCompletionFunc("reason", cobra.NoFileCompletions)
	opts.Output.Bind(cmd)
	return cmd
}

func (o *MaintenanceOptions) take(args []string, node bool) error {
	if args[0] != "on" && args[0] != "off" {
		return failure.Usagef("maintenance is on or off, not %q", args[0])
	}
	o.On = args[0] == "on"
	if len(args) == 2 {
		o.ID = args[1]
	}
	switch {
	case node && o.ID != "":
		return failure.Usagef("give an ID or --node, not both")
	case !node && o.ID == "":
		return failure.Usagef("give an ID, or --node for the agent's node")
	case !o.On && o.Reason != "":
		return failure.Usagef("--reason is for maintenance on")
	}
	return nil
}

// maintenanceState is what `maintenance` prints.
type maintenanceState struct {
	ID      string `json:"id"` // empty: the agent's node
	On      bool   `json:"on"`
	Reason  string `json:"reason"`
	Changed bool   `json:"changed"`
}

func runMaintenance(ctx context.Context, opts *MaintenanceOptions) error {
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	reason, on, err := client.Maintenance(ctx, opts.ID)
	if err != nil {
		return hintedID(err)
	}
	state := maintenanceState{ID: opts.ID, On: opts.On, Reason: reason, Changed: on != opts.On}
	if state.Changed {
		state.Reason = opts.Reason
	}
	blind := opts.ID == "" && !on // ACLs hide the checks of a node without a word
	if opts.DryRun || !state.Changed && !blind {
		return opts.print(state)
	}
	if err := opts.Guard(ctx, fmt.Sprintf("%s maintenance of %s", offOn(opts.On), target(opts.ID))); err != nil {
		return err
	}
	set := func() error { return client.EndMaintenance(ctx, opts.ID) }
	if opts.On {
		set = func() error { return client.Maintain(ctx, opts.ID, opts.Reason) }
	}
	if err := set(); err != nil {
		return hintedID(err)
	}
	return opts.print(state)
}

func offOn(on bool) string {
	if on {
		return "begin"
	}
	return "end"
}

func target(id string) string { return cmp.Or(id, "the agent's node") }

func (o *MaintenanceOptions) print(state maintenanceState) error {
	view := output.View[maintenanceState]{Name: func(s maintenanceState) string { return target(s.ID) }}
	return output.One(o.IO, o.Output, view, state, func(w io.Writer) error {
		said := "is in maintenance"
		if !state.On {
			said = "is out of maintenance"
		}
		switch {
		case !state.Changed && state.On:
			said += " already"
		case !state.Changed:
			said = "was not in maintenance"
		case o.DryRun && state.On:
			said = "would be put into maintenance"
		case o.DryRun:
			said = "would be taken out of maintenance"
		}
		if state.On && state.Reason != "" {
			said += ": " + o.IO.Clean(state.Reason)
		}
		_, err := fmt.Fprintf(w, "%s %s\n", o.IO.Clean(target(state.ID)), said)
		return err
	})
}
