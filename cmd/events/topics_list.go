package events

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/spec"
)

// TopicsListOptions are what `events topics list` works with.
type TopicsListOptions struct {
	IO      *iostreams.IOStreams
	Events  func() (*events.Client, error)
	Output  output.Flags
	Pattern string
}

// NewCmdTopicsList returns the verb; runF replaces its run in tests.
func NewCmdTopicsList(f *app.Factory, runF func(*TopicsListOptions) error) *cobra.Command {
	opts := &TopicsListOptions{IO: f.IO, Events: f.Events}
	cmd := &cobra.Command{
		Use:   "list [PATTERN]",
		Short: "List topics",
		Long: `List the topics of the cluster but for Kafka's internal ones, or those that match
a pattern: * stands for any text within a part of a name, ** for any parts.

OFFSETS is the distance from the start to the end of the log over all
partitions: the most that can be in it, since compaction and transactions leave
gaps. KIND is unknown where a name does not follow the conventions; "check" says
why.`,
		Example: "suokectl events topics list\n" +
			"suokectl events topics list 'dev.auth-service.**' -o wide\n" +
			"suokectl events topics list -o name",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: complete.At(topicNames(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Pattern = "**"
			if len(args) == 1 {
				opts.Pattern = args[0]
			}
			if err := opts.Output.Validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return explain(runTopicsList(cmd.Context(), opts))
		},
	}
	opts.Output.Bind(cmd)
	return cmd
}

func runTopicsList(ctx context.Context, opts *TopicsListOptions) error {
	client, err := opts.Events()
	if err != nil {
		return err
	}
	all, err := client.Topics(ctx)
	if err != nil {
		return err
	}
	var shown []events.Topic
	for _, t := range all {
		if spec.MatchTopic(opts.Pattern, t.Name) {
			shown = append(shown, t)
		}
	}
	return output.List(opts.IO, opts.Output, topicView(), shown)
}
