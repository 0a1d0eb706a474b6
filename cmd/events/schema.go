package events

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events/schema"
	"github.com/suokelife/suokectl/pkg/spec"
)

// NewCmdSchema returns the verbs on the schema registry.
func NewCmdSchema(f *app.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Register, read and check the schemas of events",
		Long: `Register, read and check the schemas of events in the context's schema registry,
and hold events to them. The subject of a topic is its name with "-value". Avro,
JSON Schema and Protobuf are understood; events are plain JSON with each of them.`,
		Example: "suokectl events schema list\nsuokectl events schema get dev.auth-service.user-registered.v1-value",
	}
	cmd.AddCommand(
		NewCmdSchemaList(f, nil),
		NewCmdSchemaGet(f, nil),
		NewCmdSchemaRegister(f, nil),
		NewCmdSchemaCheck(f, nil),
		NewCmdSchemaDiff(f, nil),
		NewCmdSchemaValidate(f, nil),
	)
	return cmd
}

// subjectNames completes subjects.
func subjectNames(f *app.Factory) cobra.CompletionFunc {
	return complete.Values(f, "subjects", func(ctx context.Context) ([]string, error) {
		registry, err := f.Schemas()
		if err != nil {
			return nil, err
		}
		return registry.Subjects(ctx)
	})
}

// subjectThenFile completes a subject, then a file.
func subjectThenFile(f *app.Factory) cobra.CompletionFunc {
	subjects := subjectNames(f)
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		switch len(args) {
		case 0:
			return subjects(cmd, args, prefix)
		case 1:
			return nil, cobra.ShellCompDirectiveDefault
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// subjectThenFiles completes a subject, then files.
func subjectThenFiles(f *app.Factory) cobra.CompletionFunc {
	subjects := subjectNames(f)
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return subjects(cmd, args, prefix)
		}
		return nil, cobra.ShellCompDirectiveDefault
	}
}

// schemaHint adds to an error of the registry what to do next.
func schemaHint(ctx context.Context, registry *schema.Registry, subject string, err error) error {
	switch {
	case failure.Hint(err) != "": // by whoever knew more
		return err
	case errors.Is(err, schema.ErrSubjectNotFound):
		if names, listed := registry.Subjects(ctx); listed == nil {
			if nearest := spec.Nearest(subject, names); nearest != "" {
				return failure.WithHint(err, "did you mean "+nearest+"?")
			}
		}
		return failure.WithHint(err, "`suokectl events schema list` shows the subjects")
	case errors.Is(err, schema.ErrUnavailable):
		return failure.WithHint(err, "is a schema registry running there? `suokectl config view` shows the address")
	case errors.Is(err, schema.ErrUnauthorized):
		return failure.WithHint(err, "set registry.username and registry.password of the context")
	case errors.Is(err, schema.ErrVersionNotFound):
		if versions, listed := registry.Versions(ctx, subject); listed == nil {
			return failure.WithHint(err, fmt.Sprintf("there are versions %v", versions))
		}
	case errors.Is(err, schema.ErrIncompatible):
		return failure.WithHint(err, "`suokectl events schema check` shows the reasons without registering, with --local their places")
	}
	return err
}

// maxInput bounds a schema or a file of events that is read whole, in bytes.
const maxInput = 64 << 20

// readInput reads a file, or standard input for "-".
func readInput(ios *iostreams.IOStreams, name string) ([]byte, error) {
	in := ios.In
	if name != "-" {
		file, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, failure.Usagef("there is no file %s", name)
		}
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err == nil && len(text) > maxInput {
		err = fmt.Errorf("read %s: more than %d MiB", name, maxInput>>20)
	}
	return text, err
}

// parseVersion reads --version.
func parseVersion(text string) (int, error) {
	if text == "latest" {
		return schema.Latest, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, failure.Usagef("version %q is neither latest nor a number from 1", text)
	}
	return n, nil
}

func bindVersion(cmd *cobra.Command, version *string) {
	cmd.Flags().StringVar(version, "version", "latest", "`version` of the subject: a number or latest")
	_ = cmd.RegisterFlagCompletionFunc("version", cobra.FixedCompletions([]string{"latest"}, cobra.ShellCompDirectiveNoFileComp))
}

func schemaView() output.View[schema.Schema] {
	return output.View[schema.Schema]{
		Name: func(s schema.Schema) string { return s.Subject },
		Columns: []output.Column[schema.Schema]{
			{Name: "SUBJECT", Value: func(s schema.Schema) string { return s.Subject }},
			{Name: "VERSION", Value: func(s schema.Schema) string { return strconv.Itoa(s.Version) }},
			{Name: "ID", Value: func(s schema.Schema) string { return strconv.Itoa(s.ID) }},
			{Name: "TYPE", Value: func(s schema.Schema) string { return string(s.Type) }},
		},
	}
}
