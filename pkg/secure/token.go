package secure

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/suokelife/suokectl/pkg/spec"
)

// DefaultSkew is how far clocks may differ: a token is renewed that long before
// it ends.
const DefaultSkew = 30 * time.Second

// TokenConfig describes the service tokens that a [TokenSource] makes.
type TokenConfig struct {
	// Issuer is the iss claim, the calling service's name. Required.
	Issuer string
	// Secret is the HS256 key that services share. Required.
	Secret []byte
	// Subject is the sub claim. The default is "service-account".
	Subject string
	// Audience is the aud claim. The default is "internal-services".
	Audience string
	// Lifetime is the time between iat and exp. The default is an hour.
	Lifetime time.Duration
	// Skew is how long before its end a token is replaced. The default is
	// [DefaultSkew].
	Skew time.Duration
	// Now is the clock. The default is time.Now.
	Now func() time.Time
}

// TokenSource makes service tokens and reuses one until shortly before its end.
// It is safe for concurrent use.
type TokenSource struct {
	config TokenConfig

	mu      sync.Mutex
	token   string
	renewAt time.Time
}

// NewTokenSource returns a source of tokens. It is an error when the issuer or
// the secret is missing, or when the lifetime is not longer than the skew.
func NewTokenSource(c TokenConfig) (*TokenSource, error) {
	if c.Issuer == "" {
		return nil, errors.New("a service token needs an issuer: the name of the calling service")
	}
	if len(c.Secret) == 0 {
		return nil, errors.New("a service token needs a secret to be signed with")
	}
	c.Subject = or(c.Subject, spec.TokenSubject)
	c.Audience = or(c.Audience, spec.TokenAudience)
	c.Lifetime = or(c.Lifetime, spec.TokenLifetime)
	c.Skew = or(c.Skew, DefaultSkew)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Lifetime <= c.Skew {
		return nil, fmt.Errorf("a token lifetime of %v is not longer than the clock skew of %v", c.Lifetime, c.Skew)
	}
	return &TokenSource{config: c}, nil
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// Token returns a token that is good for at least the skew.
func (s *TokenSource) Token() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	if s.token != "" && now.Before(s.renewAt) {
		return s.token, nil
	}
	token, err := s.sign(now)
	if err != nil {
		return "", fmt.Errorf("sign a service token: %w", err)
	}
	s.token, s.renewAt = token, now.Add(s.config.Lifetime-s.config.Skew)
	return s.token, nil
}

func (s *TokenSource) sign(now time.Time) (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": s.config.Issuer,
		"sub": s.config.Subject,
		"aud": s.config.Audience,
		"iat": now.Unix(),
		"exp": now.Add(s.config.Lifetime).Unix(),
		"jti": uuid.NewString(),
	}).SignedString(s.config.Secret)
}

// FileToken returns a function that reads a token from a file each time, so
// that whoever rotates the file needs to tell nobody. Blanks around the token
// are dropped.
func FileToken(path string) func() (string, error) {
	return func() (string, error) {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read the token file: %w", err)
		}
		token := strings.TrimSpace(string(text))
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return "", fmt.Errorf("%s holds no token: one line of printable characters is expected", path)
		}
		return token, nil
	}
}
