package secure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/suokelife/suokectl/pkg/spec"
)

// Why [Verifier.Verify] refuses a token. Every error of it is a [*TokenError],
// which wraps ErrToken and one of the others.
var (
	// ErrToken is wrapped by all of them.
	ErrToken = errors.New("the service token is not accepted")
	// ErrNoToken says that a call carries none.
	ErrNoToken = errors.New("the call has no service token")
	// ErrMalformed says that it is no token.
	ErrMalformed = errors.New("it is malformed")
	// ErrAlgorithm says that it is signed in a way that no key here signs, or
	// not at all.
	ErrAlgorithm = errors.New("its algorithm is not accepted")
	// ErrUnknownKey says that it names a key that is not here.
	ErrUnknownKey = errors.New("its key is unknown")
	// ErrSignature says that the key did not sign it.
	ErrSignature = errors.New("its signature is wrong")
	// ErrExpired says that its time is over.
	ErrExpired = errors.New("it has expired")
	// ErrNotYetValid says that its time has not come: nbf or iat are in the future.
	ErrNotYetValid = errors.New("it is not valid yet")
	// ErrAudience says that it is meant for others.
	ErrAudience = errors.New("its audience is another one")
	// ErrSubject says that its sub is not the expected one.
	ErrSubject = errors.New("its subject is another one")
	// ErrIssuer says that it was made by a service that is not trusted.
	ErrIssuer = errors.New("its issuer is not trusted")
	// ErrMissingClaim says that a claim it must have is not there.
	ErrMissingClaim = errors.New("a claim is missing")
	// ErrReplayed says that its id has been seen before.
	ErrReplayed = errors.New("it was used before")
)

// TokenError says why a token is not accepted, and nothing of the token but
// claims that are no secret.
type TokenError struct {
	// Reason is one of the errors above.
	Reason error
	// Detail says more, or is empty.
	Detail string
}

func (e *TokenError) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("%v: %v", ErrToken, e.Reason)
	}
	return fmt.Sprintf("%v: %v: %s", ErrToken, e.Reason, e.Detail)
}

// Unwrap returns [ErrToken] and the reason.
func (e *TokenError) Unwrap() []error { return []error{ErrToken, e.Reason} }

