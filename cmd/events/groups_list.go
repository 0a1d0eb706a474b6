package events

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
)

// GroupsListOptions are what `events groups list` works with.
type GroupsListOptions struct {
	IO     *iostreams.IOStreams
	Events func() (*events.Client, error)
	Output output.Flags
	Topic  string
}

// NewCmdGroupsList returns the verb; runF replaces its run in tests.
func NewCmdGroupsList(f *app.Factory, runF func(*GroupsListOptions) error) *cobra.Command {
	opts := &GroupsListOptions{IO: f.IO, Events: f.Events}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List consumer groups with their lag",
		Long: `List the consumer groups that you may see, of both protocols: classic ones, and
those that the broker assigns (KIP-848).

LAG is what the group has left to read, over all its partitions: from the start
of those where it has committed nothing.`,
		Example: "suokectl events groups list\n" +
			"suokectl events groups list --topic dev.auth-service.user-registered.v1 -o wide\n" +
			"suokectl events groups list --jq '.[] | select(.lag > 0) | .name'",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(opts)
			}
			return explain(runGroupsList(cmd.Context(), opts))
		},
	}
	cmd.Flags().StringVar(&opts.Topic, "topic", "", "only groups that read this `topic`")
	_ = cmd.RegisterFlagCompletionFunc("topic", topicNames(f))
	opts.Output.Bind(cmd)
	return cmd
}

func runGroupsList(ctx context.Context, opts *GroupsListOptions) error {
	client, err := opts.Events()
	if err != nil {
		return err
	}
	if opts.Topic != "" {
		if _, err := client.Topics(ctx, opts.Topic); err != nil {
			return err
		}
	}
	groups, failed := client.Groups(ctx)
	var shown []consumerGroup
	for _, g := range groups {
		row := consumerGroup{Group: g}
		if opts.Topic == "" || slices.Contains(row.topics(), opts.Topic) {
			shown = append(shown, row)
		}
	}
	if failed != nil && len(shown) == 0 {
		return failed
	}
	view := consumerGroupView()
	if opts.Topic != "" {
		view.Empty = "no consumer group reads " + opts.Topic
	}
	return firstError(output.List(opts.IO, opts.Output, view, shown), failed)
}
