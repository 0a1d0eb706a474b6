package events

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
)

// GroupsResetOptions are what `events groups reset` works with.
type GroupsResetOptions struct {
	IO     *iostreams.IOStreams
	Events func() (*events.Client, error)
	Guard  func(ctx context.Context, what string) error
	Output output.Flags
	Group  string
	Topics map[string][]int32
	To     events.ResetTo
	DryRun bool
}

// NewCmdGroupsReset returns the verb; runF replaces its run in tests.
func NewCmdGroupsReset(f *app.Factory, runF func(*GroupsResetOptions) error) *cobra.Command {
	opts := &GroupsResetOptions{IO: f.IO, Events: f.Events, Guard: f.Guard}
	var to string
	var topics []string
	cmd := &cobra.Command{
		Use:   "reset GROUP --to PLACE | --shift N",
		Short: "Let a group go on from another place",
		Long: `Move the committed offsets of a consumer group, in every topic that it has
committed, or in those that --topic names. The plan is shown first: where each
partition is, where it will be, and how many offsets will be read again or
skipped. --dry-run shows it and changes nothing.

--to takes start, end, an offset, a time such as 2026-01-31T15:04:05Z, or -15m
for a quarter of an hour ago. What lies outside of a log is bounded by its start
and its end.

A group that does not exist yet begins with its offsets in the topics that --topic
names, so that its first members go on from there.

A group with members is left alone, since they would go on from where they are
and commit over it: stop them first. Nor is anything changed when the group has
committed since the plan was made.`,
		Example: "suokectl events groups reset audit-service --to start --dry-run\n" +
			"suokectl events groups reset audit-service --to -15m --topic dev.auth-service.user-registered.v1:0,2\n" +
			"suokectl events groups reset audit-service --shift -10\n" +
			"suokectl events groups reset report-service --to end --topic dev.auth-service.user-registered.v1\n" +
			"suokectl events groups reset user-service --to start # exits 1",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.At(groupNames(f)),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			opts.Group = args[0]
			if opts.To, err = resetTo(cmd, to, opts.To.Shift); err != nil {
				return err
			}
			if opts.Topics, err = topicPartitions(topics); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return explain(explainReset(runGroupsReset(cmd.Context(), opts)))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&to, "to", "", "the `place` to go on from: start, end, an offset, a time, or -15m")
	flags.Int64Var(&opts.To.Shift, "shift", 0, "move by so many `offsets`; below 0 is backwards")
	flags.StringArrayVar(&topics, "topic", nil, "only this `topic`, or partitions of it as TOPIC:0,2; may be repeated")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "show the plan, and change nothing")
	for name, values := range map[string]cobra.CompletionFunc{
		"to":    cobra.FixedCompletions([]string{"start", "end", "-15m", "-1h", "-1d"}, cobra.ShellCompDirectiveNoFileComp),
		"shift": cobra.NoFileCompletions,
		"topic": topicNames(f),
	} {
		_ = cmd.RegisterFlagCompletionFunc(name, values)
	}
	opts.Output.Bind(cmd)
	return cmd
}

// explainReset says what is wanted for a group that does not exist yet.
func explainReset(err error) error {
	var unknown *events.UnknownGroupError
	if !errors.As(err, &unknown) {
		return err
	}
	return failure.WithHint(err, "a new group begins at --to PLACE in each --topic TOPIC; `suokectl events groups list` shows what there is")
}

func resetTo(cmd *cobra.Command, to string, shift int64) (events.ResetTo, error) {
	shifted := cmd.Flags().Changed("shift")
	switch {
	case (to != "") == shifted:
		return events.ResetTo{}, failure.WithHint(failure.Usagef("say where to go on: either --to or --shift"), "for example --to start, --to -15m or --shift -10")
	case shifted && shift == 0:
		return events.ResetTo{}, failure.Usagef("--shift 0 moves nothing")
	case shifted:
		return events.ResetTo{Shift: shift}, nil
	}
	bound, err := events.ParseBound(to, time.Now())
	if err != nil {
		return events.ResetTo{}, failure.Usagef("--to: %w", err)
	}
	return events.ResetTo{Bound: bound}, nil
}

