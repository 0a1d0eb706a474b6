package secure_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/secure"
)

func sourceOf(t testing.TB, k secure.Key) *secure.TokenSource {
	t.Helper()
	source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "user-service", Keys: fixed(k)})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func mustToken(t testing.TB, source *secure.TokenSource) string {
	t.Helper()
	token, err := source.Token()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestEveryAlgorithm(t *testing.T) {
	shared, err := secure.SecretKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	keys := secure.KeySet{shared, generate(t, secure.RS256), generate(t, secure.ES256), generate(t, secure.EdDSA)}
	var public secure.KeySet
	for _, k := range keys {
		if k.Algorithm() == secure.HS256 {
			public = append(public, k)
		} else {
			public = append(public, k.Public())
		}
	}
	for i, k := range keys {
		token := mustToken(t, sourceOf(t, k))
		said, err := secure.InspectToken(token)
		if err != nil || said.Algorithm != k.Algorithm() || said.KeyID != k.ID() {
			t.Errorf("%v: the token says %+v, %v", k, said, err)
		}
		verifier := secure.Verifier{Keys: fixed(public...)}
		if claims, err := verifier.Verify(token); err != nil || claims.Issuer != "user-service" || claims.ID == "" {
			t.Errorf("%v: %+v, %v", k, claims, err)
		}
		for n, other := range public {
			verifier := secure.Verifier{Keys: fixed(other)}
			if _, err := verifier.Verify(token); (err == nil) != (n == i) {
				t.Errorf("%v checked by %v: %v", k, other, err)
			}
		}
	}
}

func TestRefusalsAreTyped(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	rsaKey, other := generate(t, secure.RS256), generate(t, secure.RS256)
	claims := func(change func(jwt.MapClaims)) jwt.MapClaims {
		c := jwt.MapClaims{
			"iss": "user-service", "sub": "service-account", "aud": "internal-services",
			"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": "1",
		}
		change(c)
		return c
	}
	hs := func(change func(jwt.MapClaims)) string {
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims(change)).SignedString(secret)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	same := func(jwt.MapClaims) {}
	// The classic confusion: the public key's PEM text, which everybody knows,
	// taken for an HMAC secret.
	confused, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims(same)).SignedString([]byte(pemOf(t, rsaKey.Public())))
	if err != nil {
		t.Fatal(err)
	}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims(same)).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	extended := jwt.NewWithClaims(jwt.SigningMethodHS256, claims(same))
	extended.Header["crit"] = []string{"b64"}
	critical, err := extended.SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	good := hs(same)
	raw := base64.RawURLEncoding.EncodeToString
	part := strings.Split(good, ".")
	shared, rsaOnly := secure.Verifier{Secret: secret}, secure.Verifier{Keys: fixed(rsaKey.Public())}
	for name, c := range map[string]struct {
		verifier secure.Verifier
		token    string
		reason   error
		says     string
	}{
		"expired":              {shared, hs(func(c jwt.MapClaims) { c["exp"] = now.Add(-time.Hour).Unix() }), secure.ErrExpired, "1h0m0s ago"},
		"issued in the future": {shared, hs(func(c jwt.MapClaims) { c["iat"] = now.Add(time.Hour).Unix() }), secure.ErrNotYetValid, "clocks"},
		"valid in the future":  {shared, hs(func(c jwt.MapClaims) { c["nbf"] = now.Add(time.Minute).Unix() }), secure.ErrNotYetValid, "1m0s"},
		"skew beyond the leeway": {
			secure.Verifier{Secret: secret, Leeway: time.Second},
			hs(func(c jwt.MapClaims) { c["iat"] = now.Add(2 * time.Second).Unix() }), secure.ErrNotYetValid, "2s",
		},
		"audience":        {shared, hs(func(c jwt.MapClaims) { c["aud"] = "public" }), secure.ErrAudience, `["public"], not "internal-services"`},
		"no audience":     {shared, hs(func(c jwt.MapClaims) { delete(c, "aud") }), secure.ErrAudience, ""},
		"subject":         {shared, hs(func(c jwt.MapClaims) { c["sub"] = "ada" }), secure.ErrSubject, `"ada"`},
		"issuer":          {secure.Verifier{Secret: secret, Issuers: []string{"auth-service"}}, good, secure.ErrIssuer, `"user-service"`},
		"no end":          {shared, hs(func(c jwt.MapClaims) { delete(c, "exp") }), secure.ErrMissingClaim, "exp"},
		"alg none":        {shared, unsigned, secure.ErrAlgorithm, `"none"`},
		"alg nOnE":        {shared, raw([]byte(`{"alg":"nOnE"}`)) + "." + part[1] + ".", secure.ErrAlgorithm, `"nOnE"`},
		"no alg":          {shared, raw([]byte(`{}`)) + "." + part[1] + "." + part[2], secure.ErrAlgorithm, `""`},
		"HS for RS":       {rsaOnly, confused, secure.ErrAlgorithm, "no key here is of HS256"},
		"RS for HS":       {shared, mustToken(t, sourceOf(t, rsaKey)), secure.ErrAlgorithm, "RS256"},
		"unknown kid":     {rsaOnly, mustToken(t, sourceOf(t, other)), secure.ErrUnknownKey, other.ID()},
		"no keys":         {secure.Verifier{}, good, secure.ErrUnknownKey, "no secret"},
		"another secret":  {secure.Verifier{Secret: []byte("x")}, good, secure.ErrSignature, ""},
		"signature cut":   {shared, part[0] + "." + part[1] + ".", secure.ErrSignature, ""},
		"claims replaced": {shared, part[0] + "." + raw([]byte(`{"exp":99999999999}`)) + "." + part[2], secure.ErrSignature, ""},
		"extensions":      {shared, critical, secure.ErrMalformed, "extensions"},
		"two parts":       {shared, part[0] + "." + part[1], secure.ErrMalformed, ""},
		"no JSON":         {shared, raw([]byte("x")) + "." + raw([]byte("y")) + "." + raw([]byte("z")), secure.ErrMalformed, ""},
		"exp is a word":   {shared, hs(func(c jwt.MapClaims) { c["exp"] = "soon" }), secure.ErrMalformed, ""},
	} {
		c.verifier.Now = func() time.Time { return now }
		_, err := c.verifier.Verify(c.token)
		var refused *secure.TokenError
		if !errors.Is(err, c.reason) || !errors.Is(err, secure.ErrToken) || !errors.As(err, &refused) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v with %q", name, err, c.reason, c.says)
		}
		if err != nil && strings.Contains(err.Error(), part[1]) {
			t.Errorf("%s: the error shows the token", name)
		}
	}
}

