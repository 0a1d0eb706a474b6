package events

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events/schema"
)

// SchemaGetOptions are what `events schema get` needs.
type SchemaGetOptions struct {
	IO      *iostreams.IOStreams
	Schemas func() (*schema.Registry, error)
	Output  output.Flags
	Subject string
	Version int
	Resolve bool
}

// NewCmdSchemaGet returns the verb; runF replaces its run in tests.
func NewCmdSchemaGet(f *app.Factory, runF func(*SchemaGetOptions) error) *cobra.Command {
	opts := &SchemaGetOptions{IO: f.IO, Schemas: f.Schemas}
	var version string
	cmd := &cobra.Command{
		Use:   "get SUBJECT",
		Short: "Print a schema",
		Long: `Print the schema of a subject: its text on stdout, its version and id on stderr.
With -o json everything is one object, and the text is in its field schema, what
it refers to in references.

--resolve makes one text of the schema and all that it refers to: types are
defined where Avro names them first, other JSON Schemas stand among the
definitions, and each Protobuf file follows those that it imports.`,
		Example: `suokectl events schema get dev.auth-service.user-registered.v1-value
suokectl events schema get dev.auth-service.user-registered.v1-value --version 1 -o json
suokectl events schema get dev.auth-service.user-registered.v1-value --resolve
suokectl events schema get dev.auth-service.user-registred.v1-value # exits 1`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.At(subjectNames(f)),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			opts.Subject = args[0]
			if opts.Version, err = parseVersion(version); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runSchemaGet(cmd.Context(), opts)
		},
	}
	bindVersion(cmd, &version)
	cmd.Flags().BoolVar(&opts.Resolve, "resolve", false, "include all that the schema refers to")
	opts.Output.Bind(cmd)
	return cmd
}

func runSchemaGet(ctx context.Context, opts *SchemaGetOptions) error {
	registry, err := opts.Schemas()
	if err != nil {
		return err
	}
	s, err := registry.Get(ctx, opts.Subject, opts.Version)
	if err != nil {
		return schemaHint(ctx, registry, opts.Subject, err)
	}
	if opts.Output.Human() {
		opts.IO.Infof("%s version %d, id %d, %s", s.Subject, s.Version, s.ID, s.Type)
	}
	if opts.Resolve {
		if s, err = resolved(ctx, registry, s); err != nil {
			return schemaHint(ctx, registry, opts.Subject, err)
		}
	} else if opts.Output.Human() {
		for _, r := range s.References {
			opts.IO.Infof("refers to %s: %s version %d", r.Name, r.Subject, r.Version)
		}
	}
	return output.One(opts.IO, opts.Output, schemaView(), s, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, opts.IO.Clean(strings.TrimSpace(indented(s.Text))))
		return err
	})
}

// resolved is a schema without references: their texts are in its own.
func resolved(ctx context.Context, registry *schema.Registry, s schema.Schema) (schema.Schema, error) {
	d, err := registry.Definition(ctx, s)
	if err != nil {
		return s, err
	}
	s.References = nil
	s.Text, err = d.Bundle()
	return s, err
}

// indented lays JSON out for reading; other text is as it is.
func indented(text string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(text), "", "  ") != nil {
		return text
	}
	return b.String()
}
