package events

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
)

// TopicsDescribeOptions are what `events topics describe` works with.
type TopicsDescribeOptions struct {
	IO     *iostreams.IOStreams
	Events func() (*events.Client, error)
	Output output.Flags
	Names  []string
	Window time.Duration
}

// NewCmdTopicsDescribe returns the verb; runF replaces its run in tests.
func NewCmdTopicsDescribe(f *app.Factory, runF func(*TopicsDescribeOptions) error) *cobra.Command {
	opts := &TopicsDescribeOptions{IO: f.IO, Events: f.Events}
	cmd := &cobra.Command{
		Use:   "describe NAME...",
		Short: "Show a topic's partitions, configuration, size and rate",
		Long: `Show topics: their partitions with leader, replicas and those of them that are in
sync, the configurations that the topic itself has beside their defaults (-o wide:
all), the size on disk of all copies, and the rate at which records come, from two
looks --window apart.

Where ACLs hide the configuration or the size, the rest is shown.`,
		Example: "suokectl events topics describe dev.auth-service.user-registered.v1\n" +
			"suokectl events topics describe dev.auth-service.user-registered.v1 --window 0 -o wide\n" +
			"suokectl events topics describe dev.auth-service.user-registered.v1 --window 0 --jq '.[0].configs[] | select(.own) | .name'",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: topicNames(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Names = args
			if opts.Window < 0 {
				return failure.Usagef("--window is not negative")
			}
			if runF != nil {
				return runF(opts)
			}
			return explain(runTopicsDescribe(cmd.Context(), opts))
		},
	}
	cmd.Flags().DurationVar(&opts.Window, "window", time.Second, "the `time` between two looks at the ends; 0 takes one")
	_ = cmd.RegisterFlagCompletionFunc("window", cobra.NoFileCompletions)
	opts.Output.Bind(cmd)
	return cmd
}

// describedTopic is a topic as it is printed.
type describedTopic struct {
	events.TopicDescription
	// Rate is in records a second, over the window; nil when none was waited for.
	Rate *float64 `json:"records_per_second,omitempty"`
}

func runTopicsDescribe(ctx context.Context, opts *TopicsDescribeOptions) error {
	client, err := opts.Events()
	if err != nil {
		return err
	}
	described, failed := client.DescribeTopics(ctx, opts.Names...)
	if len(described) == 0 {
		return failed
	}
	topics, err := measureRates(ctx, client, described, opts.Window)
	if err != nil {
		return err
	}
	for _, t := range topics {
		for _, why := range t.Untold {
			opts.IO.Infof("not shown of %s: %s", t.Name, why)
		}
	}
	err = output.Report(opts.IO, opts.Output, describedTopicView(), topics, func(w io.Writer) error {
		for i, t := range topics {
			if i > 0 {
				_, _ = fmt.Fprintln(w)
			}
			if err := writeTopic(w, opts.IO, opts.Output, t); err != nil {
				return err
			}
		}
		return nil
	})
	return firstError(err, failed)
}

// measureRates looks at the ends of the topics again after the window.
func measureRates(ctx context.Context, client *events.Client, described []events.TopicDescription, window time.Duration) ([]describedTopic, error) {
	topics := make([]describedTopic, len(described))
	names := make([]string, len(described))
	for i, d := range described {
		topics[i].TopicDescription, names[i] = d, d.Name
	}
	if window == 0 {
		return topics, nil
	}
	began := time.Now()
	first, err := client.Topics(ctx, names...)
	if err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(window):
	}
	second, err := client.Topics(ctx, names...)
	if err != nil {
		return nil, err
	}
	passed := time.Since(began).Seconds()
	for i := range topics {
		rate := float64(grown(first[i], second[i])) / passed
		topics[i].Rate = &rate
	}
	return topics, nil
}

// grown is by how much the ends of a topic moved.
func grown(before, after events.Topic) int64 {
	ends := make(map[int32]int64)
	for _, p := range before.Partitions {
		ends[p.ID] = p.End
	}
	var n int64
	for _, p := range after.Partitions {
		if end, ok := ends[p.ID]; ok && end >= 0 && p.End >= 0 {
			n += p.End - end
		}
	}
	return n
}

