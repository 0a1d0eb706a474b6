package events

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
)

// TopicsCreateOptions are what `events topics create` works with.
type TopicsCreateOptions struct {
	IO       *iostreams.IOStreams
	Events   func() (*events.Client, error)
	Guard    func(ctx context.Context, what string) error
	Output   output.Flags
	Names    []string
	Topic    events.NewTopic // but for the name
	DLQ      bool
	DryRun   bool
	IfAbsent bool
}

// NewCmdTopicsCreate returns the verb; runF replaces its run in tests.
func NewCmdTopicsCreate(f *app.Factory, runF func(*TopicsCreateOptions) error) *cobra.Command {
	opts := &TopicsCreateOptions{IO: f.IO, Events: f.Events, Guard: f.Guard}
	cmd := &cobra.Command{
		Use:   "create NAME...",
		Short: "Create topics, and their dead-letter topics",
		Long: `Create topics whose names follow the conventions. Each gets its dead-letter topic
with the same number of partitions, unless --dlq=false: consumers need it. One that
is there already, as after its topic was deleted, stays as it is. What became of each
topic is its outcome: created, exists, or planned with --dry-run.`,
		Example: "suokectl events topics create dev.auth-service.user-locked.v1 --partitions 3\n" +
			"suokectl events topics create dev.auth-service.user-locked.v1 --if-absent -o name\n" +
			"suokectl events topics create dev.auth-service.user-unlocked.v1 --config retention.ms=86400000 --dry-run",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Names = args
			if opts.Topic.Partitions < 0 || opts.Topic.Replicas < 0 {
				return failure.Usagef("--partitions and --replicas are not negative")
			}
			if runF != nil {
				return runF(opts)
			}
			return explain(runTopicsCreate(cmd.Context(), opts))
		},
	}
	flags := cmd.Flags()
	flags.Int32Var(&opts.Topic.Partitions, "partitions", 0, "`number` of partitions; 0 is the cluster's default")
	flags.Int16Var(&opts.Topic.Replicas, "replicas", 0, "`number` of replicas; 0 is the cluster's default")
	flags.StringToStringVar(&opts.Topic.Configs, "config", nil, "topic `configuration` such as retention.ms=86400000; may be repeated")
	flags.BoolVar(&opts.DLQ, "dlq", true, "create the dead-letter topic too")
	flags.BoolVar(&opts.IfAbsent, "if-absent", false, "a topic that exists is no error, and stays as it is")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "let the cluster check everything, and create nothing")
	for _, name := range []string{"partitions", "replicas", "config"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	opts.Output.Bind(cmd)
	return cmd
}

// The outcomes of creating a topic.
const (
	outcomeCreated = "created"
	outcomeExists  = "exists"
	outcomePlanned = "planned" // it would be created
)

// createdTopic is a topic as it is printed.
type createdTopic struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"`
}

func runTopicsCreate(ctx context.Context, opts *TopicsCreateOptions) error {
	client, err := opts.Events()
	if err != nil {
		return err
	}
	conventions := client.Conventions()
	var names []string
	named := make(map[string]bool)
	for _, name := range opts.Names {
		if explained := conventions.ExplainTopic(name); explained.Err != nil {
			return explained.Err
		}
		names = append(names, name)
		named[name] = true
		if dlq := conventions.DLQTopic(name); opts.DLQ && dlq != name {
			names = append(names, dlq)
		}
	}
	if !opts.DryRun {
		if err := opts.Guard(ctx, fmt.Sprintf("create %d topics", len(names))); err != nil {
			return err
		}
	}
	var created []createdTopic
	for _, name := range names {
		outcome, failed := opts.create(ctx, client, name, opts.IfAbsent || !named[name])
		if err = failed; err != nil {
			break
		}
		created = append(created, createdTopic{name, outcome})
	}
	return firstError(err, output.List(opts.IO, opts.Output, createdView(), created))
}

func (o *TopicsCreateOptions) create(ctx context.Context, client *events.Client, name string, mayExist bool) (outcome string, err error) {
	topic := o.Topic
	topic.Name = name
	switch err := client.CreateTopic(ctx, topic, o.DryRun); {
	case errors.Is(err, events.ErrTopicExists) && mayExist:
		return outcomeExists, nil
	case err != nil:
		return "", err
	case o.DryRun:
		return outcomePlanned, nil
	}
	return outcomeCreated, nil
}

func createdView() output.View[createdTopic] {
	return output.View[createdTopic]{
		Columns: []output.Column[createdTopic]{
			{Name: "TOPIC", Whole: true, Value: func(t createdTopic) string { return t.Name }},
			{Name: "OUTCOME", Value: func(t createdTopic) string {
				return map[string]string{outcomeCreated: "created", outcomeExists: "exists already", outcomePlanned: "would be created"}[t.Outcome]
			}},
		},
		Name: func(t createdTopic) string { return t.Name },
	}
}
