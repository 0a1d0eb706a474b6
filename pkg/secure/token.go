package secure

import (
	"cmp"
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
	// Secret is the HS256 key that services share, as the specification has it.
	Secret []byte
	// Keys returns the keys in place of Secret, such as [KeyFile.Keys]; the newest
	// that can sign does. It is asked each time, so a new key is used at once.
	Keys func() KeySet
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

// TokenSource makes service tokens and reuses one until shortly before its end,
// or until there is a new key. Of several callers one signs and the others wait
// for it. It is safe for concurrent use.
type TokenSource struct {
	config TokenConfig

	mu      sync.Mutex
	token   string
	key     Key
	renewAt time.Time
}

// NewTokenSource returns a source of tokens. It is an error when the issuer or
// the key is missing, or when the lifetime is not longer than the skew.
func NewTokenSource(c TokenConfig) (*TokenSource, error) {
	if c.Issuer == "" {
		return nil, errors.New("a service token needs an issuer: the name of the calling service")
	}
	if c.Keys == nil {
		k, err := SecretKey(c.Secret)
		if err != nil {
			return nil, fmt.Errorf("a service token needs a secret to be signed with: %w", err)
		}
		c.Keys = func() KeySet { return KeySet{k} }
	}
	if _, err := c.Keys().Signing(); err != nil {
		return nil, fmt.Errorf("sign service tokens: %w", err)
	}
	c.Subject = cmp.Or(c.Subject, spec.TokenSubject)
	c.Audience = cmp.Or(c.Audience, spec.TokenAudience)
	c.Lifetime = cmp.Or(c.Lifetime, spec.TokenLifetime)
	c.Skew = cmp.Or(c.Skew, DefaultSkew)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Lifetime <= c.Skew {
		return nil, fmt.Errorf("a token lifetime of %v is not longer than the clock skew of %v", c.Lifetime, c.Skew)
	}
	return &TokenSource{config: c}, nil
}

// Token returns a token that is good for at least the skew.
func (s *TokenSource) Token() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, err := s.config.Keys().Signing()
	if err != nil {
		return "", fmt.Errorf("sign a service token: %w", err)
	}
	now := s.config.Now()
	if s.token != "" && now.Before(s.renewAt) && key.sum == s.key.sum && key.id == s.key.id {
		return s.token, nil
	}
	token, err := s.sign(key, now)
	if err != nil {
		return "", fmt.Errorf("sign a service token: %w", err)
	}
	s.token, s.key, s.renewAt = token, key, now.Add(s.config.Lifetime-s.config.Skew)
	return s.token, nil
}

func (s *TokenSource) sign(key Key, now time.Time) (string, error) {
	token := jwt.NewWithClaims(jwt.GetSigningMethod(key.algorithm), jwt.MapClaims{
		"iss": s.config.Issuer,
		"sub": s.config.Subject,
		"aud": s.config.Audience,
		"iat": now.Unix(),
		"exp": now.Add(s.config.Lifetime).Unix(),
		"jti": uuid.NewString(),
	})
	if key.id != "" {
		token.Header["kid"] = key.id
	}
	return token.SignedString(key.private)
}

// FileToken returns a function that gives the token in a file. Whoever rotates
// the file needs to tell nobody: a change is seen within a second. Blanks around
// the token are dropped. An unreadable file is an error until it has been read
// once; from then on the last token stays in use.
func FileToken(path string) func() (string, error) {
	read := func() (string, error) { return readToken(path) }
	var mu sync.Mutex
	var opened *files[string]
	return func() (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if opened == nil {
			f, err := openFiles(read, nil, path)
			if err != nil {
				return "", err
			}
			opened = f
		}
		return opened.get(), nil
	}
}

func readToken(path string) (string, error) {
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
