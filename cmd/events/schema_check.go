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
	Type    typeFlag
	Subject string
	File    string
}

// NewCmdSchemaCheck returns the verb; runF replaces its run in tests.
func NewCmdSchemaCheck(f *app.Factory, runF func(*SchemaCheckOptions) error) *cobra.Command {
	opts := &SchemaCheckOptions{IO: f.IO, Schemas: f.Schemas}
	cmd := &cobra.Command{
		Use:   "check SUBJECT FILE",
		Short: "Ask whether a schema may follow a subject's latest version",
		Long: `Ask the registry whether a schema may follow a subject's latest version at the
subject's compatibility level. The exit code is 100 when it may not, with the
registry's reasons. A subject that does not exist takes any valid schema; the
registry itself says whether it is valid when it is registered.`,
		Example: `printf '{"type":"object","required":["user_id","email","age"]}' > stricter.json
suokectl events schema check dev.auth-service.user-registered.v1-value stricter.json # exits 100
suokectl events schema get dev.auth-service.user-registered.v1-value > same.json
suokectl events schema check dev.auth-service.user-registered.v1-value same.json -o json`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: subjectThenFile(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Subject, opts.File = args[0], args[1]
			if runF != nil {
				return runF(opts)
			}
			return runSchemaCheck(cmd.Context(), opts)
		},
	}
	opts.Type.bind(cmd)
	opts.Output.Bind(cmd)
	return cmd
}

func runSchemaCheck(ctx context.Context, opts *SchemaCheckOptions) error {
	text, err := readInput(opts.IO, opts.File)
	if err != nil {
		return err
	}
	kind, err := opts.Type.of(text)
	if err != nil {
		return err
	}
	registry, err := opts.Schemas()
	if err != nil {
		return err
	}
	return printVerdict(ctx, opts.IO, opts.Output, registry, opts.Subject, kind, text)
}

// checked is a verdict as it is printed.
type checked struct {
	Subject    string   `json:"subject"`
	New        bool     `json:"new"` // the subject does not exist yet
	Compatible bool     `json:"compatible"`
	Reasons    []string `json:"reasons"`
}

// printVerdict asks the registry, prints, and ends with exit code 100 when the schema is incompatible.
func printVerdict(ctx context.Context, ios *iostreams.IOStreams, flags output.Flags, registry *schema.Registry, name string, kind schema.Type, text []byte) error {
	verdict, err := registry.Check(ctx, name, kind, string(text))
	c := checked{Subject: name, Compatible: verdict.Compatible, Reasons: verdict.Reasons}
	switch {
	case errors.Is(err, schema.ErrSubjectNotFound):
		c.New, c.Compatible, c.Reasons = true, true, []string{}
	case err != nil:
		return schemaHint(ctx, registry, name, err)
	}
	err = output.One(ios, flags, checkedView(), c, func(w io.Writer) error { return c.print(ios, w) })
	if err == nil && !c.Compatible {
		return failure.Findings(1)
	}
	return err
}

func (c checked) print(ios *iostreams.IOStreams, w io.Writer) error {
	line := ios.Style().Good("compatible") + " with the latest version of " + ios.Clean(c.Subject)
	switch {
	case c.New:
		line = ios.Clean(c.Subject) + " is a new subject"
	case !c.Compatible:
		line = ios.Style().Bad("incompatible") + " with the latest version of " + ios.Clean(c.Subject)
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