func refuse(reason error, format string, args ...any) (Claims, error) {
	return Claims{}, &TokenError{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// Verifier checks service tokens. Its fields are not changed after first use;
// it is safe for concurrent use.
type Verifier struct {
	// Secret is the HS256 key that services share. With neither Secret nor Keys
	// every token is refused.
	Secret []byte
	// Keys returns the keys in place of Secret, such as [KeyFile.Keys].
	Keys func() KeySet
	// Issuers are the services whose tokens are accepted. Empty accepts every
	// service that has a key, as long as it names itself.
	Issuers []string
	// Subject and Audience default to the specification's.
	Subject, Audience string
	// Leeway is how far clocks may differ. The default is [DefaultSkew].
	Leeway time.Duration
	// Replay refuses a token whose id was seen before. The default, nil, accepts
	// a token as often as it comes, as callers reuse theirs for an hour.
	Replay *ReplayCache
	// Now is the clock. The default is time.Now.
	Now func() time.Time
}

// Admit verifies the value of an authorization header, "Bearer <token>", and
// returns a context in which [Caller] finds the claims. Errors are [*TokenError].
func (v *Verifier) Admit(ctx context.Context, authorization string) (context.Context, error) {
	scheme, token, found := strings.Cut(authorization, " ")
	if !found || !strings.EqualFold(scheme, "bearer") {
		return ctx, &TokenError{Reason: ErrNoToken, Detail: `authorization must be "Bearer <token>"`}
	}
	claims, err := v.Verify(token)
	if err != nil {
		return ctx, err
	}
	return WithCaller(ctx, claims), nil
}

// Verify checks signature, algorithm, audience, subject, issuer and times, and
// whether the token was used before. The algorithm is pinned by the keys: a token
// cannot choose how it is checked. Errors are [*TokenError]. Nothing is cached, so that
// a key that is withdrawn counts at once; with HS256 a check costs about 10 µs
// (BenchmarkVerify).
func (v *Verifier) Verify(token string) (Claims, error) {
	keys, err := v.keys()
	if err != nil {
		return Claims{}, err
	}
	parser := jwt.NewParser(jwt.WithoutClaimsValidation(), jwt.WithValidMethods(algorithms()))
	var registered jwt.RegisteredClaims
	parsed, err := parser.ParseWithClaims(token, &registered, func(t *jwt.Token) (any, error) { return candidates(keys, t) })
	if err != nil {
		return unparsed(parsed, err)
	}
	return v.accept(claimsOf(registered))
}

func (v *Verifier) keys() (KeySet, error) {
	if v.Keys != nil {
		return v.Keys(), nil
	}
	if len(v.Secret) == 0 {
		return nil, &TokenError{Reason: ErrUnknownKey, Detail: "this server has no secret to check it with"}
	}
	return KeySet{{algorithm: HS256, public: v.Secret}}, nil
}

// candidates returns the keys that may have signed a token: those of its
// algorithm, and of its kid where both have one.
func candidates(keys KeySet, t *jwt.Token) (any, error) {
	algorithm := t.Method.Alg()
	if _, critical := t.Header["crit"]; critical { // RFC 7515, 4.1.11: whoever does not understand it refuses
		return nil, &TokenError{Reason: ErrMalformed, Detail: "its header asks for extensions that are not known here"}
	}
	kid, _ := t.Header["kid"].(string)
	known := false
	var set jwt.VerificationKeySet
	for _, k := range keys {
		if k.algorithm != algorithm {
			continue
		}
		known = true
		if kid == "" || k.id == "" || k.id == kid {
			set.Keys = append(set.Keys, k.public)
		}
	}
	switch {
	case !known:
		return nil, &TokenError{Reason: ErrAlgorithm, Detail: fmt.Sprintf("no key here is of %s", algorithm)}
	case len(set.Keys) == 0:
		return nil, &TokenError{Reason: ErrUnknownKey, Detail: fmt.Sprintf("kid %q", kid)}
	}
	return set, nil
}

// unparsed tells of a token whose signature could not be checked, or is wrong.
func unparsed(t *jwt.Token, err error) (Claims, error) {
	if refused, ok := errors.AsType[*TokenError](err); ok {
		return Claims{}, refused
	}
	algorithm := ""
	if t != nil {
		algorithm, _ = t.Header["alg"].(string)
	}
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return refuse(ErrMalformed, "%s", malformed)
	case !slices.Contains(algorithms(), algorithm):
		return refuse(ErrAlgorithm, "it is signed with %q", algorithm)
	default:
		return refuse(ErrSignature, "no key here of %s made it", algorithm)
	}
}

func claimsOf(c jwt.RegisteredClaims) Claims {
	at := func(date *jwt.NumericDate) time.Time {
		if date == nil {
			return time.Time{}
		}
		return date.Time
	}
	return Claims{
		Issuer: c.Issuer, Subject: c.Subject, Audience: c.Audience, ID: c.ID,
		IssuedAt: at(c.IssuedAt), NotBefore: at(c.NotBefore), ExpiresAt: at(c.ExpiresAt),
	}
}

// accept checks the claims of a token with a good signature.
func (v *Verifier) accept(c Claims) (Claims, error) {
	now := time.Now()
	if v.Now != nil {
		now = v.Now()
	}
	leeway := cmp.Or(v.Leeway, DefaultSkew)
	audience, subject := cmp.Or(v.Audience, spec.TokenAudience), cmp.Or(v.Subject, spec.TokenSubject)
	switch {
	case c.ExpiresAt.IsZero():
		return refuse(ErrMissingClaim, "exp")
	case !now.Before(c.ExpiresAt.Add(leeway)):
		return refuse(ErrExpired, "%s ago", now.Sub(c.ExpiresAt).Round(time.Second))
	case now.Before(c.NotBefore.Add(-leeway)):
		return refuse(ErrNotYetValid, "nbf is in %s", c.NotBefore.Sub(now).Round(time.Second))
	case now.Before(c.IssuedAt.Add(-leeway)):
		return refuse(ErrNotYetValid, "it was issued %s in the future; do the clocks differ?", c.IssuedAt.Sub(now).Round(time.Second))
	case !slices.Contains(c.Audience, audience):
		return refuse(ErrAudience, "it is for %q, not %q", c.Audience, audience)
	case c.Subject != subject:
		return refuse(ErrSubject, "sub is %q, not %q", c.Subject, subject)
	case c.Issuer == "" || len(v.Issuers) > 0 && !slices.Contains(v.Issuers, c.Issuer):
		return refuse(ErrIssuer, "%q", c.Issuer)
	case v.Replay == nil:
		return c, nil
	}
	return c, v.Replay.use(c, now, leeway)
}