// topicPartitions reads TOPIC and TOPIC:0,2 with ranges such as 4-7.
func topicPartitions(texts []string) (map[string][]int32, error) {
	chosen := make(map[string][]int32)
	for _, text := range texts {
		topic, list, some := strings.Cut(text, ":")
		ids, err := partitionList(list)
		if topic == "" || some && err != nil {
			return nil, failure.Usagef("--topic %q: it is TOPIC or TOPIC:PARTITIONS, such as orders:0,2 or orders:0-3", text)
		}
		chosen[topic] = append(chosen[topic], ids...)
	}
	return chosen, nil
}

func partitionList(text string) ([]int32, error) {
	var ids []int32
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		first, err := strconv.ParseUint(low, 10, 16)
		if err != nil {
			return nil, err
		}
		last, err := strconv.ParseUint(high, 10, 16)
		if err != nil {
			return nil, err
		}
		for id := first; id <= last; id++ {
			ids = append(ids, int32(id))
		}
	}
	return ids, nil
}

func runGroupsReset(ctx context.Context, opts *GroupsResetOptions) error {
	client, err := opts.Events()
	if err != nil {
		return err
	}
	plan, err := client.PlanReset(ctx, opts.Group, opts.Topics, opts.To)
	if err != nil {
		return err
	}
	view := output.View[events.ResetPlan]{Name: func(p events.ResetPlan) string { return p.Group }}
	err = output.One(opts.IO, opts.Output, view, plan, func(w io.Writer) error {
		return output.Part(w, opts.IO, opts.Output, plannedOffsetView(), plan.Partitions)
	})
	if err != nil {
		return err
	}
	opts.tellNew(plan)
	changes := plan.Changes()
	switch {
	case changes == 0:
		opts.IO.Infof("group %s is there already: nothing to change", plan.Group)
		return nil
	case opts.DryRun:
		opts.IO.Infof("%s of group %s would be moved", plural(changes, "partition"), plan.Group)
		return nil
	}
	if err := opts.Guard(ctx, fmt.Sprintf("move %s of group %s", plural(changes, "partition"), plan.Group)); err != nil {
		return err
	}
	if err := client.Reset(ctx, plan); err != nil {
		return err
	}
	opts.IO.Infof("%s of group %s moved", plural(changes, "partition"), plan.Group)
	return nil
}

// tellNew says that the group is new, which a slip of the pen makes it too.
func (o *GroupsResetOptions) tellNew(plan events.ResetPlan) {
	switch {
	case plan.Nearest != "":
		o.IO.Infof("group %s is new: did you mean %s?", plan.Group, plan.Nearest)
	case plan.New:
		o.IO.Infof("group %s is new", plan.Group)
	}
}

func plannedOffsetView() output.View[events.PlannedOffset] {
	return output.View[events.PlannedOffset]{Columns: []output.Column[events.PlannedOffset]{
		{Name: "TOPIC", Whole: true, Value: func(o events.PlannedOffset) string { return o.Topic }},
		{Name: "PARTITION", Value: func(o events.PlannedOffset) string { return strconv.Itoa(int(o.Partition)) }},
		{Name: "BEFORE", Value: func(o events.PlannedOffset) string { return offset(o.Before) }},
		{Name: "AFTER", Value: func(o events.PlannedOffset) string { return offset(o.After) }},
		{Name: "START", Value: func(o events.PlannedOffset) string { return offset(o.Start) }, Wide: true},
		{Name: "END", Value: func(o events.PlannedOffset) string { return offset(o.End) }, Wide: true},
		{Name: "EFFECT", Value: effect, Style: func(st iostreams.Style, o events.PlannedOffset, cell string) string {
			if o.Again < 0 {
				return st.Warn(cell)
			}
			return cell
		}},
	}}
}

// effect is what a moved offset does to the group's readers.
func effect(o events.PlannedOffset) string {
	var text string
	switch {
	case o.Before == o.After:
		text = "unchanged"
	case o.Before < 0:
		text = "first commit"
	case o.Again > 0:
		text = fmt.Sprintf("%d read again", o.Again)
	case o.Again < 0:
		text = fmt.Sprintf("%d skipped", -o.Again)
	default:
		text = "moved into the log"
	}
	if o.Bounded {
		text += ", bounded by the log"
	}
	return text
}
