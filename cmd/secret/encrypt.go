package secret

import (
	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/secure"
)

// EncryptOptions are what `secret encrypt` needs.
type EncryptOptions struct {
	crypt
	Hybrid bool
}

func newCmdEncrypt(f *app.Factory, runF func(*EncryptOptions) error) *cobra.Command {
	opts := &EncryptOptions{crypt: crypt{IO: f.IO, ReadKeys: f.ReadKeys}}
	cmd := &cobra.Command{
		Use:   "encrypt",
		Short: "Encrypt stdin, or fields of the JSON in it",
		Long: `Encrypt stdin for the holder of a private key and print one line of text. With
--field only those strings of a JSON text are encrypted, and all else stays byte
for byte; a field that is missing is an error, so that nothing stays in clear for
a spelling mistake.`,
		Example: `suokectl secret keygen shop
printf '+86 138 0000 0000' | suokectl secret encrypt --key shop.pub.pem
printf '{"items": [{"ssn": "1"}, {"ssn": "2"}]}' | suokectl secret encrypt --key shop.pub.pem --field 'items[*].ssn' --hybrid`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			if err := opts.validate(); err != nil {
				return err
			}
			if opts.AAD != "" && !opts.Hybrid {
				return failure.Usagef("--aad needs --hybrid: the plain form is bound to nothing")
			}
			if runF != nil {
				return runF(opts)
			}
			return runEncrypt(opts)
		},
	}
	opts.bind(cmd, "`file` with the public key, in PEM or JWKS; the newest RSA key of a folder")
	cmd.Flags().BoolVar(&opts.Hybrid, "hybrid", false, "encrypt texts of any length, as a JWE")
	return cmd
}

func runEncrypt(opts *EncryptOptions) error {
	keys, err := opts.ReadKeys(opts.Key)
	if err != nil {
		return err
	}
	key := newestRSA(keys)
	return opts.run(func(text string) (string, error) {
		if opts.Hybrid {
			return key.EncryptHybrid([]byte(text), []byte(opts.AAD))
		}
		return key.Encrypt([]byte(text))
	}, func(text string) error { return output.Text(opts.IO, "%s\n", text) })
}

// newestRSA returns the last RSA key, or one that says that it cannot encrypt.
func newestRSA(keys secure.KeySet) (newest secure.Key) {
	for _, k := range keys {
		if k.Algorithm() == secure.RS256 {
			newest = k
		}
	}
	return newest
}
