package events

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events/schema"
)

// SchemaRegisterOptions are what `events schema register` needs.
type SchemaRegisterOptions struct {
	IO      *iostreams.IOStreams
	Schemas func() (*schema.Registry, error)
	Guard   func(ctx context.Context, what string) error
	Output  output.Flags
	File    candidateFlags
	Subject string
	Path    string
	DryRun  bool
}

// NewCmdSchemaRegister returns the verb; runF replaces its run in tests.
func NewCmdSchemaRegister(f *app.Factory, runF func(*SchemaRegisterOptions) error) *cobra.Command {
	opts := &SchemaRegisterOptions{IO: f.IO, Schemas: f.Schemas, Guard: f.Guard}
	cmd := &cobra.Command{
		Use:   "register SUBJECT FILE",
		Short: "Register a schema as the next version of a subject",
		Long: `Register a schema as the next version of a subject. The registry refuses one that
is invalid, or incompatible at the subject's level. A schema that the subject
has already is found, not registered twice. FILE may be "-" for standard input.

With --dry-run only the registry's verdict is asked for.

` + referencesHelp,
		Example: `printf '{"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}' > number.json
suokectl events schema register dev.demo.number.v1-value number.json
suokectl events schema register dev.demo.number.v1-value number.json --dry-run
printf '{"type":"record","name":"N","fields":[{"name":"n","type":"long"}]}' | suokectl events schema register dev.demo.avro.v1-value -
printf 'syntax = "proto3"; package demo; message Money { double amount = 1; }' | suokectl events schema register demo/money.proto -
printf 'syntax = "proto3"; import "demo/money.proto"; message Price { demo.Money price = 1; }' > price.proto
suokectl events schema register dev.demo.price.v1-value price.proto --reference demo/money.proto=demo/money.proto`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: subjectThenFile(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Subject, opts.Path = args[0], args[1]
			if err := opts.Output.Validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runSchemaRegister(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "ask for the registry's verdict and register nothing")
	opts.File.bind(cmd)
	opts.Output.Bind(cmd)
	return cmd
}

func runSchemaRegister(ctx context.Context, opts *SchemaRegisterOptions) error {
	registry, err := opts.Schemas()
	if err != nil {
		return err
	}
	c, err := opts.File.read(ctx, opts.IO, registry, opts.Path)
	if err != nil {
		return err
	}
	if opts.DryRun {
		verdict, err := askVerdict(ctx, registry, opts.Subject, c)
		if err != nil {
			return c.explain(ctx, registry, opts.Subject, err)
		}
		return verdict.show(opts.IO, opts.Output)
	}
	if err := opts.Guard(ctx, fmt.Sprintf("register a schema for %s", opts.Subject)); err != nil {
		return err
	}
	s, err := registry.Register(ctx, opts.Subject, c.kind, c.text, c.references...)
	if err != nil {
		return c.explain(ctx, registry, opts.Subject, err)
	}
	return output.One(opts.IO, opts.Output, schemaView(), s, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s version %d, id %d, %s\n", opts.IO.Clean(s.Subject), s.Version, s.ID, s.Type)
		return err
	})
}
