package rpc

import (
	"cmp"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/secure"
	"github.com/suokelife/suokectl/pkg/spec"
)

// TokenIssueOptions are what `rpc token issue` needs.
type TokenIssueOptions struct {
	IO *iostreams.IOStreams
	tokenKeys
	Issuer, Subject, Audience string
	Lifetime                  time.Duration
}

func newCmdTokenIssue(f *app.Factory, runF func(*TokenIssueOptions) error) *cobra.Command {
	opts := &TokenIssueOptions{IO: f.IO, tokenKeys: newTokenKeys(f)}
	cmd := &cobra.Command{
		Use:   "issue",
		Short: "Make a service token",
		Long: `Make a service token and print it, alone, on stdout. It is signed with the
context's rpc.token.secret (HS256), or with --key: a PEM private key (RS256, ES256
or EdDSA by its type), a JWKS, or a file that holds a shared secret.`,
		Example: `(umask 077; suokectl rpc token issue > token)
suokectl rpc token issue --issuer user-service --lifetime 5m | suokectl rpc token verify
suokectl secret keygen signing --type ed25519
suokectl rpc token issue --key signing.pem --issuer user-service | suokectl rpc token verify --key signing.pub.pem`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			if opts.Lifetime <= 0 {
				return failure.Usagef("--lifetime %s: a token must live", opts.Lifetime)
			}
			if runF != nil {
				return runF(opts)
			}
			return runTokenIssue(opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Key, "key", "", "`file` or folder with the key, in place of the context's secret")
	flags.StringVar(&opts.Issuer, "issuer", "", "`service` in whose name the token is made; the default is the context's")
	flags.StringVar(&opts.Subject, "subject", "", "`sub` claim; the default is the convention's")
	flags.StringVar(&opts.Audience, "audience", "", "`aud` claim; the default is the convention's")
	flags.DurationVar(&opts.Lifetime, "lifetime", spec.TokenLifetime, "how long the token is good, as a `duration`")
	for _, name := range []string{"issuer", "subject", "audience", "lifetime"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return cmd
}

func runTokenIssue(opts *TokenIssueOptions) error {
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
	source, err := secure.NewTokenSource(secure.TokenConfig{
		Issuer:   cmp.Or(opts.Issuer, settings.Issuer, conventions.Token.Issuer, "suokectl"),
		Subject:  cmp.Or(opts.Subject, conventions.Token.Subject),
		Audience: cmp.Or(opts.Audience, conventions.Token.Audience),
		Keys:     func() secure.KeySet { return keys },
		Lifetime: opts.Lifetime,
		Skew:     1, // nothing is renewed here
	})
	if err != nil {
		return err
	}
	token, err := source.Token()
	if err != nil {
		return err
	}
	return output.Text(opts.IO, "%s\n", token)
}
