package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
)

// TopicsDeleteOptions are what `events topics delete` works with.
type TopicsDeleteOptions struct {
	IO     *iostreams.IOStreams
	Events func() (*events.Client, error)
	Guard  func(ctx context.Context, what string) error
	Output output.Flags
	Names  []string
	DryRun bool
}

// NewCmdTopicsDelete returns the verb; runF replaces its run in tests.
func NewCmdTopicsDelete(f *app.Factory, runF func(*TopicsDeleteOptions) error) *cobra.Command {
	opts := &TopicsDeleteOptions{IO: f.IO, Events: f.Events, Guard: f.Guard}
	cmd := &cobra.Command{
		Use:   "delete NAME...",
		Short: "Delete topics with all that is in them",
		Long: `Delete topics, which cannot be undone. They are shown first, with the consumer
groups that read them. Dead letters have a topic of their own, which stays unless it is
named too. Nothing is deleted unless all of the topics are there.`,
		Example: "suokectl events topics delete dev.health-service.vital-signs-recorded.v1 --dry-run\n" +
			"suokectl events topics delete dev.health-service.vital-signs-record.v1 # exits 1",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: topicNames(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Names = args
			if runF != nil {
				return runF(opts)
			}
			return explain(runTopicsDelete(cmd.Context(), opts))
		},
	}
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "show the topics and who reads them, and delete nothing")
	opts.Output.Bind(cmd)
	return cmd
}

func runTopicsDelete(ctx context.Context, opts *TopicsDeleteOptions) error {
	client, err := opts.Events()
	if err != nil {
		return err
	}
	topics, err := client.Topics(ctx, opts.Names...)
	if err != nil {
		return fmt.Errorf("nothing was deleted: %w", err)
	}
	for _, t := range topics {
		if t.Internal {
			return fmt.Errorf("nothing was deleted: %s: %w", t.Name, events.ErrInternalTopic)
		}
	}
	if err := output.List(opts.IO, opts.Output, topicView(), topics); err != nil {
		return err
	}
	opts.warnReaders(ctx, client)
	if opts.DryRun {
		opts.IO.Infof("%s would be deleted", plural(len(topics), "topic"))
		return nil
	}
	if err := opts.Guard(ctx, "delete "+strings.Join(opts.Names, ", ")); err != nil {
		return err
	}
	var failed []error
	for _, t := range topics {
		if err := client.DeleteTopic(ctx, t.Name); err != nil {
			failed = append(failed, err)
			continue
		}
		opts.IO.Infof("%s deleted", t.Name)
	}
	return errors.Join(failed...)
}

// warnReaders names the groups with members that read the topics. Groups that
// may not be seen are no reason to stop.
func (o *TopicsDeleteOptions) warnReaders(ctx context.Context, client *events.Client) {
	groups, _ := client.Groups(ctx)
	for _, g := range groups {
		if len(g.Members) == 0 {
			continue
		}
		for _, topic := range (consumerGroup{Group: g}).topics() {
			if slices.Contains(o.Names, topic) {
				o.IO.Infof("warning: group %s reads %s, and has %s", g.Name, topic, plural(len(g.Members), "member"))
			}
		}
	}
}
