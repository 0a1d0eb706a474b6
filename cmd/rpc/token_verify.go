package rpc

import (
	"cmp"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/secure"
)

// TokenVerifyOptions are what `rpc token verify` needs.
type TokenVerifyOptions struct {
	IO *iostreams.IOStreams
	tokenKeys
	Output            output.Flags
	Args              []string
	Issuers           []string
	Subject, Audience string
	Leeway            time.Duration
}

func newCmdTokenVerify(f *app.Factory, runF func(*TokenVerifyOptions) error) *cobra.Command {
	opts := &TokenVerifyOptions{IO: f.IO, tokenKeys: newTokenKeys(f)}
	cmd := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Check a token as a server would",
		Long: `Check signature, algorithm, times, audience, subject and issuer of the token in
FILE, or on stdin, and say what is wrong. The key is the context's
rpc.token.secret, or --key: a PEM public key, a JWKS, a file that holds a shared
secret, or a folder of those. The exit code is 1 when the token is not accepted.`,
		Example: `(umask 077; suokectl rpc token issue > verified)
suokectl rpc token verify verified
suokectl rpc token verify verified --audience public # exits 1`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: fileArgument,
		RunE: func(_ *cobra.Command, args []string) error {
			opts.Args = args
			if opts.Leeway <= 0 {
				return failure.Usagef("--leeway %s: clocks always differ a little", opts.Leeway)
			}
			if runF != nil {
				return runF(opts)
			}
			return runTokenVerify(opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Key, "key", "", "`file` or folder with the key, in place of the context's secret")
	flags.StringArrayVar(&opts.Issuers, "issuer", nil, "`service` whose tokens are accepted; may be repeated; the default is any")
	flags.StringVar(&opts.Subject, "subject", "", "`sub` claim to expect; the default is the convention's")
	flags.StringVar(&opts.Audience, "audience", "", "`aud` claim to expect; the default is the convention's")
	flags.DurationVar(&opts.Leeway, "leeway", secure.DefaultSkew, "how far clocks may differ, as a `duration`")
	for _, name := range []string{"issuer", "subject", "audience", "leeway"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	opts.Output.Bind(cmd)
	return cmd
}

func runTokenVerify(opts *TokenVerifyOptions) error {
	token, err := readToken(opts.IO, opts.Args)
	if err != nil {
		return err
	}
	settings, err := opts.settings()
	if err != nil {
		return err
	}
	conventions, err := opts.Conventions()
	if err != nil {
		return err
	}
	keys, err := opts.keys(settings)
	if err != nil {
		return err
	}
	verifier := secure.Verifier{
		Keys: func() secure.KeySet { return keys }, Issuers: opts.Issuers, Leeway: opts.Leeway,
		Subject: cmp.Or(opts.Subject, conventions.Token.Subject), Audience: cmp.Or(opts.Audience, conventions.Token.Audience),
	}
	if _, err := verifier.Verify(token); err != nil {
		return failure.WithHint(err, tokenHint(err))
	}
	said, err := secure.InspectToken(token)
	if err != nil {
		return err
	}
	return output.One(opts.IO, opts.Output, tokenView(time.Now()), newShownToken(said, true), nil)
}

// tokenHint returns what may help against a refusal, or "".
func tokenHint(err error) string {
	switch {
	case errors.Is(err, secure.ErrExpired):
		return "its service should have renewed it: compare the clocks, and see whether the token is read once only"
	case errors.Is(err, secure.ErrAlgorithm), errors.Is(err, secure.ErrUnknownKey), errors.Is(err, secure.ErrSignature):
		return "name the key of its issuer with --key FILE; `suokectl rpc token inspect` shows what the token names"
	case errors.Is(err, secure.ErrAudience):
		return "--audience says who the server is"
	default:
		return ""
	}
}
