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
	File    string
	Version int
	Scope   schema.Scope
}

// NewCmdSchemaValidate returns the verb; runF replaces its run in tests.
func NewCmdSchemaValidate(f *app.Factory, runF func(*SchemaValidateOptions) error) *cobra.Command {
	opts := &SchemaValidateOptions{IO: f.IO, Schemas: f.Schemas}
	var version, scope string
	cmd := &cobra.Command{
		Use:   "validate SUBJECT FILE",
		Short: "Hold events in a file to a schema",
		Long: `Hold the events in a file, or on standard input for "-", to the schema of a
subject. The file has one JSON value after another, NDJSON for example. Each
problem is printed with the event's number and the path in it; the exit code is
100 when there is one.

A schema with the fields meta and data describes the whole event, any other its
data only; --scope says it where that is wrong.`,
		Example: `printf '{"meta":{},"data":{"user_id":"u1","email":"a@example.com"}}' | suokectl events schema validate dev.auth-service.user-registered.v1-value -
printf '{"meta":{},"data":{"user_id":7}}' > bad.ndjson
suokectl events schema validate dev.auth-service.user-registered.v1-value bad.ndjson -o json # exits 100`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: subjectThenFile(f),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			opts.Subject, opts.File = args[0], args[1]
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
	Event int `json:"event"` // its number in the file, from 1
	schema.Problem
}

func runSchemaValidate(ctx context.Context, opts *SchemaValidateOptions) error {
	text, err := readInput(opts.IO, opts.File)
	if err != nil {
		return err
	}
	registry, err := opts.Schemas()
	if err != nil {
		return err
	}
	count := 0
	found := []misfit{}
	for dec := json.NewDecoder(bytes.NewReader(text)); ; {
		var event json.RawMessage
		err := dec.Decode(&event)
		if errors.Is(err, io.EOF) {
			break
		}
		count++
		if err != nil {
			found = append(found, misfit{count, schema.Problem{Path: "$", Message: "not a JSON value: " + err.Error()}})
			break // where the next event begins cannot be known
		}
		var invalid *schema.ValidationError
		switch err := registry.ValidateVersion(ctx, opts.Subject, opts.Version, opts.Scope, event); {
		case errors.As(err, &invalid):
			for _, p := range invalid.Problems {
				found = append(found, misfit{count, p})
			}
		case err != nil:
			return schemaHint(ctx, registry, opts.Subject, err)
		}
	}
	if err := output.List(opts.IO, opts.Output, misfitView(count), found); err != nil {
		return err
	}
	return failure.Findings(len(found))
}

func misfitView(events int) output.View[misfit] {
	return output.View[misfit]{
		Name:  func(m misfit) string { return strconv.Itoa(m.Event) },
		Empty: fmt.Sprintf("%d valid, 0 invalid", events),
		Columns: []output.Column[misfit]{
			{Name: "EVENT", Value: func(m misfit) string { return strconv.Itoa(m.Event) }},
			{Name: "PATH", Value: func(m misfit) string { return m.Path }},
			{Name: "PROBLEM", Value: func(m misfit) string { return m.Message }},
		},
	}
}
