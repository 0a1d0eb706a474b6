package events

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
)

// TopicsOffsetsOptions are what `events topics offsets` works with.
type TopicsOffsetsOptions struct {
	IO     *iostreams.IOStreams
	Events func() (*events.Client, error)
	Output output.Flags
	Topic  string
	At     *events.Bound
}

// NewCmdTopicsOffsets returns the verb; runF replaces its run in tests.
func NewCmdTopicsOffsets(f *app.Factory, runF func(*TopicsOffsetsOptions) error) *cobra.Command {
	opts := &TopicsOffsetsOptions{IO: f.IO, Events: f.Events}
	var at string
	cmd := &cobra.Command{
		Use:   "offsets NAME",
		Short: "Show where a topic's partitions start and end",
		Long: `Show the first offset of each partition that is still there, its end, its end for
readers of committed records (STABLE), and the newest timestamp in it. --at shows
besides which offset a place has: the first record at or after a time, such as
2026-01-31T15:04:05Z or -15m, an offset bounded by the log, start or end.`,
		Example: "suokectl events topics offsets dev.auth-service.user-registered.v1\n" +
			"suokectl events topics offsets dev.auth-service.user-registered.v1 --at -15m\n" +
			"suokectl events topics offsets dev.auth-service.user-registered.v1 --at 2026-01-31T15:04:05Z -o ndjson",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.At(topicNames(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Topic = args[0]
			if at != "" {
				bound, err := events.ParseBound(at, time.Now())
				if err != nil {
					return failure.Usagef("--at: %w", err)
				}
				opts.At = &bound
			}
			if runF != nil {
				return runF(opts)
			}
			return explain(runTopicsOffsets(cmd.Context(), opts))
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "a `place`, such as a time or -15m, to be shown as an offset")
	_ = cmd.RegisterFlagCompletionFunc("at", cobra.FixedCompletions([]string{"start", "end", "-15m", "-1h", "-1d"}, cobra.ShellCompDirectiveNoFileComp))
	opts.Output.Bind(cmd)
	return cmd
}

func runTopicsOffsets(ctx context.Context, opts *TopicsOffsetsOptions) error {
	client, err := opts.Events()
	if err != nil {
		return err
	}
	offsets, err := client.Offsets(ctx, opts.Topic, opts.At)
	if err != nil {
		return err
	}
	return output.List(opts.IO, opts.Output, partitionOffsetsView(opts.At != nil), offsets)
}

func partitionOffsetsView(at bool) output.View[events.PartitionOffsets] {
	view := output.View[events.PartitionOffsets]{
		Name: func(o events.PartitionOffsets) string { return strconv.Itoa(int(o.Partition)) },
		Columns: []output.Column[events.PartitionOffsets]{
			{Name: "PARTITION", Value: func(o events.PartitionOffsets) string { return strconv.Itoa(int(o.Partition)) }},
			{Name: "START", Value: func(o events.PartitionOffsets) string { return offset(o.Start) }},
			{Name: "STABLE", Value: func(o events.PartitionOffsets) string { return offset(o.Stable) }},
			{Name: "END", Value: func(o events.PartitionOffsets) string { return offset(o.End) }},
			{Name: "NEWEST", Value: func(o events.PartitionOffsets) string {
				if o.Newest == nil {
					return "-"
				}
				return o.Newest.Format(time.RFC3339)
			}},
			{Name: "PROBLEM", Value: func(o events.PartitionOffsets) string { return orDash(o.Problem) }},
		},
	}
	if at {
		view.Columns = append(view.Columns[:1:1], append([]output.Column[events.PartitionOffsets]{{Name: "AT", Value: func(o events.PartitionOffsets) string {
			if o.At == nil {
				return "-"
			}
			return offset(*o.At)
		}}}, view.Columns[1:]...)...)
	}
	return view
}