func describedTopicView() output.View[describedTopic] {
	return output.View[describedTopic]{
		Name: func(t describedTopic) string { return t.Name },
		Columns: []output.Column[describedTopic]{
			{Name: "TOPIC", Value: func(t describedTopic) string { return t.Name }},
			{Name: "KIND", Value: describedTopic.kind},
			{Name: "ID", Value: func(t describedTopic) string { return t.ID }, Wide: true},
			{Name: "PARTITIONS", Value: func(t describedTopic) string {
				return strconv.Itoa(len(t.Partitions)) + ", " + health(t.UnderReplicated, t.Offline)
			}, Style: func(st iostreams.Style, t describedTopic, cell string) string {
				return styleHealth(st, t.UnderReplicated, t.Offline, cell)
			}},
			{Name: "REPLICAS", Value: func(t describedTopic) string { return strconv.Itoa(t.Replicas) }},
			{Name: "OFFSETS", Value: func(t describedTopic) string { return strconv.FormatInt(t.Span(), 10) }},
			{Name: "SIZE", Value: describedTopic.size},
			{Name: "RATE", Value: func(t describedTopic) string {
				if t.Rate == nil {
					return "-"
				}
				return rate(*t.Rate)
			}},
		},
	}
}

func (t describedTopic) kind() string {
	if t.Internal {
		return "internal to Kafka"
	}
	if len(t.NameProblems) == 0 {
		return string(t.Kind)
	}
	return string(t.Kind) + ": " + strings.Join(t.NameProblems, "; ")
}

func (t describedTopic) size() string {
	if len(t.Copies) == 0 {
		return "-"
	}
	return sizeText(t.Bytes) + " on disk"
}

// sizeText is a size for eyes: 512 B, 1.5 KiB, 20.0 GiB.
func sizeText(n int64) string {
	if n < 1<<10 {
		return strconv.FormatInt(n, 10) + " B"
	}
	size, unit := float64(n)/(1<<10), 0
	for size >= 1<<10 && unit < 4 {
		size /= 1 << 10
		unit++
	}
	return strconv.FormatFloat(size, 'f', 1, 64) + " " + string("KMGTP"[unit]) + "iB"
}

func writeTopic(w io.Writer, ios *iostreams.IOStreams, flags output.Flags, t describedTopic) error {
	if err := output.Fields(w, ios, flags, describedTopicView(), t); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(w)
	if err := output.Part(w, ios, flags, partitionView(t), t.Partitions); err != nil {
		return err
	}
	configs := t.Own()
	if flags.Format == output.Wide {
		configs = t.Configs
	}
	if len(configs) == 0 {
		return nil
	}
	_, _ = fmt.Fprintln(w)
	return output.Part(w, ios, flags, topicConfigView(), configs)
}

func partitionView(t describedTopic) output.View[events.Partition] {
	return output.View[events.Partition]{Columns: []output.Column[events.Partition]{
		{Name: "PARTITION", Value: func(p events.Partition) string { return strconv.Itoa(int(p.ID)) }},
		{Name: "LEADER", Value: func(p events.Partition) string { return offset(int64(p.Leader)) }},
		{Name: "REPLICAS", Value: func(p events.Partition) string { return ids(p.Replicas) }},
		{Name: "IN SYNC", Value: func(p events.Partition) string { return ids(p.InSync) }, Style: func(st iostreams.Style, p events.Partition, cell string) string {
			if len(p.InSync) < len(p.Replicas) {
				return st.Warn(cell)
			}
			return cell
		}},
		{Name: "START", Value: func(p events.Partition) string { return offset(p.Start) }},
		{Name: "END", Value: func(p events.Partition) string { return offset(p.End) }},
		{Name: "SIZE", Value: func(p events.Partition) string {
			if n := t.LeaderBytes(p); n >= 0 {
				return sizeText(n)
			}
			return "-"
		}},
		{Name: "PROBLEM", Value: func(p events.Partition) string { return orDash(p.Problem) }},
	}}
}

// ids are the ids of brokers in a cell.
func ids(list []int32) string {
	var texts []string
	for _, id := range list {
		texts = append(texts, strconv.Itoa(int(id)))
	}
	return orDash(strings.Join(texts, ","))
}

func topicConfigView() output.View[events.TopicConfig] {
	return output.View[events.TopicConfig]{Columns: []output.Column[events.TopicConfig]{
		{Name: "CONFIGURATION", Value: func(c events.TopicConfig) string { return c.Name }},
		{Name: "VALUE", Value: func(c events.TopicConfig) string { return orDash(c.Value) }, Style: func(st iostreams.Style, c events.TopicConfig, cell string) string {
			if c.Own && c.Value != c.Default {
				return st.Warn(cell)
			}
			return cell
		}},
		{Name: "DEFAULT", Value: func(c events.TopicConfig) string { return orDash(c.Default) }},
	}}
}
