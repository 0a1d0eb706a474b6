package rpc

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/secure"
)

// TokenInspectOptions are what `rpc token inspect` needs.
type TokenInspectOptions struct {
	IO     *iostreams.IOStreams
	Output output.Flags
	Args   []string
}

func newCmdTokenInspect(f *app.Factory, runF func(*TokenInspectOptions) error) *cobra.Command {
	opts := &TokenInspectOptions{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "inspect [FILE]",
		Short: "Show what a token says, unverified",
		Long: `Decode the token in FILE, or on stdin, and show what it says of itself. Nothing
is verified: anybody can write such a text. The signature is not shown.`,
		Example: `suokectl rpc token issue | suokectl rpc token inspect
(umask 077; suokectl rpc token issue --lifetime 1m > inspected)
suokectl rpc token inspect inspected -o json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			opts.Args = args
			if runF != nil {
				return runF(opts)
			}
			return runTokenInspect(opts)
		},
		ValidArgsFunction: fileArgument,
	}
	opts.Output.Bind(cmd)
	return cmd
}

// fileArgument completes files.
func fileArgument(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func runTokenInspect(opts *TokenInspectOptions) error {
	token, err := readToken(opts.IO, opts.Args)
	if err != nil {
		return err
	}
	said, err := secure.InspectToken(token)
	if err != nil {
		return err
	}
	opts.IO.Infof("not verified: this is what the token says of itself, true or not")
	return output.One(opts.IO, opts.Output, tokenView(time.Now()), newShownToken(said, false), nil)
}
