package lint

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/spec"
)

// ExplainOptions are what `lint explain` needs.
type ExplainOptions struct {
	IO     *iostreams.IOStreams
	Output output.Flags
	Rule   string
}

// NewCmdExplain returns the verb; runF replaces its run in tests.
func NewCmdExplain(f *app.Factory, runF func(*ExplainOptions) error) *cobra.Command {
	opts := &ExplainOptions{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "explain RULE",
		Short: "Say what a rule demands, why, and what is good and bad",
		Long:  "Say what a rule demands, why, and show something that keeps it and something that breaks it.",
		Example: `suokectl lint explain FIELD_SECRET_COMMENT
suokectl lint explain topic-environment -o json`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return complete.Prefixed(ruleIDs(), strings.ToUpper(prefix)), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			opts.Rule = args[0]
			if runF != nil {
				return runF(opts)
			}
			return runExplain(opts)
		},
	}
	opts.Output.Bind(cmd)
	return cmd
}

func ruleIDs() []string {
	rules := catalogue()
	ids := make([]string, len(rules))
	for i, r := range rules {
		ids[i] = r.ID
	}
	return ids
}

func runExplain(opts *ExplainOptions) error {
	rule, err := lint.FindRule(catalogue(), opts.Rule)
	if errors.Is(err, lint.ErrUnknownRule) {
		advice := "`suokectl lint rules` lists them"
		if near := spec.Nearest(strings.ToUpper(opts.Rule), ruleIDs()); near != "" {
			advice = "did you mean " + near + "?"
		}
		return failure.WithHint(&failure.UsageError{Err: err}, advice)
	}
	if err != nil {
		return err
	}
	style := opts.IO.Style()
	return output.One(opts.IO, opts.Output, ruleView(), rule, func(w io.Writer) error {
		origin := ""
		if rule.Buf {
			origin = ", buf has it too"
		}
		_, err := fmt.Fprintf(w, "%s %s\n\n%s\n%s\n\n%s\n%s\n\n%s\n%s\n",
			style.Bold(rule.ID), style.Dim(fmt.Sprintf("(%s, %s%s)", rule.Kind, rule.Severity, origin)),
			rule.Summary, rule.Why, style.Good("Good"), indent(rule.Good), style.Bad("Bad"), indent(rule.Bad))
		return err
	})
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }
