package secret

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/output"
)

// DecryptOptions are what `secret decrypt` needs.
type DecryptOptions struct {
	crypt
}

func newCmdDecrypt(f *app.Factory, runF func(*DecryptOptions) error) *cobra.Command {
	opts := &DecryptOptions{crypt: crypt{IO: f.IO, ReadKeys: f.ReadKeys}}
	cmd := &cobra.Command{
		Use:   "decrypt",
		Short: "Decrypt stdin, or fields of the JSON in it",
		Long: `Decrypt what "secret encrypt" or the specification's sample encrypted; hybrid
texts are recognised. With several keys in a folder the one that fits is found.

What cannot be decrypted is damaged, or was encrypted for another key or with
another --aad; which of these it is cannot be told.`,
		Example: `suokectl secret keygen clinic
printf '+86 138 0000 0000' | suokectl secret encrypt --key clinic.pub.pem > phone
suokectl secret decrypt --key clinic.pem < phone
printf '{"user": {"ssn": "1"}}' | suokectl secret encrypt --key clinic.pub.pem --field user.ssn > user.json
suokectl secret decrypt --key clinic.pem --field user.ssn < user.json`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			if err := opts.validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runDecrypt(opts)
		},
	}
	opts.bind(cmd, "`file` with the private key in PEM, or a folder of them")
	return cmd
}

func runDecrypt(opts *DecryptOptions) error {
	keys, err := opts.ReadKeys(opts.Key)
	if err != nil {
		return err
	}
	return opts.run(func(text string) (string, error) {
		plaintext, err := keys.Decrypt(text, []byte(opts.AAD))
		return string(plaintext), err
	}, opts.show)
}

// show prints the plaintext as it is; a terminal gets it clean and in a line of
// its own.
func (o *DecryptOptions) show(text string) error {
	text = o.IO.Clean(text)
	if o.IO.StdoutTTY() && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return output.Text(o.IO, "%s", text)
}