func TestAdmit(t *testing.T) {
	verifier := secure.Verifier{Secret: secret}
	token := mustToken(t, newSource(t, nil))
	for _, header := range []string{"Bearer " + token, "bearer " + token} {
		ctx, err := verifier.Admit(t.Context(), header)
		if caller, known := secure.Caller(ctx); err != nil || !known || caller.Issuer != "user-service" {
			t.Errorf("caller = %+v, %t, %v", caller, known, err)
		}
	}
	for header, reason := range map[string]error{
		"": secure.ErrNoToken, token: secure.ErrNoToken, "Basic abc": secure.ErrNoToken, "Bearer": secure.ErrNoToken, "Bearer x": secure.ErrMalformed,
	} {
		ctx, err := verifier.Admit(t.Context(), header)
		if _, known := secure.Caller(ctx); !errors.Is(err, reason) || known {
			t.Errorf("%.10q: known %t, %v", header, known, err)
		}
	}
}

func TestReplay(t *testing.T) {
	now := time.Now()
	verifier := secure.Verifier{Secret: secret, Replay: secure.NewReplayCache(2), Now: func() time.Time { return now }}
	issue := func() string { return mustToken(t, newSource(t, func() time.Time { return now })) }
	verify := func(token string) error { _, err := verifier.Verify(token); return err }
	first := issue()
	if err := verify(first); err != nil {
		t.Fatal(err)
	}
	if err := verify(first); !errors.Is(err, secure.ErrReplayed) {
		t.Errorf("a second time: %v", err)
	}
	if err := verify(issue()); err != nil {
		t.Error(err)
	}
	if err := verify(issue()); !errors.Is(err, secure.ErrReplayed) || !strings.Contains(err.Error(), "too many") {
		t.Errorf("when it is full: %v", err)
	}
	now = now.Add(time.Hour + secure.DefaultSkew)
	if err := verify(first); !errors.Is(err, secure.ErrExpired) {
		t.Errorf("after its end: %v", err)
	}
	for range 2 { // the old ones have been forgotten
		if err := verify(issue()); err != nil {
			t.Error(err)
		}
	}
	anonymous, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "x", "sub": "service-account", "aud": "internal-services", "exp": now.Add(time.Hour).Unix(),
	}).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(anonymous); !errors.Is(err, secure.ErrMissingClaim) {
		t.Errorf("without an id: %v", err)
	}
}

func TestOneOfManyCallersSigns(t *testing.T) {
	source := sourceOf(t, generate(t, secure.RS256))
	var mu sync.Mutex
	tokens := map[string]bool{}
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			token, err := source.Token()
			mu.Lock()
			defer mu.Unlock()
			if tokens[token] = true; err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	if len(tokens) != 1 {
		t.Errorf("%d tokens were signed", len(tokens))
	}
}

