package events

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/copier"
)

// What --timestamps takes.
const (
	timestampsKeep = "keep"
	timestampsNow  = "now"
)

// CopyOptions are what `events copy` works with.
type CopyOptions struct {
	IO     *iostreams.IOStreams
	Events func() (*events.Client, error)
	// Guard is of the context in use, In the factory of another.
	Guard func(ctx context.Context, what string) error
	In    func(context string) *app.Factory

	Source, Target string
	ToContext      string
	Places         placeFlags
	Follow         bool
	Partitions     []int32
	Count          int64
	Filter         filterFlags
	Timestamps     string
	Compression    string
	Create         bool
	Restart        bool
	DryRun         bool
	Output         output.Flags
}

// NewCmdCopy returns the verb; runF replaces its run in tests.
func NewCmdCopy(f *app.Factory, runF func(*CopyOptions) error) *cobra.Command {
	opts := &CopyOptions{IO: f.IO, Events: f.Events, Guard: f.Guard, In: f.In}
	cmd := &cobra.Command{
		Use:   "copy SOURCE TARGET",
		Short: "Copy a topic to another, or to another cluster, exactly once",
		Long: `Copy the records of a topic to another, in the cluster or with --to-context to
another cluster. Keys, values and headers stay byte for byte, null stays null, and
timestamps stay. A record goes to the partition that it comes from when both topics
have as many; else its key decides, as in Kafka's own clients.

Each record is copied once, whatever is interrupted, killed or started twice: how
far the copy has come is written in the same transaction, in the topic
suokectl.progress of the target's cluster, so that this holds across clusters too.
The same command goes on where an earlier one ended, and once it has come to the
end copies what is new since. --restart begins anew. A second run of the same copy
stops the first. Readers of the target that do not ask for committed records only
may see records of transactions that were aborted.

Places are those of "consume"; the copy ends at --until, or with --follow goes on.
Copies with other places or filters are other copies. -n counts the records of one
run.`,
		Example: "suokectl events copy dev.auth-service.user-registered.v1 test.auth-service.user-registered.v1 --create --dry-run\n" +
			"suokectl events copy dev.auth-service.user-registered.v1 test.auth-service.user-registered.v1 --create\n" +
			"suokectl events copy dev.auth-service.user-registered.v1 test.auth-service.user-registered.v1 --where '.key == \"u-1\"' -n 100\n" +
			"suokectl events copy dev.auth-service.user-registered.v1 dev.auth-service.user-registered.v1 # exits 1",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: complete.At(topicNames(f), topicNames(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Source, opts.Target = args[0], args[1]
			if err := opts.validate(cmd); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return explainCopy(opts, runCopy(cmd.Context(), opts))
		},
	}
	opts.bind(cmd, func() []string {
		source, err := f.ConfigSource()
		if err != nil {
			return nil
		}
		return source.ContextNames()
	})
	return cmd
}

func (o *CopyOptions) bind(cmd *cobra.Command, contexts func() []string) {
	flags := cmd.Flags()
	o.Places.bind(cmd, "now", "")
	o.Filter.bind(cmd)
	flags.StringVar(&o.ToContext, "to-context", "", "`context` of the target's cluster; the one in use when empty")
	flags.BoolVar(&o.Follow, "follow", false, "go on with what comes, until interrupted")
	flags.Int32SliceVar(&o.Partitions, "partition", nil, "only these partitions, by `number`; may be repeated")
	flags.Int64VarP(&o.Count, "count", "n", 0, "end after this `number` of records; 0 is no limit")
	flags.StringVar(&o.Timestamps, "timestamps", timestampsKeep, "`which` the copies get: keep those of the records, or now")
	flags.StringVar(&o.Compression, "compression", string(events.CompressionNone), "how batches are compressed: "+strings.Join(compressions(), ", "))
	flags.BoolVar(&o.Create, "create", false, "make the target like the source where there is none")
	flags.BoolVar(&o.Restart, "restart", false, "forget how far an earlier run has come, and copy again")
	flags.BoolVar(&o.DryRun, "dry-run", false, "show what would be copied, and copy nothing")
	cmd.MarkFlagsMutuallyExclusive("follow", "until")
	o.Output.Bind(cmd)
	for name, values := range map[string][]string{
		"partition": nil, "count": nil, "timestamps": {timestampsKeep, timestampsNow}, "compression": compressions(),
	} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	_ = cmd.RegisterFlagCompletionFunc("to-context", func(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return complete.Prefixed(contexts(), prefix), cobra.ShellCompDirectiveNoFileComp
	})
}

func (o *CopyOptions) validate(cmd *cobra.Command) error {
	switch {
	case o.Count < 0:
		return failure.Usagef("-n %d is negative", o.Count)
	case o.Timestamps != timestampsKeep && o.Timestamps != timestampsNow:
		return failure.Usagef("--timestamps %q is unknown: use keep or now", o.Timestamps)
	case !slices.Contains(compressions(), o.Compression):
		return failure.Usagef("--compression %q is unknown: use one of %s", o.Compression, strings.Join(compressions(), ", "))
	case o.Places.Until == "":
		return failure.WithHint(failure.Usagef("--until is empty"), "--follow goes on with what comes")
	}
	if o.Follow {
		o.Places.Until = ""
	}
	return o.Output.Validate()
}

// copyCollectAt is how much garbage there may be, in percent of what lives, before
// it is collected: two transactions' records live, which are large.
const copyCollectAt = 40

func runCopy(ctx context.Context, opts *CopyOptions) error {
	source, target, guard, err := opts.clusters()
	if err != nil {
		return err
	}
	o, filter, err := opts.copier(source)
	if err != nil {
		return err
	}
	c := copier.New(source, target)
	if opts.DryRun {
		return opts.plan(ctx, c, o, source, target)
	}
	if err := guard(ctx, fmt.Sprintf("copy %s to %s", opts.Source, opts.Target)); err != nil {
		return err
	}
	if err := opts.create(ctx, source, target); err != nil {
		return err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(copyCollectAt))
	plan, err := c.Plan(ctx, o)
	if err != nil {
		return err
	}
	for _, warning := range plan.Warnings {
		opts.IO.Infof("%s", warning)
	}
	if plan.Copied > 0 {
		opts.IO.Infof("going on where an earlier run ended, after %d records", plan.Copied)
	}
	progress := newReadProgress(opts.IO)
	o.OnProgress = func(p copier.Progress) { progress.show(fmt.Sprintf("%d copied", p.Copied), p.Read, p.Total) }
	result, failed := c.Run(ctx, o)
	progress.clear()
	filter.tell(opts.IO)
	if failed != nil && result.Copied == 0 {
		return failed
	}
	return firstError(failed, output.One(opts.IO, opts.Output, copyView(), result, nil))
}

// clusters returns the clients of both sides, and the guard of the target's.
func (o *CopyOptions) clusters() (source, target *events.Client, guard func(context.Context, string) error, err error) {
	if source, err = o.Events(); err != nil || o.ToContext == "" {
		return source, source, o.Guard, err
	}
	other := o.In(o.ToContext)
	target, err = other.Events()
	return source, target, other.Guard, err
}

// copier translates the flags.
func (o *CopyOptions) copier(source *events.Client) (copier.Options, *filter, error) {
	scan, err := o.Places.scan(time.Now())
	if err != nil {
		return copier.Options{}, nil, err
	}
	filter, err := newFilter(o.Filter, source.Conventions())
	if err != nil {
		return copier.Options{}, nil, err
	}
	out := copier.Options{
		Source: o.Source, Target: o.Target, Partitions: o.Partitions, From: scan.From, Until: scan.Until, Uncommitted: scan.Uncommitted,
		Selection: o.selection(), Count: o.Count, Present: o.Timestamps == timestampsNow, Restart: o.Restart,
		Compression: events.Compression(o.Compression),
	}
	if o.Filter != (filterFlags{}) {
		out.Match = filter.match
	}
	return out, filter, nil
}

// selection is what decides on what is copied, as it was typed: a place that is
// relative stays where it was at first.
func (o *CopyOptions) selection() string {
	text, _ := json.Marshal([]any{o.Places.From, o.Places.Tail, o.Places.Isolation, o.Partitions, o.Filter}) // plain values always marshal
	return string(text)
}

// create makes the target where it is wanted and there is none.
func (o *CopyOptions) create(ctx context.Context, source, target *events.Client) error {
	topic, missing, err := o.missing(ctx, source, target)
	if err != nil || !missing || !o.Create {
		return err
	}
	if err := target.CreateTopic(ctx, topic, false); err != nil && !errors.Is(err, events.ErrTopicExists) {
		return err
	}
	o.IO.Infof("%s created with %d partitions", topic.Name, topic.Partitions)
	return awaitTopic(ctx, target, topic.Name)
}

// awaitTopic waits until the cluster tells of a topic that was made.
func awaitTopic(ctx context.Context, client *events.Client, name string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, fmt.Errorf("%s was created, and the cluster does not tell of it", name))
	defer cancel()
	for {
		var unknown *events.UnknownTopicError
		_, err := client.Topics(ctx, name)
		if !errors.As(err, &unknown) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// missing describes the target like the source when there is none.
func (o *CopyOptions) missing(ctx context.Context, source, target *events.Client) (events.NewTopic, bool, error) {
	var unknown *events.UnknownTopicError
	if _, err := target.Topics(ctx, o.Target); err == nil || !errors.As(err, &unknown) {
		return events.NewTopic{}, false, err
	}
	described, err := source.DescribeTopics(ctx, o.Source)
	if err != nil {
		return events.NewTopic{}, true, err
	}
	topic := events.NewTopic{Name: o.Target, Partitions: int32(len(described[0].Partitions)), Configs: make(map[string]string)}
	for _, c := range described[0].Own() {
		topic.Configs[c.Name] = c.Value
	}
	return topic, true, nil
}

// plan prints what would be done.
func (o *CopyOptions) plan(ctx context.Context, c *copier.Copier, options copier.Options, source, target *events.Client) error {
	topic, missing, err := o.missing(ctx, source, target)
	if err != nil {
		return err
	}
	var plan copier.Plan
	if missing && o.Create {
		if err := target.CreateTopic(ctx, topic, true); err != nil {
			return err
		}
		plan, err = c.PlanNew(ctx, options, topic)
	} else {
		plan, err = c.Plan(ctx, options)
	}
	if err != nil {
		return err
	}
	return output.One(o.IO, o.Output, planCopyView(), plan, func(w io.Writer) error {
		var lines []string
		if plan.Create {
			lines = append(lines, fmt.Sprintf("%s would be created with %d partitions", plan.Target, topic.Partitions))
		}
		lines = append(lines, fmt.Sprintf("would copy at most %d records of %s to %s", plan.Records, plan.Source, plan.Target))
		if plan.Copied > 0 {
			lines = append(lines, fmt.Sprintf("  going on where an earlier run ended, after %d records", plan.Copied))
		}
		for _, p := range plan.Partitions {
			lines = append(lines, fmt.Sprintf("  partition %d from %d to %d", p.Partition, p.Next, p.Until))
		}
		for _, warning := range plan.Warnings {
			lines = append(lines, "  "+o.IO.Style().Warn("warning")+": "+warning)
		}
		return writeLines(w, lines)
	})
}

// explainCopy says what to do about errors of copying.
func explainCopy(o *CopyOptions, err error) error {
	var unknown *events.UnknownTopicError
	var fenced *copier.FencedError
	switch {
	case errors.As(err, &unknown) && unknown.Topic == o.Target && o.Target != o.Source:
		return failure.WithHint(err, "--create makes it with as many partitions as "+o.Source+" has")
	case errors.As(err, &fenced):
		return failure.WithHint(err, "the same command goes on where the copy is, and stops the other")
	}
	return explain(err)
}

func planCopyView() output.View[copier.Plan] {
	return output.View[copier.Plan]{Name: func(p copier.Plan) string { return p.Target }}
}

func copyView() output.View[copier.Result] {
	count := func(of func(copier.Result) int64) func(copier.Result) string {
		return func(r copier.Result) string { return fmt.Sprint(of(r)) }
	}
	return output.View[copier.Result]{
		Columns: []output.Column[copier.Result]{
			{Name: "SOURCE", Value: func(r copier.Result) string { return r.Source }},
			{Name: "TARGET", Value: func(r copier.Result) string { return r.Target }},
			{Name: "COPIED", Value: count(func(r copier.Result) int64 { return r.Copied })},
			{Name: "BEFORE", Value: count(func(r copier.Result) int64 { return r.Before })},
			{Name: "LEFT OUT", Value: count(func(r copier.Result) int64 { return r.Left })},
			{Name: "EXPIRED", Value: count(func(r copier.Result) int64 { return r.Expired })},
			{Name: "HELD BACK", Value: count(func(r copier.Result) int64 { return r.HeldBack })},
		},
		Name: func(r copier.Result) string { return cmp.Or(r.Target, r.Source) },
	}
}
