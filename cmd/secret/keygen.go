package secret

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/secure"
)

// KeygenOptions are what `secret keygen` needs.
type KeygenOptions struct {
	IO     *iostreams.IOStreams
	Output output.Flags
	Name   string
	Type   string
	Bits   int
}

const defaultBits = 3072

// types are the values of --type.
func types() []string { return []string{"rsa", "ecdsa", "ed25519"} }

func newCmdKeygen(f *app.Factory, runF func(*KeygenOptions) error) *cobra.Command {
	opts := &KeygenOptions{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "keygen NAME",
		Short: "Make a key pair",
		Long: `Make a key pair: NAME.pem is the private key, in PKCS #8, and NAME.pub.pem the
public one. Both are readable by their owner alone; files that exist are never
overwritten.

Fields are encrypted with RSA keys. Tokens are signed with any: RS256 with rsa,
ES256 (P-256) with ecdsa, EdDSA with ed25519.`,
		Example:           "suokectl secret keygen fields\nsuokectl secret keygen tokens --type ed25519 -o json\nsuokectl secret keygen fields # exits 1",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			if opts.Type == "rsa" && opts.Bits < secure.MinRSABits {
				return failure.Usagef("--bits %d is too weak: %d at least", opts.Bits, secure.MinRSABits)
			}
			if opts.Bits > 16384 {
				return failure.Usagef("--bits %d would take minutes: 16384 at most", opts.Bits)
			}
			if _, err := opts.algorithm(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runKeygen(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Type, "type", "rsa", "`type` of the key: rsa, ecdsa or ed25519")
	flags.IntVar(&opts.Bits, "bits", defaultBits, "`size` of an RSA key in bits")
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(types(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("bits", cobra.FixedCompletions([]string{"2048", "3072", "4096"}, cobra.ShellCompDirectiveNoFileComp))
	opts.Output.Bind(cmd)
	return cmd
}

func (o *KeygenOptions) algorithm() (string, error) {
	switch o.Type {
	case "rsa":
		return secure.RS256, nil
	case "ecdsa":
		return secure.ES256, nil
	case "ed25519":
		return secure.EdDSA, nil
	default:
		return "", failure.Usagef("unknown --type %q: it is rsa, ecdsa or ed25519", o.Type)
	}
}

// madeKey is what keygen prints: where the keys are, never the keys.
type madeKey struct {
	ID         string `json:"id"`
	Algorithm  string `json:"algorithm"`
	PrivateKey string `json:"private_key"`
	PublicKey  string `json:"public_key"`
}

func runKeygen(ctx context.Context, opts *KeygenOptions) error {
	algorithm, err := opts.algorithm()
	if err != nil {
		return err
	}
	made := madeKey{Algorithm: algorithm, PrivateKey: opts.Name + ".pem", PublicKey: opts.Name + ".pub.pem"}
	key, err := secure.GenerateKey(algorithm, opts.Bits)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	made.ID = key.ID()
	if err := writeKey(made.PrivateKey, key); err != nil {
		return err
	}
	if err := writeKey(made.PublicKey, key.Public()); err != nil {
		_ = os.Remove(made.PrivateKey) // which was made just now, and fits no other
		return err
	}
	view := output.View[madeKey]{
		Columns: []output.Column[madeKey]{
			{Name: "PRIVATE KEY", Value: func(m madeKey) string { return m.PrivateKey }},
			{Name: "PUBLIC KEY", Value: func(m madeKey) string { return m.PublicKey }},
			{Name: "ID", Value: func(m madeKey) string { return m.ID }},
			{Name: "SIGNS", Value: func(m madeKey) string { return m.Algorithm }},
		},
		Name: func(m madeKey) string { return m.PrivateKey },
	}
	return output.One(opts.IO, opts.Output, view, made, nil)
}

// writeKey makes a file that must not be there yet.
func writeKey(path string, key secure.Key) error {
	text, err := key.MarshalPEM()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if os.IsExist(err) {
		return failure.WithHint(fmt.Errorf("%s exists, and a key is never overwritten", path), "choose another name, or move the file away")
	}
	if err != nil {
		return fmt.Errorf("write a key: %w", err)
	}
	_, err = file.Write(text)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("write a key: %w", err)
	}
	return nil
}
