package output

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"

	"github.com/itchyny/gojq"
	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
)

// The formats that -o takes.
const (
	Table  = "table"
	Wide   = "wide"
	JSON   = "json"
	NDJSON = "ndjson"
	YAML   = "yaml"
	Name   = "name"
)

// formats returns every value of -o.
func formats() []string { return []string{Table, Wide, JSON, NDJSON, YAML, Name} }

// Flags are a verb's output flags.
type Flags struct {
	// Format is one of the formats above; "" means Table.
	Format string
	// JQ is a jq expression that is applied to the JSON form.
	JQ string
	// Template is a Go template that is applied to the JSON form.
	Template string
}

// Bind adds -o, --jq and --template to cmd, with completion. They are validated
// before the verb begins, so that a typing error changes and awaits nothing.
func (o *Flags) Bind(cmd *cobra.Command) {
	o.BindFormat(cmd)
	cmd.Flags().StringVar(&o.Template, "template", "", "print the JSON form through a Go `template`")
	_ = cmd.RegisterFlagCompletionFunc("template", cobra.NoFileCompletions)
}

// BindFormat adds -o and --jq alone, for a verb whose --template means something
// else.
func (o *Flags) BindFormat(cmd *cobra.Command) {
	cmd.PreRunE = func(*cobra.Command, []string) error { return o.Validate() }
	f := cmd.Flags()
	f.StringVarP(&o.Format, "output", "o", Table, "output `format`: "+strings.Join(formats(), ", "))
	f.StringVar(&o.JQ, "jq", "", "filter the JSON form by a jq `expression`")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("jq", cobra.NoFileCompletions)
}

// Human reports whether the output is meant for eyes: a table with no filter.
func (o *Flags) Human() bool {
	return o.whole() && (o.format() == Table || o.format() == Wide)
}

// whole reports whether items are printed as they are.
func (o *Flags) whole() bool { return o.JQ == "" && o.Template == "" }

// Validate reports a format, expression or template that cannot be used, as a
// usage error. Printing validates too; a verb that changes something calls it
// first, so that a typing error changes nothing.
func (o *Flags) Validate() error {
	_, err := o.rawEncoder()
	return err
}

func (o *Flags) format() string {
	if o.Format == "" {
		return Table
	}
	return o.Format
}

// encoder writes one value in the wanted machine format; it is nil for tables
// and names.
type encoder func(w io.Writer, v any) error

// encoder is rawEncoder made safe for a terminal: JSON escapes the C0
// controls only, and jq and templates print strings as they are.
func (o *Flags) encoder(ios *iostreams.IOStreams) (encoder, error) {
	raw, err := o.rawEncoder()
	if err != nil || raw == nil || !ios.StdoutTTY() {
		return raw, err
	}
	return func(w io.Writer, v any) error {
		var b strings.Builder
		if err := raw(&b, v); err != nil {
			return err
		}
		_, err := io.WriteString(w, ios.Clean(b.String()))
		return err
	}, nil
}

func (o *Flags) rawEncoder() (encoder, error) {
	if !slices.Contains(formats(), o.format()) {
		return nil, failure.WithHint(failure.Usagef("unknown output format %q", o.Format), "use one of "+strings.Join(formats(), ", "))
	}
	switch {
	case o.JQ != "" && o.Template != "":
		return nil, failure.Usagef("--jq and --template exclude each other")
	case o.JQ != "":
		return jqEncoder(o.JQ)
	case o.Template != "":
		return templateEncoder(o.Template)
	}
	switch o.format() {
	case JSON:
		return encodeIndented, nil
	case NDJSON:
		return encodeLine, nil
	case YAML:
		return encodeYAML, nil
	default:
		return nil, nil
	}
}

// CompileJQ returns what prints the results of a jq expression for the JSON form of
// a value: a line each, texts as they are. The error is a usage error. It may be
// used by several goroutines at the same time.
func CompileJQ(expr string) (func(w io.Writer, v any) error, error) { return jqEncoder(expr) }

func jqEncoder(expr string) (encoder, error) {
	query, err := gojq.Parse(expr)
	if err != nil {
		return nil, failure.Usagef("--jq %q: %w", expr, err)
	}
	code, err := gojq.Compile(query)
	if err != nil {
		return nil, failure.Usagef("--jq %q: %w", expr, err)
	}
	return func(w io.Writer, v any) error {
		generic, err := toGeneric(v)
		if err != nil {
			return err
		}
		return writeResults(w, code.Run(generic), expr)
	}, nil
}

func writeResults(w io.Writer, results gojq.Iter, expr string) error {
	for {
		v, ok := results.Next()
		if !ok {
			return nil
		}
		if err, isErr := v.(error); isErr {
			return fmt.Errorf("--jq %q: %w", expr, err)
		}
		if err := writeResult(w, v); err != nil {
			return err
		}
	}
}

// writeResult prints strings raw, as `jq -r` does: results feed shells.
func writeResult(w io.Writer, v any) error {
	if s, ok := v.(string); ok {
		_, err := fmt.Fprintln(w, s)
		return err
	}
	b, err := gojq.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", b)
	return err
}

func templateEncoder(text string) (encoder, error) {
	t, err := template.New("--template").Option("missingkey=error").Funcs(template.FuncMap{
		"join": strings.Join,
		"json": func(v any) (string, error) { b, err := json.Marshal(v); return string(b), err },
	}).Parse(text)
	if err != nil {
		return nil, failure.Usagef("--template: %w", err)
	}
	return func(w io.Writer, v any) error {
		generic, err := toGeneric(v)
		if err != nil {
			return err
		}
		if err := t.Execute(w, generic); err != nil {
			return fmt.Errorf("--template: %w", err)
		}
		_, err = fmt.Fprintln(w)
		return err
	}, nil
}
