package events

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events/schema"
)

// SchemaListOptions are what `events schema list` needs.
type SchemaListOptions struct {
	IO      *iostreams.IOStreams
	Schemas func() (*schema.Registry, error)
	Output  output.Flags
}

// NewCmdSchemaList returns the verb; runF replaces its run in tests.
func NewCmdSchemaList(f *app.Factory, runF func(*SchemaListOptions) error) *cobra.Command {
	opts := &SchemaListOptions{IO: f.IO, Schemas: f.Schemas}
	cmd := &cobra.Command{
		Use:               "list",
		Short:             "List the subjects of the registry",
		Long:              "List the subjects of the context's schema registry.",
		Example:           "suokectl events schema list\nsuokectl events schema list -o name",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(opts)
			}
			return runSchemaList(cmd.Context(), opts)
		},
	}
	opts.Output.Bind(cmd)
	return cmd
}

// subject is a row of the list.
type subject struct {
	Subject string `json:"subject"`
}

func runSchemaList(ctx context.Context, opts *SchemaListOptions) error {
	registry, err := opts.Schemas()
	if err != nil {
		return err
	}
	names, err := registry.Subjects(ctx)
	if err != nil {
		return schemaHint(ctx, registry, "", err)
	}
	rows := make([]subject, len(names))
	for i, name := range names {
		rows[i] = subject{name}
	}
	name := func(s subject) string { return s.Subject }
	return output.List(opts.IO, opts.Output, output.View[subject]{
		Name: name, Empty: "the registry has no subjects",
		Columns: []output.Column[subject]{{Name: "SUBJECT", Value: name}},
	}, rows)
}
