package lint

import (
	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/spec"
)

// RulesOptions are what `lint rules` needs.
type RulesOptions struct {
	IO     *iostreams.IOStreams
	Output output.Flags
}

// NewCmdRules returns the verb; runF replaces its run in tests.
func NewCmdRules(f *app.Factory, runF func(*RulesOptions) error) *cobra.Command {
	opts := &RulesOptions{IO: f.IO}
	cmd := &cobra.Command{
		Use:               "rules",
		Short:             "List all rules",
		Long:              "List all rules, by kind. `suokectl lint explain RULE` says more of one.",
		Example:           "suokectl lint rules\nsuokectl lint rules -o json --jq '.[] | select(.buf) | .id'",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			if runF != nil {
				return runF(opts)
			}
			return output.List(opts.IO, opts.Output, ruleView(), catalogue())
		},
	}
	opts.Output.Bind(cmd)
	return cmd
}

// catalogue is the same whatever the conventions are.
func catalogue() []lint.Rule { return lint.Catalogue(allKinds(spec.Default())) }

func ruleView() output.View[lint.Rule] {
	return output.View[lint.Rule]{
		Name: func(r lint.Rule) string { return r.ID },
		Columns: []output.Column[lint.Rule]{
			{Name: "RULE", Value: func(r lint.Rule) string { return r.ID }},
			{Name: "KIND", Value: func(r lint.Rule) string { return r.Kind }},
			{Name: "SEVERITY", Value: func(r lint.Rule) string { return string(r.Severity) }},
			{Name: "SUMMARY", Value: func(r lint.Rule) string { return r.Summary }},
			{Name: "WHY", Value: func(r lint.Rule) string { return r.Why }, Wide: true},
		},
	}
}
