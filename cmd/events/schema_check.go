package events

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events/schema"
)

// SchemaCheckOptions are what `events schema check` needs.
type SchemaCheckOptions struct {
	IO      *iostreams.IOStreams
	Schemas func() (*schema.Registry, error)
	Output  output.Flags
	File    candidateFlags
	Subject string
	Path    string
	// Local decides here instead of asking the registry, in Mode when it is not empty.
	Local bool
	Mode  schema.Mode
}

// NewCmdSchemaCheck returns the verb; runF replaces its run in tests.
func NewCmdSchemaCheck(f *app.Factory, runF func(*SchemaCheckOptions) error) *cobra.Command {
	opts := &SchemaCheckOptions{IO: f.IO, Schemas: f.Schemas}
	var mode string
	cmd := &cobra.Command{
		Use:   "check SUBJECT FILE",
		Short: "Ask whether a schema may follow a subject's versions",
		Long: `Ask the registry whether a schema may follow a subject's latest version at the
subject's compatibility level. The exit code is 100 when it may not, with the
registry's reasons. A subject that does not exist takes any valid schema; the
registry itself says whether it is valid when it is registered. FILE may be "-"
for standard input.

With --local it is decided here, as the registry would, and each reason has the
place at which it is: for the mode of the subject, or that of --mode. A
transitive mode looks at all versions.

` + referencesHelp,
		Example: `printf '{"type":"object","required":["user_id","email","age"],"properties":{"age":{"type":"integer"}}}' > stricter.json
suokectl events schema check dev.auth-service.user-registered.v1-value stricter.json # exits 100
suokectl events schema check dev.auth-service.user-registered.v1-value stricter.json --mode full # exits 100
suokectl events schema get dev.auth-service.user-registered.v1-value > same.json
suokectl events schema check dev.auth-service.user-registered.v1-value same.json -o json
suokectl events schema check dev.auth-service.user-registered.v1-value same.json --local`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: subjectThenFile(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Subject, opts.Path = args[0], args[1]
			if mode != "" {
				var err error
				if opts.Mode, err = schema.ParseMode(mode); err != nil {
					return failure.Usagef("--mode %w", err)
				}
				opts.Local = true
			}
			if err := opts.Output.Validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runSchemaCheck(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.Local, "local", false, "decide here, and say at which place")
	cmd.Flags().StringVar(&mode, "mode", "", "decide here for this compatibility `mode`, whatever the subject's is")
	_ = cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions(modeNames(), cobra.ShellCompDirectiveNoFileComp))
	opts.File.bind(cmd)
	opts.Output.Bind(cmd)
	return cmd
}

func modeNames() []string {
	var names []string
	for _, m := range schema.Modes() {
		names = append(names, string(m))
	}
	return names
}

func runSchemaCheck(ctx context.Context, opts *SchemaCheckOptions) error {
	registry, err := opts.Schemas()
	if err != nil {
		return err
	}
	c, err := opts.File.read(ctx, opts.IO, registry, opts.Path)
	if err != nil {
		return err
	}
	verdict, err := opts.decide(ctx, registry, c)
	if err != nil {
		return c.explain(ctx, registry, opts.Subject, err)
	}
	return verdict.show(opts.IO, opts.Output)
}

func (o *SchemaCheckOptions) decide(ctx context.Context, registry *schema.Registry, c candidate) (checked, error) {
	if !o.Local {
		return askVerdict(ctx, registry, o.Subject, c)
	}
	return decideHere(ctx, registry, o.Subject, o.Mode, c)
}

// checked is a verdict as it is printed.
type checked struct {
	Subject    string   `json:"subject"`
	New        bool     `json:"new"` // the subject does not exist yet
	Compatible bool     `json:"compatible"`
	Reasons    []string `json:"reasons"`
	// Mode and Conflicts are there when it was decided here.
	Mode      schema.Mode       `json:"mode,omitempty"`
	Conflicts []schema.Conflict `json:"conflicts,omitempty"`
}

// askVerdict asks the registry.
func askVerdict(ctx context.Context, registry *schema.Registry, subject string, c candidate) (checked, error) {
	verdict, err := registry.Check(ctx, subject, c.kind, c.text, c.references...)
	if errors.Is(err, schema.ErrSubjectNotFound) {
		return checked{Subject: subject, New: true, Compatible: true, Reasons: []string{}}, nil
	}
	return checked{Subject: subject, Compatible: verdict.Compatible, Reasons: verdict.Reasons}, err
}

// decideHere compares the schema with the subject's versions; an empty mode is the subject's.
func decideHere(ctx context.Context, registry *schema.Registry, subject string, mode schema.Mode, c candidate) (checked, error) {
	parsed, err := c.parse(ctx, registry)
	if err != nil {
		return checked{}, err
	}
	if mode == "" {
		if mode, err = registry.Mode(ctx, subject); err != nil {
			return checked{}, err
		}
	}
	out := checked{Subject: subject, Mode: mode, Reasons: []string{}}
	out.Conflicts, err = registry.CheckLocally(ctx, subject, mode, parsed)
	if errors.Is(err, schema.ErrSubjectNotFound) {
		out.New, err = true, nil
	}
	out.Compatible = len(out.Conflicts) == 0
	for _, conflict := range out.Conflicts {
		out.Reasons = append(out.Reasons, fmt.Sprintf("version %d: %s", conflict.Version, conflict))
	}
	return out, err
}

// show prints a verdict, and ends with exit code 100 when the schema is incompatible.
func (c checked) show(ios *iostreams.IOStreams, flags output.Flags) error {
	err := output.One(ios, flags, checkedView(), c, func(w io.Writer) error { return c.print(ios, w) })
	if err == nil && !c.Compatible {
		return failure.Findings(1)
	}
	return err
}

func (c checked) print(ios *iostreams.IOStreams, w io.Writer) error {
	with := " with the latest version of " + ios.Clean(c.Subject)
	if c.Mode != "" {
		with = " with " + ios.Clean(c.Subject) + " by mode " + string(c.Mode)
	}
	line := ios.Style().Good("compatible") + with
	switch {
	case c.New:
		line = ios.Clean(c.Subject) + " is a new subject"
	case !c.Compatible:
		line = ios.Style().Bad("incompatible") + with
	}
	if _, err := fmt.Fprintln(w, line); err != nil {
		return err
	}
	for _, reason := range c.Reasons {
		if _, err := fmt.Fprintln(w, "  "+ios.Clean(reason)); err != nil {
			return err
		}
	}
	return nil
}

func checkedView() output.View[checked] {
	return output.View[checked]{
		Name: func(c checked) string { return c.Subject },
		Columns: []output.Column[checked]{
			{Name: "SUBJECT", Value: func(c checked) string { return c.Subject }},
			{Name: "COMPATIBLE", Value: func(c checked) string { return strconv.FormatBool(c.Compatible) }},
		},
	}
}
