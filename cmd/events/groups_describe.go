package events

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
)

// GroupsDescribeOptions are what `events groups describe` works with.
type GroupsDescribeOptions struct {
	IO     *iostreams.IOStreams
	Events func() (*events.Client, error)
	Output output.Flags
	Names  []string
	Window time.Duration
}

// NewCmdGroupsDescribe returns the verb; runF replaces its run in tests.
func NewCmdGroupsDescribe(f *app.Factory, runF func(*GroupsDescribeOptions) error) *cobra.Command {
	opts := &GroupsDescribeOptions{IO: f.IO, Events: f.Events}
	cmd := &cobra.Command{
		Use:   "describe NAME...",
		Short: "Show a group's members, its lag and where that goes",
		Long: `Show the members of consumer groups, what they have committed in each partition,
how much is left to read, and whether that grows: two looks are taken, --window
apart. A group that commits more seldom than that seems to be stuck.

PROBLEM says that a committed offset lies outside of the log: records were
deleted before they were read, or the topic was made again.`,
		Example: "suokectl events groups describe user-service\n" +
			"suokectl events groups describe user-service audit-service --window 0 -o wide\n" +
			"suokectl events groups describe user-service --window 500ms --jq '.[0].trend.verdict'",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: groupNames(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Names = args
			if opts.Window < 0 {
				return failure.Usagef("--window is not negative")
			}
			if runF != nil {
				return runF(opts)
			}
			return explain(runGroupsDescribe(cmd.Context(), opts))
		},
	}
	cmd.Flags().DurationVar(&opts.Window, "window", 2*time.Second, "the `time` between two looks at the lag; 0 takes one")
	_ = cmd.RegisterFlagCompletionFunc("window", cobra.NoFileCompletions)
	opts.Output.Bind(cmd)
	return cmd
}

func runGroupsDescribe(ctx context.Context, opts *GroupsDescribeOptions) error {
	client, err := opts.Events()
	if err != nil {
		return err
	}
	groups, failed := describeTwice(ctx, client, opts.Names, opts.Window)
	if len(groups) == 0 {
		return failed
	}
	err = output.Report(opts.IO, opts.Output, consumerGroupView(), groups, func(w io.Writer) error {
		for i, g := range groups {
			if i > 0 {
				_, _ = fmt.Fprintln(w)
			}
			if err := writeGroup(w, opts.IO, opts.Output, g); err != nil {
				return err
			}
		}
		return nil
	})
	return firstError(err, failed)
}

// describeTwice looks at groups, and again after the window for their trend.
func describeTwice(ctx context.Context, client *events.Client, names []string, window time.Duration) ([]consumerGroup, error) {
	first, failed := client.Groups(ctx, names...)
	if window == 0 || len(first) == 0 {
		return withTrends(first, nil), failed
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(window):
	}
	var seen []string
	for _, g := range first {
		seen = append(seen, g.Name)
	}
	second, err := client.Groups(ctx, seen...)
	if err != nil {
		return nil, err
	}
	return withTrends(second, first), failed
}

func withTrends(groups, earlier []events.Group) []consumerGroup {
	rows := make([]consumerGroup, len(groups))
	for i, g := range groups {
		rows[i].Group = g
		if i < len(earlier) && earlier[i].Name == g.Name {
			trend := g.Since(earlier[i])
			rows[i].Trend = &trend
		}
	}
	return rows
}
