package events

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// SASL holds the credentials of a connection.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER.
	Mechanism string
	// Username and Password are those of the first three.
	Username string
	Password string
	// Token returns the token of OAUTHBEARER. It is asked for each connection,
	// and again before a broker ends its session; several at once may ask. See
	// [TokenFile] and [ClientCredentials].
	Token func(ctx context.Context) (string, error)
}

// TokenError is returned when no token could be got for a connection.
type TokenError struct {
	// From is the file or the address that should have given it.
	From string
	Err  error
}

func (e *TokenError) Error() string { return fmt.Sprintf("get a token from %s: %s", e.From, e.Err) }

// Unwrap returns what went wrong.
func (e *TokenError) Unwrap() error { return e.Err }

// TokenFile returns a source of tokens that reads a file anew each time, as
// where something else renews it.
func TokenFile(path string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		b, err := os.ReadFile(path)
		if err != nil {
			return "", &TokenError{From: path, Err: err}
		}
		token := strings.TrimSpace(string(b))
		if token == "" {
			return "", &TokenError{From: path, Err: errors.New("the file is empty")}
		}
		return token, nil
	}
}

func (s *SASL) mechanism() (sasl.Mechanism, error) {
	name := strings.ToUpper(s.Mechanism)
	switch name {
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
		if s.Username == "" || s.Password == "" {
			return nil, fmt.Errorf("SASL mechanism %s needs a user and a password", name)
		}
	}
	switch name {
	case "PLAIN":
		return plain.Auth{User: s.Username, Pass: s.Password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: s.Username, Pass: s.Password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: s.Username, Pass: s.Password}.AsSha512Mechanism(), nil
	case "OAUTHBEARER":
		return s.bearer()
	}
	return nil, fmt.Errorf("SASL mechanism %q is unknown: use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER", s.Mechanism)
}

func (s *SASL) bearer() (sasl.Mechanism, error) {
	if s.Token == nil {
		return nil, errors.New("SASL mechanism OAUTHBEARER needs a token")
	}
	return bearer{oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
		token, err := s.Token(ctx)
		return oauth.Auth{Token: token}, err
	})}, nil
}

// bearer is OAUTHBEARER that keeps what a broker says of a token that it
// refuses.
type bearer struct{ sasl.Mechanism }

// Authenticate begins a session.
func (b bearer) Authenticate(ctx context.Context, host string) (sasl.Session, []byte, error) {
	session, first, err := b.Mechanism.Authenticate(ctx, host)
	return bearerSession{session}, first, err
}

type bearerSession struct{ sasl.Session }

// Challenge takes the broker's answer, which is empty when it takes the token.
func (s bearerSession) Challenge(answer []byte) (bool, []byte, error) {
	if len(answer) > 0 {
		return false, nil, &refusedTokenError{string(answer)}
	}
	return s.Session.Challenge(answer)
}

// refusedTokenError is what a broker says of a token.
type refusedTokenError struct{ said string }

func (e *refusedTokenError) Error() string { return "the broker refuses the token: " + e.said }
