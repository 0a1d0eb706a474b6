package events

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/dlq"
)

// DLQListOptions are what `events dlq list` needs.
type DLQListOptions struct {
	IO     *iostreams.IOStreams
	Events func() (*events.Client, error)
	Output output.Flags
}

// NewCmdDLQList returns the verb; runF replaces its run in tests.
func NewCmdDLQList(f *app.Factory, runF func(*DLQListOptions) error) *cobra.Command {
	opts := &DLQListOptions{IO: f.IO, Events: f.Events}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead-letter topics with what is pending in them",
		Long: `List the dead-letter topics with their letters, pending and replayed by the
ledger. Letters are counted one by one; an end offset less a start is no count.`,
		Example:           "suokectl events dlq list\nsuokectl events dlq list -o json --jq '.[] | select(.pending > 0) | .topic'",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(opts)
			}
			return explainDLQ(runDLQList(cmd.Context(), opts))
		},
	}
	opts.Output.Bind(cmd)
	return cmd
}

func runDLQList(ctx context.Context, opts *DLQListOptions) error {
	client, err := openDLQ(ctx, opts.Events)
	if err != nil {
		return err
	}
	topics, err := client.List(ctx)
	if err != nil {
		return err
	}
	return output.List(opts.IO, opts.Output, dlqTopicView(), topics)
}

func dlqTopicView() output.View[dlq.Topic] {
	return output.View[dlq.Topic]{
		Name:  func(t dlq.Topic) string { return t.Name },
		Empty: "there are no dead-letter topics",
		Columns: []output.Column[dlq.Topic]{
			{Name: "TOPIC", Whole: true, Value: func(t dlq.Topic) string { return t.Name }},
			{
				Name: "PENDING", Value: func(t dlq.Topic) string { return strconv.FormatInt(t.Pending, 10) },
				Style: func(st iostreams.Style, t dlq.Topic, cell string) string {
					if t.Pending > 0 {
						return st.Warn(cell)
					}
					return cell
				},
			},
			{Name: "REPLAYED", Value: func(t dlq.Topic) string { return strconv.FormatInt(t.Replayed, 10) }},
			{Name: "OLDEST", Value: func(t dlq.Topic) string { return timeOrDash(t.Oldest) }},
			{Name: "NEWEST", Value: func(t dlq.Topic) string { return timeOrDash(t.Newest) }},
			{Name: "PARTITIONS", Value: func(t dlq.Topic) string { return strconv.Itoa(t.Partitions) }, Wide: true},
			{Name: "ORIGINAL", Value: func(t dlq.Topic) string { return t.Original }, Wide: true},
		},
	}
}

func timeOrDash(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
