package rpc

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/secure"
	"github.com/suokelife/suokectl/pkg/spec"
)

// NewCmdToken returns `rpc token` with its verbs.
func NewCmdToken(f *app.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Issue, inspect and verify service tokens",
		Long: `Make the tokens by which services know one another, and look into them. Tokens
and keys are read from files and stdin, never from the command line.`,
		Example: "suokectl rpc token issue | suokectl rpc token inspect",
	}
	cmd.AddCommand(newCmdTokenIssue(f, nil), newCmdTokenInspect(f, nil), newCmdTokenVerify(f, nil))
	return cmd
}

// tokenKeys is where the keys of tokens come from: --key, or the context.
type tokenKeys struct {
	Context     func() (*config.Context, error)
	Conventions func() (spec.Conventions, error)
	Missing     func(key string) error
	ReadKeys    func(path string) (secure.KeySet, error)
	Key         string
}

func newTokenKeys(f *app.Factory) tokenKeys {
	return tokenKeys{Context: f.Context, Conventions: f.Conventions, Missing: f.Missing, ReadKeys: f.ReadKeys}
}

// settings returns the context's, or none where --key needs no context.
func (k *tokenKeys) settings() (config.Token, error) {
	c, err := k.Context()
	if errors.Is(err, config.ErrNoContext) && k.Key != "" {
		return config.Token{}, nil
	}
	if err != nil {
		return config.Token{}, err
	}
	return c.RPC.Token, nil
}

func (k *tokenKeys) keys(settings config.Token) (secure.KeySet, error) {
	if k.Key != "" {
		return k.ReadKeys(k.Key)
	}
	if settings.Secret == "" {
		return nil, k.Missing("rpc.token.secret")
	}
	key, err := secure.SecretKey([]byte(settings.Secret))
	return secure.KeySet{key}, err
}

// readToken reads the token of a file, or of stdin for none and for "-".
func readToken(ios *iostreams.IOStreams, args []string) (string, error) {
	if len(args) == 0 || args[0] == "-" {
		if ios.StdinTTY() {
			ios.Infof("reading a token from the terminal; Ctrl-D ends it")
		}
		text, err := io.ReadAll(io.LimitReader(ios.In, maxToken))
		return strings.TrimSpace(string(text)), err
	}
	if strings.HasPrefix(args[0], "ey") && strings.Contains(args[0], ".") && !strings.ContainsAny(args[0], `/\`) {
		return "", failure.WithHint(
			failure.Usagef("a token does not belong on the command line, where others can read it"), "give a file, or the token on stdin")
	}
	file, err := os.Open(args[0])
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxToken))
	return strings.TrimSpace(string(text)), err
}

// maxToken is more than any header may carry.
const maxToken = 1 << 20

// shownToken is a token without its signature; its JSON is a documented contract.
type shownToken struct {
	// Verified says whether anything of the rest is known to be true.
	Verified  bool       `json:"verified"`
	Algorithm string     `json:"algorithm"`
	KeyID     string     `json:"key_id,omitempty"`
	Issuer    string     `json:"issuer"`
	Subject   string     `json:"subject"`
	Audience  []string   `json:"audience"`
	ID        string     `json:"id,omitempty"`
	IssuedAt  *time.Time `json:"issued_at,omitempty"`
	NotBefore *time.Time `json:"not_before,omitempty"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

func newShownToken(said secure.Inspected, verified bool) shownToken {
	at := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.UTC()
		return &t
	}
	c := said.Claims
	return shownToken{
		Verified: verified, Algorithm: said.Algorithm, KeyID: said.KeyID, Issuer: c.Issuer, Subject: c.Subject,
		Audience: append([]string{}, c.Audience...), ID: c.ID, IssuedAt: at(c.IssuedAt), NotBefore: at(c.NotBefore), ExpiresAt: at(c.ExpiresAt),
	}
}

func tokenView(now time.Time) output.View[shownToken] {
	column := func(name string, value func(shownToken) string) output.Column[shownToken] {
		return output.Column[shownToken]{Name: name, Value: value}
	}
	return output.View[shownToken]{
		Columns: []output.Column[shownToken]{
			column("VERIFIED", func(t shownToken) string { return map[bool]string{true: "yes", false: "no"}[t.Verified] }),
			column("ALGORITHM", func(t shownToken) string { return t.Algorithm }),
			column("KEY ID", func(t shownToken) string { return cmp.Or(t.KeyID, notSaid) }),
			column("ISSUER", func(t shownToken) string { return t.Issuer }),
			column("SUBJECT", func(t shownToken) string { return t.Subject }),
			column("AUDIENCE", func(t shownToken) string { return strings.Join(t.Audience, ", ") }),
			column("ID", func(t shownToken) string { return t.ID }),
			column("ISSUED", func(t shownToken) string { return relative(t.IssuedAt, now) }),
			column("NOT BEFORE", func(t shownToken) string { return relative(t.NotBefore, now) }),
			column("EXPIRES", func(t shownToken) string { return relative(t.ExpiresAt, now) }),
		},
		Name: func(t shownToken) string { return t.ID },
	}
}

// notSaid stands for a claim that the token has not.
const notSaid = "not said"

func relative(t *time.Time, now time.Time) string {
	if t == nil {
		return notSaid
	}
	distance := t.Sub(now).Round(time.Second)
	if distance > 0 {
		return fmt.Sprintf("in %s (%s)", distance, t.Format(time.RFC3339))
	}
	return fmt.Sprintf("%s ago (%s)", -distance, t.Format(time.RFC3339))
}
