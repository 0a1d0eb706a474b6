// Package secret is `suokectl secret`: keys, and fields that are encrypted with
// them.
package secret

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/secure"
)

// NewCmdSecret returns the noun with its verbs.
func NewCmdSecret(f *app.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Make keys, encrypt and decrypt sensitive fields",
		Long: `Make key pairs, and encrypt sensitive data for the holder of a private key, whole
or by fields of a JSON text.

The form is the specification's: RSA-OAEP with SHA-256 and MGF1 SHA-256, in base64.
It takes 318 bytes with a key of 3072 bits, 190 with one of 2048. With --hybrid
the text is a JWE (RSA-OAEP-256, A256GCM) of any length.`,
		Example: "suokectl secret --help",
	}
	cmd.AddCommand(newCmdKeygen(f, nil), newCmdEncrypt(f, nil), newCmdDecrypt(f, nil))
	return cmd
}

// crypt is what encrypt and decrypt share.
type crypt struct {
	IO       *iostreams.IOStreams
	ReadKeys func(path string) (secure.KeySet, error)
	Key      string
	Fields   []string
	AAD      string
}

func (c *crypt) bind(cmd *cobra.Command, key string) {
	flags := cmd.Flags()
	flags.StringVar(&c.Key, "key", "", key)
	flags.StringArrayVar(&c.Fields, "field", nil, "`path` of a string in a JSON text, such as user.phone or items[*].ssn; may be repeated")
	flags.StringVar(&c.AAD, "aad", "", "`text` that a hybrid text is bound to, such as the record's id; it is no secret")
	_ = cmd.RegisterFlagCompletionFunc("field", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("aad", cobra.NoFileCompletions)
}

func (c *crypt) validate() error {
	if c.Key == "" {
		return failure.Usagef("--key FILE is missing: keys are read from files, never from the command line")
	}
	return nil
}

// run passes stdin, or the fields in it, through transform to stdout. whole
// writes what is no JSON text.
func (c *crypt) run(transform func(string) (string, error), whole func(string) error) error {
	if c.IO.StdinTTY() {
		c.IO.Infof("reading from the terminal; Ctrl-D ends the text")
	}
	text, err := io.ReadAll(c.IO.In)
	if err != nil {
		return err
	}
	if len(c.Fields) == 0 {
		result, err := transform(string(text))
		if err != nil {
			return explain(err)
		}
		return whole(result)
	}
	for _, path := range c.Fields {
		if text, err = secure.MapFields(text, path, transform); err != nil {
			return explain(err)
		}
	}
	return output.Text(c.IO, "%s", c.IO.Clean(string(text)))
}

// explain says what to do about an error.
func explain(err error) error {
	if _, long := errors.AsType[*secure.TooLongError](err); long {
		return failure.WithHint(err, "add --hybrid")
	}
	if errors.Is(err, secure.ErrKeyKind) {
		return failure.WithHint(err, "`suokectl secret keygen NAME` makes a pair")
	}
	return err
}
