package secure_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/suokelife/suokectl/pkg/secure"
)

var secret = []byte("a secret that services share")

func newSource(t *testing.T, now func() time.Time) *secure.TokenSource {
	t.Helper()
	source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "user-service", Secret: secret, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func TestTokenHasTheSpecificationsClaims(t *testing.T) {
	now := time.Now()
	token, err := newSource(t, func() time.Time { return now }).Token()
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{}
	parsed, _, err := jwt.NewParser(jwt.WithJSONNumber()).ParseUnverified(token, claims)
	if err != nil || parsed.Method.Alg() != "HS256" {
		t.Fatalf("parsed as %v, %v", parsed, err)
	}
	want := map[string]any{
		"iss": "user-service", "sub": "service-account", "aud": "internal-services",
		"iat": json.Number(fmt.Sprint(now.Unix())), "exp": json.Number(fmt.Sprint(now.Unix() + 3600)),
	}
	for name, value := range want {
		if claims[name] != value {
			t.Errorf("%s = %v, want %v", name, claims[name], value)
		}
	}
	if claims["jti"] == "" || len(claims) != len(want)+1 {
		t.Errorf("claims = %v", claims)
	}
}

func TestTokenIsCachedUntilItsEndLessSkew(t *testing.T) {
	now := time.Now()
	source := newSource(t, func() time.Time { return now })
	first, _ := source.Token()
	now = now.Add(time.Hour - secure.DefaultSkew - time.Second)
	if second, _ := source.Token(); second != first {
		t.Error("renewed before it was due")
	}
	now = now.Add(time.Second)
	if third, _ := source.Token(); third == first {
		t.Error("not renewed when it was due")
	}
}

func TestTokenSourceRefusesBadConfigs(t *testing.T) {
	for name, c := range map[string]secure.TokenConfig{
		"no issuer":       {Secret: secret},
		"no secret":       {Issuer: "user-service"},
		"lifetime ≤ skew": {Issuer: "user-service", Secret: secret, Lifetime: time.Second},
	} {
		if _, err := secure.NewTokenSource(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestVerify(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	good := func() jwt.MapClaims {
		return jwt.MapClaims{
			"iss": "user-service", "sub": "service-account", "aud": "internal-services",
			"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": "1",
		}
	}
	without := func(name string) jwt.MapClaims { c := good(); delete(c, name); return c }
	with := func(name string, value any) jwt.MapClaims { c := good(); c[name] = value; return c }
	sign := func(method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
		token, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	hs256 := func(claims jwt.MapClaims) string { return sign(jwt.SigningMethodHS256, secret, claims) }
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, token, wrong string }{
		{"good", hs256(good()), ""},
		{"audience in a list", hs256(with("aud", []string{"other", "internal-services"})), ""},
		{"clock a little ahead", hs256(with("iat", now.Add(20*time.Second).Unix())), ""},
		{"just expired, within the leeway", hs256(with("exp", now.Add(-20*time.Second).Unix())), ""},
		{"expired", hs256(with("exp", now.Add(-time.Minute).Unix())), "expired"},
		{"no expiry", hs256(without("exp")), "exp"},
		{"wrong audience", hs256(with("aud", "public")), "audience"},
		{"no audience", hs256(without("aud")), "aud"},
		{"wrong subject", hs256(with("sub", "ada")), "sub"},
		{"from the future", hs256(with("iat", now.Add(time.Hour).Unix())), "issued"},
		{"not yet valid", hs256(with("nbf", now.Add(time.Hour).Unix())), "not valid yet"},
		{"no issuer", hs256(without("iss")), "issuer"},
		{"unknown issuer", hs256(with("iss", "mallory")), `"mallory"`},
		{"wrong key", sign(jwt.SigningMethodHS256, []byte("guess"), good()), "signature"},
		{"another HMAC", sign(jwt.SigningMethodHS512, secret, good()), "HS512"},
		{"RS256", sign(jwt.SigningMethodRS256, rsaKey, good()), "RS256"},
		{"alg none", sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good()), "none"},
		{"empty", "", "malformed"},
		{"not a token", "a.b.c", "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := secure.Verifier{Secret: secret, Issuers: []string{"user-service"}, Now: func() time.Time { return now }}
			claims, err := v.Verify(c.token)
			if c.wrong == "" {
				if err != nil || claims.Issuer != "user-service" {
					t.Fatalf("Verify = %+v, %v", claims, err)
				}
				return
			}
			if !errors.Is(err, secure.ErrToken) || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("err = %v, want it to name %q", err, c.wrong)
			}
		})
	}
}

func TestVerifyWithNoSecretRefusesAll(t *testing.T) {
	token, _ := newSource(t, nil).Token()
	if _, err := (&secure.Verifier{}).Verify(token); !errors.Is(err, secure.ErrToken) {
		t.Errorf("err = %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	token, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": "x"}).SignedString(secret)
	f.Add(token)
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := (&secure.Verifier{Secret: []byte("another")}).Verify(token); err == nil {
			t.Errorf("accepted %q", token)
		}
	})
}

func TestCallCredentials(t *testing.T) {
	c := secure.CallCredentials{Token: func() (string, error) { return "abc", nil }}
	md, err := c.GetRequestMetadata(t.Context())
	if err != nil || md["authorization"] != "Bearer abc" {
		t.Errorf("metadata = %v, %v", md, err)
	}
	if !c.RequireTransportSecurity() {
		t.Error("plaintext is allowed by default")
	}
	c.AllowPlaintext = true
	if c.RequireTransportSecurity() {
		t.Error("plaintext is refused although it is allowed")
	}
}

func TestFileToken(t *testing.T) {
	for content, want := range map[string]string{"abc\n": "abc", "": "", "two words": "", "esc\x1b[0m": ""} {
		path := writeFile(t, "token", content)
		if got, err := secure.FileToken(path)(); got != want || (err == nil) != (want != "") {
			t.Errorf("%q gave %q, %v", content, got, err)
		}
	}
}

func TestFileTokenFollowsItsFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "token")
		read := secure.FileToken(path)
		want := func(want string) {
			t.Helper()
			if got, err := read(); got != want || (err == nil) != (want != "") {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		}
		want("") // there is no file yet
		replaceFile(t, path, "first")
		want("first")
		replaceFile(t, path, "second")
		time.Sleep(time.Second)
		want("second")
		replaceFile(t, path, "")
		time.Sleep(time.Second)
		want("second") // the rotation is not over
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		want("second")
		replaceFile(t, path, "third")
		time.Sleep(time.Second)
		want("third")
	})
}

func Example() {
	source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "user-service", Secret: secret})
	if err != nil {
		panic(err)
	}
	credentials := secure.CallCredentials{Token: source.Token}
	md, err := credentials.GetRequestMetadata(context.Background())
	if err != nil {
		panic(err)
	}
	verifier := secure.Verifier{Secret: secret, Issuers: []string{"user-service"}}
	claims, err := verifier.Verify(strings.TrimPrefix(md["authorization"], "Bearer "))
	fmt.Println(claims.Issuer, claims.Subject, err)
	// Output: user-service service-account <nil>
}

func ExampleFileToken() {
	// A token that another process renews in a file, as Kubernetes does.
	dir, err := os.MkdirTemp("", "token-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte("abc\n"), 0o600); err != nil {
		panic(err)
	}
	credentials := secure.CallCredentials{Token: secure.FileToken(file)}
	md, err := credentials.GetRequestMetadata(context.Background())
	fmt.Println(md["authorization"], credentials.RequireTransportSecurity(), err)
	// Output: Bearer abc true <nil>
}
