package rpc

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// DescribeOptions are what `rpc describe` needs.
type DescribeOptions struct {
	IO     *iostreams.IOStreams
	Dial   dial
	Output output.Flags
	Symbol string
	connection
}

// NewCmdDescribe returns the verb; runF replaces its run in tests.
func NewCmdDescribe(f *app.Factory, runF func(*DescribeOptions) error) *cobra.Command {
	opts := &DescribeOptions{IO: f.IO, Dial: f.Channel}
	cmd := &cobra.Command{
		Use:   "describe TARGET SYMBOL",
		Short: "Show the definition of a service, method, message or enum",
		Long: `Show a definition as proto source text. SYMBOL is a full name, or the end of one
where that is unambiguous.`,
		Example: "suokectl rpc describe auth-service AuthService --version v1\nsuokectl rpc describe health-service VitalSigns\n" +
			"suokectl rpc describe user-service suokelife.user.v1.UserService/Stats",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: complete.At(targets(f), names(f, &opts.connection, "rpc-services", (*rpc.Descriptors).Services)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Target, opts.Symbol = args[0], args[1]
			if err := opts.validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runDescribe(cmd.Context(), opts)
		},
	}
	opts.bind(cmd)
	opts.Output.Bind(cmd)
	return cmd
}

// definition is a symbol with its source text.
type definition struct {
	Symbol string `json:"symbol"`
	Source string `json:"source"`
}

func runDescribe(ctx context.Context, opts *DescribeOptions) error {
	opts.Retry.OnRetry = func(a rpc.Attempt) { showAttempt(opts.IO, a) }
	return opts.reflect(ctx, opts.Dial, func(d *rpc.Descriptors) error {
		text, err := d.Describe(opts.Symbol)
		if err != nil {
			return err
		}
		view := output.View[definition]{Name: func(d definition) string { return d.Symbol }}
		return output.One(opts.IO, opts.Output, view, definition{opts.Symbol, text}, func(w io.Writer) error {
			_, err := io.WriteString(w, opts.IO.Clean(text)+"\n")
			return err
		})
	})
}
