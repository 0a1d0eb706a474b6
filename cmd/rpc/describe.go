package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// DescribeOptions are what `rpc describe` needs.
type DescribeOptions struct {
	IO       *iostreams.IOStreams
	Dial     dial
	Output   output.Flags
	Symbol   string
	Template bool
	connection
	definitions
}

// NewCmdDescribe returns the verb; runF replaces its run in tests.
func NewCmdDescribe(f *app.Factory, runF func(*DescribeOptions) error) *cobra.Command {
	opts := &DescribeOptions{IO: f.IO, Dial: f.Channel, definitions: definitions{Kept: f.DescriptorCache}}
	cmd := &cobra.Command{
		Use:   "describe [TARGET] [SYMBOL]",
		Short: "Show the definition of a service, method, message or enum",
		Long: `Show a definition as proto source text: that of SYMBOL, which is a full name or
the end of one where that is unambiguous, or those of all services. Comments are
shown where they are known, which they are from --proto, and seldom from a server.
While the server is away, what it said before is shown. With --protoset or --proto
no server is asked, and no TARGET is wanted.

With --template a request to fill in is printed instead, as JSON for the -d of a
call. What its fields may hold is told on stderr, so that stdout can be a file.`,
		Example: "suokectl rpc describe auth-service AuthService --version v1\nsuokectl rpc describe health-service VitalSigns\n" +
			"suokectl rpc describe user-service suokelife.user.v1.UserService/Stats\n" +
			"suokectl rpc describe auth-service Login --version v1 --template > login.json",
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: complete.At(targets(f), names(f, &opts.connection, "rpc-symbols", (*rpc.Descriptors).Symbols)),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			opts.Target, opts.Symbol, err = opts.arguments(args)
			if err := errors.Join(err, opts.validate(), opts.Output.Validate()); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runDescribe(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.Template, "template", false, "print a request of a method, or a message, to fill in")
	opts.bindDefinitions(cmd)
	opts.bind(cmd)
	opts.Output.BindFormat(cmd)
	return cmd
}

// definition is a symbol with its source text.
type definition struct {
	Symbol string `json:"symbol"`
	Source string `json:"source"`
}

func runDescribe(ctx context.Context, opts *DescribeOptions) error {
	opts.Retry.OnRetry = func(a rpc.Attempt) { showAttempt(opts.IO, a) }
	return opts.use(ctx, opts.IO, &opts.connection, opts.Dial, func(d *rpc.Descriptors) error {
		switch {
		case opts.Template:
			return describeTemplate(opts, d)
		case opts.Symbol == "":
			return describeAll(opts, d)
		default:
			return describeOne(opts, d)
		}
	})
}

func definitionView() output.View[definition] {
	return output.View[definition]{Name: func(d definition) string { return d.Symbol }, Empty: "there are no services"}
}

func describeOne(opts *DescribeOptions, d *rpc.Descriptors) error {
	text, err := d.Describe(opts.Symbol)
	if err != nil {
		return err
	}
	return output.One(opts.IO, opts.Output, definitionView(), definition{opts.Symbol, text}, func(w io.Writer) error {
		_, err := io.WriteString(w, opts.IO.Clean(text)+"\n")
		return err
	})
}

// describeAll shows the services, one after the other. One whose definition is
// not there does not keep the others from being shown.
func describeAll(opts *DescribeOptions, d *rpc.Descriptors) error {
	names, err := d.Services()
	if err != nil {
		return err
	}
	var all []definition
	for _, name := range names {
		text, err := d.Describe(name)
		if isAway(err) {
			return err
		}
		if err != nil {
			opts.IO.Infof("%s: %v", name, err)
			continue
		}
		all = append(all, definition{name, text})
	}
	if !opts.Output.Human() || opts.Output.Format == output.Name {
		return output.List(opts.IO, opts.Output, definitionView(), all)
	}
	for i, d := range all {
		text := "// " + d.Symbol + "\n" + d.Source // the source alone does not name its package
		if i > 0 {
			text = "\n" + text
		}
		if err := output.Text(opts.IO, "%s\n", opts.IO.Clean(text)); err != nil {
			return err
		}
	}
	return nil
}

func describeTemplate(opts *DescribeOptions, d *rpc.Descriptors) error {
	if opts.Symbol == "" {
		return errNoSymbol
	}
	t, err := d.Template(opts.Symbol)
	if err != nil {
		return err
	}
	view := output.View[rpc.Template]{Name: func(t rpc.Template) string { return t.Message }}
	return output.One(opts.IO, opts.Output, view, t, func(w io.Writer) error {
		opts.IO.Infof("%s", t.Message)
		for _, f := range t.Fields {
			opts.IO.Infof("  %s", explainField(f))
		}
		var text bytes.Buffer
		if err := json.Indent(&text, t.JSON, "", "  "); err != nil {
			return err
		}
		_, err := io.WriteString(w, opts.IO.Clean(text.String())+"\n")
		return err
	})
}

// explainField says on one line what a field may hold.
func explainField(f rpc.TemplateField) string {
	text := f.Path + ": " + f.Type
	if len(f.Values) > 0 {
		text += ", one of " + strings.Join(f.Values, ", ")
	}
	if len(f.OneOf) > 1 {
		text += ", only one of " + strings.Join(f.OneOf, ", ") + " at a time"
	}
	if f.Comment != "" {
		text += " // " + f.Comment
	}
	return text
}
