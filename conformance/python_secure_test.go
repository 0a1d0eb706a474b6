//go:build unix

package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/secure"
)

// secureSamples is a Python process that runs the specification's samples of
// tokens and field encryption.
type secureSamples struct {
	testing.TB
	in  io.Writer
	out *bufio.Scanner
}

func newSecureSamples(t *testing.T) *secureSamples {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	cmd := exec.CommandContext(ctx, testenv.Python(t, "python/requirements-secure.txt"), "python/secure.py")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer cancel()
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("secure.py: %v\n%s", err, &stderr)
		}
	})
	answers := bufio.NewScanner(out)
	answers.Buffer(nil, 1<<21)
	return &secureSamples{t, in, answers}
}

// ask calls a function of the script. It returns the name of a Python exception
// as failed.
func ask[T any](s *secureSamples, do string, arguments map[string]any) (answer T, failed string) {
	s.Helper()
	arguments["do"] = do
	line, err := json.Marshal(arguments)
	if err != nil {
		s.Fatal(err)
	}
	if _, err := s.in.Write(append(line, '\n')); err != nil {
		s.Fatal(err)
	}
	if !s.out.Scan() {
		s.Fatal("secure.py gave no answer: ", s.out.Err())
	}
	var got struct {
		OK    T
		Error string
	}
	if err := json.Unmarshal(s.out.Bytes(), &got); err != nil {
		s.Fatal(err)
	}
	return got.OK, got.Error
}

func mustAsk[T any](s *secureSamples, do string, arguments map[string]any) T {
	s.Helper()
	answer, failed := ask[T](s, do, arguments)
	if failed != "" {
		s.Fatalf("%s: %s", do, failed)
	}
	return answer
}

const pythonSecret = "a secret of at least thirty-two bytes"

func pemText(t testing.TB, k secure.Key) string {
	t.Helper()
	text, err := k.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPythonTokensAreGoodHere(t *testing.T) {
	t.Parallel()
	s := newSecureSamples(t)
	token := mustAsk[string](s, "token", map[string]any{"SERVICE_NAME": "user-service", "SERVICE_JWT_SECRET": pythonSecret})
	verifier := secure.Verifier{Secret: []byte(pythonSecret), Issuers: []string{"user-service"}, Replay: secure.NewReplayCache(0)}
	if claims, err := verifier.Verify(token); err != nil || claims.ExpiresAt.Sub(claims.IssuedAt) != time.Hour {
		t.Errorf("claims = %+v, %v", claims, err)
	}
	if _, err := verifier.Verify(token); !errors.Is(err, secure.ErrReplayed) {
		t.Errorf("again: %v", err)
	}
	for _, algorithm := range []string{secure.RS256, secure.ES256, secure.EdDSA} {
		k, err := secure.GenerateKey(algorithm, secure.MinRSABits)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now().Unix()
		claims := map[string]any{"iss": "x", "sub": "service-account", "aud": "internal-services", "iat": now, "exp": now + 60}
		token := mustAsk[string](s, "sign", map[string]any{"claims": claims, "pem": pemText(t, k), "algorithm": algorithm})
		verifier := secure.Verifier{Keys: func() secure.KeySet { return secure.KeySet{k.Public()} }}
		if _, err := verifier.Verify(token); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
		claims["exp"] = now - 3600
		token = mustAsk[string](s, "sign", map[string]any{"claims": claims, "pem": pemText(t, k), "algorithm": algorithm})
		if _, err := verifier.Verify(token); !errors.Is(err, secure.ErrExpired) {
			t.Errorf("%s, expired: %v", algorithm, err)
		}
	}
}

func TestOurTokensAreGoodInPython(t *testing.T) {
	t.Parallel()
	s := newSecureSamples(t)
	shared, err := secure.SecretKey([]byte(pythonSecret))
	if err != nil {
		t.Fatal(err)
	}
	for _, algorithm := range []string{secure.HS256, secure.RS256, secure.ES256, secure.EdDSA} {
		k, verification := shared, pythonSecret
		if algorithm != secure.HS256 {
			if k, err = secure.GenerateKey(algorithm, secure.MinRSABits); err != nil {
				t.Fatal(err)
			}
			verification = pemText(t, k.Public())
		}
		source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "user-service", Keys: func() secure.KeySet { return secure.KeySet{k} }})
		if err != nil {
			t.Fatal(err)
		}
		token, err := source.Token()
		if err != nil {
			t.Fatal(err)
		}
		arguments := map[string]any{"token": token, "key": verification, "algorithm": algorithm}
		claims := mustAsk[map[string]any](s, "verify", arguments)
		exp, _ := claims["exp"].(float64)
		iat, _ := claims["iat"].(float64)
		if claims["iss"] != "user-service" || claims["sub"] != "service-account" || exp-iat != 3600 || len(claims) != 6 {
			t.Errorf("%s: Python reads %v", algorithm, claims)
		}
		arguments["token"] = token[:len(token)-8] + "AAAAAAAA"
		if _, failed := ask[any](s, "verify", arguments); failed != "InvalidSignatureError" {
			t.Errorf("%s, tampered: Python says %q", algorithm, failed)
		}
	}
}

func TestFieldsBetweenPythonAndUs(t *testing.T) {
	t.Parallel()
	s := newSecureSamples(t)
	made := mustAsk[struct{ Private, Public string }](s, "make_key_pair", map[string]any{})
	keys, err := secure.ParseKeys([]byte(made.Private))
	if err != nil {
		t.Fatal(err)
	}
	public, err := secure.ParseKeys([]byte(made.Public))
	if err != nil || public[0].ID() != keys[0].ID() {
		t.Fatal(public, err)
	}
	for _, data := range []string{"", "+86 138 0000 0000", "索克生活", strings.Repeat("x", 190)} {
		theirs := mustAsk[string](s, "encrypt", map[string]any{"data": data, "pem": made.Public})
		if got, err := keys.Decrypt(theirs, nil); err != nil || string(got) != data {
			t.Errorf("%q of Python became %q, %v", data, got, err)
		}
		ours, err := public[0].Encrypt([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		if got := mustAsk[string](s, "decrypt", map[string]any{"data": ours, "pem": made.Private}); got != data {
			t.Errorf("%q of ours became %q", data, got)
		}
		if len(ours) != len(theirs) {
			t.Errorf("the texts have %d and %d characters", len(ours), len(theirs))
		}
	}
	long := strings.Repeat("索", 64<<10)
	if _, failed := ask[string](s, "encrypt", map[string]any{"data": long, "pem": made.Public}); failed != "ValueError" {
		t.Errorf("too long: Python says %q", failed)
	}
	hybrid, err := public[0].EncryptHybrid([]byte(long), []byte("user 1"))
	if err != nil {
		t.Fatal(err)
	}
	if got := mustAsk[string](s, "open_jwe", map[string]any{"text": hybrid, "pem": made.Private}); got != long {
		t.Errorf("the hybrid text became %d bytes", len(got))
	}
}
