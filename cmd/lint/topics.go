package lint

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/lint/topics"
)

// TopicsOptions are what `lint topics` needs.
type TopicsOptions struct {
	agreement
	IO     *iostreams.IOStreams
	Report ReportFlags
	Names  []string
}

// NewCmdTopics returns the verb; runF replaces its run in tests.
func NewCmdTopics(f *app.Factory, runF func(*TopicsOptions) error) *cobra.Command {
	opts := &TopicsOptions{agreement: agreementOf(f), IO: f.IO}
	cmd := &cobra.Command{
		Use:   "topics NAME…|-",
		Short: "Check names of topics",
		Long: `Check names of topics against the grammar, {env}.{service}.{event}.{version}
unless suokectl.yaml says otherwise, and against each other. With - they are read
from stdin, one a line, where # begins a comment.`,
		Example: `suokectl lint topics dev.auth-service.user-registered.v1
suokectl lint topics production.auth_service.user-registered.1.0 # exits 100
printf 'dev.a.b.v1\ndev.a.b.v1.dlq\n' | suokectl lint topics -`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Names = args
			if err := opts.validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runTopics(cmd.Context(), opts)
		},
	}
	opts.Report.bind(cmd)
	return cmd
}

func (opts *TopicsOptions) validate() error {
	if slices.Contains(opts.Names, "-") && len(opts.Names) > 1 {
		return failure.Usagef("- reads all names from stdin: give it alone")
	}
	for _, name := range opts.Names {
		if strings.TrimSpace(name) == "" || strings.ContainsAny(name, "\r\n") {
			return failure.Usagef("%q is not the name of a topic", name)
		}
	}
	return opts.Report.validate()
}

func runTopics(ctx context.Context, opts *TopicsOptions) error {
	c, config, err := opts.conventions()
	if err != nil {
		return err
	}
	source, err := opts.source()
	if err != nil {
		return err
	}
	kind := topics.Kind(c)
	kind.Recognize = func(*lint.Source) bool { return true }
	report, err := lint.Run(ctx, []lint.Kind{kind}, config, []*lint.Source{source})
	if err != nil {
		return err
	}
	return opts.Report.write(opts.IO, report)
}

func (opts *TopicsOptions) source() (*lint.Source, error) {
	if opts.Names[0] != "-" {
		return lint.NewSource("arguments", []byte(strings.Join(opts.Names, "\n")+"\n")), nil
	}
	text, err := io.ReadAll(io.LimitReader(opts.IO.In, lint.MaxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("read names from stdin: %w", err)
	}
	if len(text) > lint.MaxFileSize {
		return nil, fmt.Errorf("stdin has more than the %d bytes that are linted", lint.MaxFileSize)
	}
	return lint.NewSource("stdin", text), nil
}
