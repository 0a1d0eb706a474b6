package events

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
)

// TopicsAlterOptions are what `events topics alter` works with.
type TopicsAlterOptions struct {
	IO     *iostreams.IOStreams
	Events func() (*events.Client, error)
	Guard  func(ctx context.Context, what string) error
	Output output.Flags
	Topic  string
	Change events.TopicChange
	DryRun bool
}

// NewCmdTopicsAlter returns the verb; runF replaces its run in tests.
func NewCmdTopicsAlter(f *app.Factory, runF func(*TopicsAlterOptions) error) *cobra.Command {
	opts := &TopicsAlterOptions{IO: f.IO, Events: f.Events, Guard: f.Guard}
	cmd := &cobra.Command{
		Use:   "alter NAME",
		Short: "Change a topic's configuration, or add partitions",
		Long: `Change a topic. What each value is and will be is shown first, and the cluster
checks all of it; --dry-run stops there. --unset takes a configuration back to its
default. Partitions can be added, and never taken away.`,
		Example: "suokectl events topics alter dev.auth-service.user-registered.v1 --config retention.ms=86400000 --dry-run\n" +
			"suokectl events topics alter dev.auth-service.user-registered.v1 --config retention.ms=86400000\n" +
			"suokectl events topics alter dev.auth-service.user-registered.v1 --unset retention.ms\n" +
			"suokectl events topics alter dev.auth-service.user-registered.v1 --partitions 1 # exits 1",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.At(topicNames(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Topic = args[0]
			if err := checkChange(cmd, opts.Change); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return explain(runTopicsAlter(cmd.Context(), opts))
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&opts.Change.Partitions, "partitions", 0, "the new `number` of partitions")
	flags.StringToStringVar(&opts.Change.Set, "config", nil, "topic `configuration` such as retention.ms=86400000; may be repeated")
	flags.StringArrayVar(&opts.Change.Unset, "unset", nil, "`configuration` to take back to its default; may be repeated")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "show what would change, let the cluster check it, and change nothing")
	for _, name := range []string{"partitions", "config", "unset"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	opts.Output.Bind(cmd)
	return cmd
}

func checkChange(cmd *cobra.Command, c events.TopicChange) error {
	for _, name := range c.Unset {
		if _, both := c.Set[name]; both {
			return failure.Usagef("%s is both set and unset", name)
		}
	}
	switch {
	case cmd.Flags().Changed("partitions") && c.Partitions < 1:
		return failure.Usagef("--partitions is at least 1")
	case c.Partitions == 0 && len(c.Set) == 0 && len(c.Unset) == 0:
		return failure.Usagef("say what to change: --config, --unset or --partitions")
	}
	return nil
}

func runTopicsAlter(ctx context.Context, opts *TopicsAlterOptions) error {
	client, err := opts.Events()
	if err != nil {
		return err
	}
	plan, err := client.PlanAlter(ctx, opts.Topic, opts.Change)
	if err != nil {
		return err
	}
	view := output.View[events.AlterPlan]{Name: func(p events.AlterPlan) string { return p.Topic }}
	err = output.One(opts.IO, opts.Output, view, plan, func(w io.Writer) error {
		return output.Part(w, opts.IO, opts.Output, plannedSetView(), plan.Changes)
	})
	if err != nil {
		return err
	}
	opts.warn(client, plan)
	switch {
	case plan.Differs() == 0:
		opts.IO.Infof("%s is so already: nothing to change", plan.Topic)
		return nil
	case opts.DryRun:
		opts.IO.Infof("%s of %s would change", plural(plan.Differs(), "value"), plan.Topic)
		return nil
	}
	if err := opts.Guard(ctx, fmt.Sprintf("change %s of %s", plural(plan.Differs(), "value"), plan.Topic)); err != nil {
		return err
	}
	if err := client.Alter(ctx, plan); err != nil {
		return err
	}
	opts.IO.Infof("%s of %s changed", plural(plan.Differs(), "value"), plan.Topic)
	return nil
}

// warn says what the change does besides, and to the topic's dead letters.
func (o *TopicsAlterOptions) warn(client *events.Client, plan events.AlterPlan) {
	for _, c := range plan.Changes {
		if c.Warning != "" {
			o.IO.Infof("warning: %s: %s", c.Name, c.Warning)
		}
	}
	conventions := client.Conventions()
	grows := slices.ContainsFunc(plan.Changes, func(c events.PlannedSet) bool { return c.Name == "partitions" && c.Before != c.After })
	if dlq := conventions.DLQTopic(plan.Topic); grows && dlq != plan.Topic && !strings.HasPrefix(plan.Topic, "__") {
		o.IO.Infof("warning: its dead letters keep their partition number: give %s as many partitions", dlq)
	}
}

func plannedSetView() output.View[events.PlannedSet] {
	return output.View[events.PlannedSet]{Columns: []output.Column[events.PlannedSet]{
		{Name: "NAME", Value: func(c events.PlannedSet) string { return c.Name }},
		{Name: "BEFORE", Value: func(c events.PlannedSet) string { return orDash(c.Before) }},
		{Name: "AFTER", Value: func(c events.PlannedSet) string { return orDash(c.After) }, Style: func(st iostreams.Style, c events.PlannedSet, cell string) string {
			if c.Before == c.After {
				return st.Dim(cell)
			}
			return st.Bold(cell)
		}},
	}}
}
