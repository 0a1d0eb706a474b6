package events

import (
	"bytes"
	"context"
	"encoding/json"
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

// SchemaValidateOptions are what `events schema validate` needs.
type SchemaValidateOptions struct {
	IO      *iostreams.IOStreams
	Schemas func() (*schema.Registry, error)
	Output  output.Flags
	Subject string
	Files   []string
	Version int
	Scope   schema.Scope
}

// NewCmdSchemaValidate returns the verb; runF replaces its run in tests.
func NewCmdSchemaValidate(f *app.Factory, runF func(*SchemaValidateOptions) error) *cobra.Command {
	opts := &SchemaValidateOptions{IO: f.IO, Schemas: f.Schemas}
	var version, scope string
	cmd := &cobra.Command{
		Use:   "validate SUBJECT FILE...",
		Short: "Hold events in files to a schema",
		Long: `Hold the events in files, or on standard input for "-", to the schema of a
subject. A file has one JSON value after another, NDJSON for example. Each
problem is printed with the event's number and the path in it; the exit code is
100 when there is one. What is framed for a schema registry is no plain JSON.

A schema with the fields meta and data describes the whole event, any other its
data only; --scope says it where that is wrong.`,
		Example: `printf '{"meta":{},"data":{"user_id":"u1","email":"a@example.com"}}' | suokectl events schema validate dev.auth-service.user-registered.v1-value -
printf '{"meta":{},"data":{"user_id":7}}' > bad.ndjson
suokectl events schema validate dev.auth-service.user-registered.v1-value bad.ndjson -o json # exits 100`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: subjectThenFiles(f),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			opts.Subject, opts.Files = args[0], args[1:]
			if opts.Version, err = parseVersion(version); err != nil {
				return err
			}
			if opts.Scope, err = parseScope(scope); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runSchemaValidate(cmd.Context(), opts)
		},
	}
	bindVersion(cmd, &version)
	cmd.Flags().StringVar(&scope, "scope", "auto", "what the schema describes: `auto`, event or data")
	_ = cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions([]string{"auto", "event", "data"}, cobra.ShellCompDirectiveNoFileComp))
	opts.Output.Bind(cmd)
	return cmd
}

func parseScope(text string) (schema.Scope, error) {
	scope, ok := map[string]schema.Scope{"auto": schema.ScopeAuto, "event": schema.ScopeEvent, "data": schema.ScopeData}[text]
	if !ok {
		return 0, failure.Usagef("--scope %q is neither auto, event nor data", text)
	}
	return scope, nil
}

// misfit is one problem of one event.
type misfit struct {
	File  string `json:"file"`
	Event int    `json:"event"` // its number in the file, from 1
	schema.Problem
}

func runSchemaValidate(ctx context.Context, opts *SchemaValidateOptions) error {
	registry, err := opts.Schemas()
	if err != nil {
		return err
	}
	count := 0
	found := []misfit{}
	for _, file := range opts.Files {
		text, err := readInput(opts.IO, file)
		if err != nil {
			return err
		}
		events, misfits, err := opts.hold(ctx, registry, file, text)
		if err != nil {
			return schemaHint(ctx, registry, opts.Subject, err)
		}
		count += events
		found = append(found, misfits...)
	}
	if err := output.List(opts.IO, opts.Output, misfitView(count, len(opts.Files) > 1), found); err != nil {
		return err
	}
	return failure.Findings(len(found))
}

// hold holds the events of a file to the schema.
func (o *SchemaValidateOptions) hold(ctx context.Context, registry *schema.Registry, file string, text []byte) (count int, found []misfit, err error) {
	if id, _, err := schema.ParseFrame(text); err == nil {
		message := fmt.Sprintf("framed for a schema registry, with schema id %d, where plain JSON is wanted", id)
		return 1, []misfit{{file, 1, schema.Problem{Path: "$", Message: message}}}, nil
	}
	for dec := json.NewDecoder(bytes.NewReader(text)); ; {
		var event json.RawMessage
		err := dec.Decode(&event)
		if errors.Is(err, io.EOF) {
			return count, found, nil
		}
		count++
		if err != nil { // where the next event begins cannot be known
			return count, append(found, misfit{file, count, schema.Problem{Path: "$", Message: "not a JSON value, and the rest of the file is not read: " + err.Error()}}), nil
		}
		var invalid *schema.ValidationError
		switch err := registry.ValidateVersion(ctx, o.Subject, o.Version, o.Scope, event); {
		case errors.As(err, &invalid):
			for _, p := range invalid.Problems {
				found = append(found, misfit{file, count, p})
			}
		case err != nil:
			return count, found, err
		}
	}
}

func misfitView(events int, severalFiles bool) output.View[misfit] {
	v := output.View[misfit]{
		Name:  func(m misfit) string { return strconv.Itoa(m.Event) },
		Empty: fmt.Sprintf("%d valid, 0 invalid", events),
		Columns: []output.Column[misfit]{
			{Name: "EVENT", Value: func(m misfit) string { return strconv.Itoa(m.Event) }},
			{Name: "PATH", Value: func(m misfit) string { return m.Path }},
			{Name: "PROBLEM", Value: func(m misfit) string { return m.Message }},
		},
	}
	if severalFiles {
		file := output.Column[misfit]{Name: "FILE", Value: func(m misfit) string { return m.File }}
		v.Columns = append([]output.Column[misfit]{file}, v.Columns...)
	}
	return v
}