// Whatever the claims, a token that was made is accepted exactly while it is valid.
func TestTokensAreGoodForTheirLifetime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		issued := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "issued"), 0)
		lifetime := time.Duration(rapid.Int64Range(31, 1e6).Draw(t, "lifetime")) * time.Second
		after := time.Duration(rapid.Int64Range(-100, 2e6).Draw(t, "after")) * time.Second
		issuer := rapid.StringMatching(`[a-z]{1,20}-service`).Draw(t, "issuer")
		source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: issuer, Secret: secret, Lifetime: lifetime, Now: func() time.Time { return issued }})
		if err != nil {
			t.Fatal(err)
		}
		token, err := source.Token()
		if err != nil {
			t.Fatal(err)
		}
		verifier := secure.Verifier{Secret: secret, Now: func() time.Time { return issued.Add(after) }}
		claims, err := verifier.Verify(token)
		valid := after >= -secure.DefaultSkew && after < lifetime+secure.DefaultSkew
		if (err == nil) != valid || valid && claims.Issuer != issuer {
			t.Fatalf("%v after its issue, with a lifetime of %v: %v", after, lifetime, err)
		}
	})
}

func TestInspectToken(t *testing.T) {
	for _, text := range []string{"", "a.b.c", "x", "e30.e30", "e30.!.e30"} {
		if _, err := secure.InspectToken(text); !errors.Is(err, secure.ErrMalformed) {
			t.Errorf("%q: %v", text, err)
		}
	}
	said, err := secure.InspectToken("eyJhbGciOiJ4eHgifQ.eyJpc3MiOiJhIn0.")
	if err != nil || said.Algorithm != "xxx" || said.Claims.Issuer != "a" {
		t.Errorf("of an unknown algorithm: %+v, %v", said, err)
	}
}

func FuzzInspectToken(f *testing.F) {
	f.Add("eyJhbGciOiJ4eHgifQ.eyJpc3MiOiJhIn0.")
	f.Add("bnVsbA.bnVsbA.")
	f.Fuzz(func(_ *testing.T, token string) { _, _ = secure.InspectToken(token) })
}

func BenchmarkToken(b *testing.B) {
	shared, err := secure.SecretKey(secret)
	if err != nil {
		b.Fatal(err)
	}
	credentials := secure.CallCredentials{Token: sourceOf(b, shared).Token}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := credentials.GetRequestMetadata(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	shared, err := secure.SecretKey(secret)
	if err != nil {
		b.Fatal(err)
	}
	token := mustToken(b, sourceOf(b, shared))
	verifier := secure.Verifier{Secret: secret}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := verifier.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleVerifier_Admit() {
	source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "user-service", Secret: secret})
	if err != nil {
		panic(err)
	}
	token, err := source.Token()
	if err != nil {
		panic(err)
	}
	verifier := secure.Verifier{Secret: secret}
	ctx, err := verifier.Admit(context.Background(), "Bearer "+token)
	if err != nil {
		panic(err)
	}
	caller, known := secure.Caller(ctx)
	fmt.Println(caller.Issuer, known)
	// Output: user-service true
}

func ExampleReplayCache() {
	source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "user-service", Secret: secret})
	if err != nil {
		panic(err)
	}
	token, err := source.Token()
	if err != nil {
		panic(err)
	}
	verifier := secure.Verifier{Secret: secret, Replay: secure.NewReplayCache(0)}
	_, first := verifier.Verify(token)
	_, second := verifier.Verify(token)
	fmt.Println(first, errors.Is(second, secure.ErrReplayed))
	// Output: <nil> true
}

func ExampleInspectToken() {
	said, err := secure.InspectToken("eyJhbGciOiJub25lIn0.eyJpc3MiOiJhbnlib2R5In0.")
	fmt.Println(said.Algorithm, said.Claims.Issuer, err)
	// Output: none anybody <nil>
}

func ExampleKeyFile() {
	// keys holds 2026-01.pem, 2026-02.pem, …, of which the last one signs.
	keys, err := secure.OpenKeyFile("testdata/keys", nil)
	if err != nil {
		panic(err)
	}
	verifier := secure.Verifier{Keys: keys.Keys}
	_, err = verifier.Verify("not a token")
	fmt.Println(errors.Is(err, secure.ErrMalformed))
	// Output: true
}

// Why a token is refused, for a log; callers need not know.
func ExampleTokenError() {
	source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "user-service", Secret: secret})
	if err != nil {
		panic(err)
	}
	token, err := source.Token()
	if err != nil {
		panic(err)
	}
	verifier := secure.Verifier{Secret: secret, Audience: "partners"}
	_, err = verifier.Verify(token)
	if refused, ok := errors.AsType[*secure.TokenError](err); ok {
		fmt.Println(refused.Reason, "-", refused.Detail)
	}
	// Output: its audience is another one - it is for ["internal-services"], not "partners"
}
