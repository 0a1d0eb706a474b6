package events

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/copier"
	"github.com/suokelife/suokectl/pkg/events/dlq"
	"github.com/suokelife/suokectl/pkg/spec"
)

// TopicsCheckOptions are what `events topics check` works with.
type TopicsCheckOptions struct {
	IO          *iostreams.IOStreams
	Events      func() (*events.Client, error)
	Conventions func() (spec.Conventions, error)
	Output      output.Flags
	Names       []string
}

// NewCmdTopicsCheck returns the verb; runF replaces its run in tests.
func NewCmdTopicsCheck(f *app.Factory, runF func(*TopicsCheckOptions) error) *cobra.Command {
	opts := &TopicsCheckOptions{IO: f.IO, Events: f.Events, Conventions: f.Conventions}
	cmd := &cobra.Command{
		Use:   "check [NAME...]",
		Short: "Check topic names against the conventions",
		Long: `Check the given names, for which no cluster is needed, or with none given those
of all topics of the cluster. Exit code 100 says that a name is wrong; each is
listed with what is wrong in it and the name that was probably meant.`,
		Example: "suokectl events topics check\n" +
			"suokectl events topics check dev.auth-service.user-registered.v1\n" +
			"suokectl events topics check Prod.auth_service.userRegistered.1 # exits 100",
		ValidArgsFunction: topicNames(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Names = args
			if err := opts.Output.Validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return explain(runTopicsCheck(cmd.Context(), opts))
		},
	}
	opts.Output.Bind(cmd)
	return cmd
}

func runTopicsCheck(ctx context.Context, opts *TopicsCheckOptions) error {
	conventions, err := opts.Conventions()
	if err != nil {
		return err
	}
	names := opts.Names
	if len(names) == 0 {
		client, err := opts.Events()
		if err != nil {
			return err
		}
		if names, err = client.TopicNames(ctx); err != nil {
			return err
		}
		names = slices.DeleteFunc(names, func(name string) bool { return dlq.IsLedger(name) || name == copier.ProgressTopic })
	}
	var wrong []*spec.TopicError
	for _, name := range names {
		if explained := conventions.ExplainTopic(name); explained.Err != nil {
			wrong = append(wrong, explained.Err)
		}
	}
	view := checkView(fmt.Sprintf("%d names follow the conventions", len(names)))
	if err := output.List(opts.IO, opts.Output, view, wrong); err != nil {
		return err
	}
	return failure.Findings(len(wrong))
}

func checkView(empty string) output.View[*spec.TopicError] {
	return output.View[*spec.TopicError]{
		Columns: []output.Column[*spec.TopicError]{
			{Name: "TOPIC", Whole: true, Value: func(e *spec.TopicError) string { return e.Name }},
			{Name: "PROBLEM", Room: 60, Value: problems},
			{Name: "SUGGESTION", Whole: true, Value: func(e *spec.TopicError) string { return e.Suggestion }},
		},
		Name:  func(e *spec.TopicError) string { return e.Name },
		Empty: empty,
	}
}

func problems(e *spec.TopicError) string {
	var all []string
	for _, p := range e.Problems {
		all = append(all, p.String())
	}
	return strings.Join(all, "; ")
}
