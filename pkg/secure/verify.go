package secure

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/suokelife/suokectl/pkg/spec"
)

// ErrToken is wrapped by every error of [Verifier.Verify].
var ErrToken = errors.New("the service token is not accepted")

// Claims is what a verified token says.
type Claims struct {
	Issuer    string
	Subject   string
	ID        string
	ExpiresAt time.Time
}

// Verifier checks service tokens. Its fields are not changed after first use;
// it is safe for concurrent use.
type Verifier struct {
	// Secret is the HS256 key that services share. Required: with none, every
	// token is refused.
	Secret []byte
	// Issuers are the services whose tokens are accepted. Empty accepts every
	// service that holds the secret, as long as it names itself.
	Issuers []string
	// Subject and Audience default to the specification's.
	Subject, Audience string
	// Leeway is how far clocks may differ. The default is [DefaultSkew].
	Leeway time.Duration
	// Now is the clock. The default is time.Now.
	Now func() time.Time
}

// Verify checks signature, algorithm, audience, subject, issuer and times. The
// algorithm is pinned: a token cannot choose how it is checked. Errors wrap
// [ErrToken] and say what is wrong, never the token itself.
func (v *Verifier) Verify(token string) (Claims, error) {
	if len(v.Secret) == 0 {
		return Claims{}, fmt.Errorf("%w: this server has no secret to check it with", ErrToken)
	}
	var claims jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return v.Secret, nil }, v.options()...)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: %s", ErrToken, strings.TrimPrefix(err.Error(), "token has invalid claims: "))
	}
	if claims.Issuer == "" || len(v.Issuers) > 0 && !slices.Contains(v.Issuers, claims.Issuer) {
		return Claims{}, fmt.Errorf("%w: issuer %q is not trusted", ErrToken, claims.Issuer)
	}
	return Claims{Issuer: claims.Issuer, Subject: claims.Subject, ID: claims.ID, ExpiresAt: claims.ExpiresAt.Time}, nil
}

func (v *Verifier) options() []jwt.ParserOption {
	options := []jwt.ParserOption{
		jwt.WithValidMethods([]string{spec.TokenAlgorithm}),
		jwt.WithAudience(or(v.Audience, spec.TokenAudience)),
		jwt.WithSubject(or(v.Subject, spec.TokenSubject)),
		jwt.WithLeeway(or(v.Leeway, DefaultSkew)),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
	}
	if v.Now != nil {
		options = append(options, jwt.WithTimeFunc(v.Now))
	}
	return options
}
