package events

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
)

// GroupsDeleteOptions are what `events groups delete` works with.
type GroupsDeleteOptions struct {
	IO     *iostreams.IOStreams
	Events func() (*events.Client, error)
	Guard  func(ctx context.Context, what string) error
	Output output.Flags
	Names  []string
	DryRun bool
}

// NewCmdGroupsDelete returns the verb; runF replaces its run in tests.
func NewCmdGroupsDelete(f *app.Factory, runF func(*GroupsDeleteOptions) error) *cobra.Command {
	opts := &GroupsDeleteOptions{IO: f.IO, Events: f.Events, Guard: f.Guard}
	cmd := &cobra.Command{
		Use:   "delete NAME...",
		Short: "Delete groups without members, and their offsets",
		Long: `Delete consumer groups with all that they have committed. The groups are shown
first. One with members is not deleted: stop them before.`,
		Example: "suokectl events groups delete audit-service --dry-run\n" +
			"suokectl events groups delete user-service # exits 1",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: groupNames(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Names = args
			if runF != nil {
				return runF(opts)
			}
			return explain(runGroupsDelete(cmd.Context(), opts))
		},
	}
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "show the groups, and delete nothing")
	opts.Output.Bind(cmd)
	return cmd
}

// runGroupsDelete begins only when all groups are there and empty.
func runGroupsDelete(ctx context.Context, opts *GroupsDeleteOptions) error {
	client, err := opts.Events()
	if err != nil {
		return err
	}
	groups, err := client.Groups(ctx, opts.Names...)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if len(g.Members) > 0 {
			return fmt.Errorf("nothing was deleted: %w", &events.LiveGroupError{Group: g.Name, State: g.State, Members: g.Members})
		}
	}
	if err := output.List(opts.IO, opts.Output, consumerGroupView(), withTrends(groups, nil)); err != nil {
		return err
	}
	if opts.DryRun {
		opts.IO.Infof("%s would be deleted", plural(len(groups), "group"))
		return nil
	}
	if err := opts.Guard(ctx, "delete "+plural(len(groups), "group")+": "+strings.Join(opts.Names, ", ")); err != nil {
		return err
	}
	var failed []error
	for _, g := range groups {
		if err := client.DeleteGroup(ctx, g.Name); err != nil {
			failed = append(failed, err)
			continue
		}
		opts.IO.Infof("%s deleted", g.Name)
	}
	return errors.Join(failed...)
}
