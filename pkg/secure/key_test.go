package secure_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/suokelife/suokectl/pkg/secure"
)

func TestKeysSurvivePEM(t *testing.T) {
	for _, algorithm := range []string{secure.RS256, secure.ES256, secure.EdDSA} {
		k := generate(t, algorithm)
		private, err := secure.ParseKeys([]byte(pemOf(t, k)))
		if err != nil || len(private) != 1 || !private[0].CanSign() || private[0].Algorithm() != algorithm {
			t.Fatalf("%s: private = %v, %v", algorithm, private, err)
		}
		public, err := secure.ParseKeys([]byte(pemOf(t, k.Public())))
		if err != nil || len(public) != 1 || public[0].CanSign() {
			t.Fatalf("%s: public = %v, %v", algorithm, public, err)
		}
		if k.ID() == "" || private[0].ID() != k.ID() || public[0].ID() != k.ID() {
			t.Errorf("%s: the halves have the ids %q and %q", algorithm, private[0].ID(), public[0].ID())
		}
		if _, err := public.Signing(); err == nil {
			t.Errorf("%s: a public key signs", algorithm)
		}
	}
}

func TestOlderPEMForms(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for text, algorithm := range map[string]string{
		block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)):           secure.RS256,
		block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)):  secure.RS256,
		block("EC PARAMETERS", []byte{6, 1, 1}) + block("EC PRIVATE KEY", sec1): secure.ES256,
		readFile(t, newCA(t).leaf(t, leaf{dns: "x"}).cert):                      secure.ES256,
	} {
		if keys, err := secure.ParseKeys([]byte(text)); err != nil || len(keys) != 1 || keys[0].Algorithm() != algorithm {
			t.Errorf("%s… gave %v, %v", text[:30], keys, err)
		}
	}
}

func TestJWKS(t *testing.T) {
	// The Ed25519 key of RFC 8037 (A.2), the EC key of RFC 7517 (A.1), and a secret.
	const text = `{"keys":[
		{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
		{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc"},
		{"kty":"oct","kid":"s","k":"c2VjcmV0IHRoYXQgc2VydmljZXMgc2hhcmU"}]}`
	keys, err := secure.ParseKeys([]byte(text))
	if err != nil || len(keys) != 3 {
		t.Fatalf("keys = %v, %v", keys, err)
	}
	if fmt.Sprint(keys[0]) != `EdDSA key "ed"` || keys[1].ID() == "" || keys[1].Algorithm() != secure.ES256 || keys[2].Algorithm() != secure.HS256 {
		t.Errorf("keys = %v", keys)
	}
}

func TestBadKeysAreRefusedWithoutBeingShown(t *testing.T) {
	good := pemOf(t, generate(t, secure.ES256))
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	encrypted := "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGj\n-----END ENCRYPTED PRIVATE KEY-----\n"
	legacy := "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMIGj\n-----END RSA PRIVATE KEY-----\n"
	for name, c := range map[string]struct {
		text, wrong string
		is          error
	}{
		"empty":                {" \n", "no key in it", secure.ErrNoKey},
		"binary":               {"\x00\x01\x02", "no key in it", secure.ErrNoKey},
		"no UTF-8":             {"abc\xff\xfe", "no key in it", secure.ErrNoKey},
		"truncated PEM":        {good[:len(good)/2], "cut off", nil},
		"a good and a cut one": {good + good[:60], "cut off", nil},
		"garbage in PEM":       {"-----BEGIN PRIVATE KEY-----\nMIGj\n-----END PRIVATE KEY-----\n", "damaged", nil},
		"encrypted":            {encrypted, "passphrase", secure.ErrEncryptedKey},
		"encrypted, legacy":    {legacy, "passphrase", secure.ErrEncryptedKey},
		"another block":        {"-----BEGIN DH PARAMETERS-----\nMIGj\n-----END DH PARAMETERS-----\n", "is no key", nil},
		"weak RSA": {
			string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(weak)})),
			"1024 bits is too weak", nil,
		},
		"JSON of something else": {`{"user":"ada"}`, "no key in it", secure.ErrNoKey},
		"broken JSON":            {`{"keys":`, "RFC 7517", nil},
		"JWK of another type":    {`{"keys":[{"kty":"x"}]}`, `key 1 of the JWKS: the type "x"`, nil},
		"JWK without its number": {`{"keys":[{"kty":"RSA","e":"AQAB"}]}`, "missing or damaged", nil},
		"JWK off the curve":      {`{"keys":[{"kty":"EC","crv":"P-256","x":"` + b64(32) + `","y":"` + b64(32) + `"}]}`, "missing or damaged", nil},
		"JWK of another curve":   {`{"keys":[{"kty":"OKP","crv":"X25519","x":"` + b64(32) + `"}]}`, "missing or damaged", nil},
		"empty secret in a JWK":  {`{"keys":[{"kty":"oct"}]}`, "empty", nil},
	} {
		keys, err := secure.ParseKeys([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.wrong) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v, %v, want %q", name, keys, err, c.wrong)
		}
	}
}

func b64(n int) string { return base64.RawURLEncoding.EncodeToString(make([]byte, n)) }

func TestSecretKeyRefusesPEM(t *testing.T) {
	public := pemOf(t, generate(t, secure.RS256).Public())
	if _, err := secure.SecretKey([]byte(public)); err == nil {
		t.Error("a public key became a shared secret")
	}
	inner := strings.Join(strings.Split(strings.TrimSpace(public), "\n")[1:8], "")
	if _, err := secure.ParseKeys([]byte(inner)); err == nil {
		t.Error("the base64 of a public key became a shared secret")
	}
	if _, err := secure.ReadKeys(writeFile(t, "key.pem", inner[10:])); !errors.Is(err, secure.ErrNoKey) {
		t.Errorf("the rest of a PEM file: %v", err)
	}
	if keys, err := secure.ReadKeys(writeFile(t, "shared.secret", "hunter2\n")); err != nil || keys[0].Algorithm() != secure.HS256 {
		t.Errorf("a shared secret: %v, %v", keys, err)
	}
}

func TestKeysAreNeverPrinted(t *testing.T) {
	k, err := secure.SecretKey([]byte("hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", k)
	js, err := json.Marshal(map[string]any{"key": k})
	if err != nil {
		t.Fatal(err)
	}
	hex := fmt.Sprintf("%x", "hunter2")
	numbers := strings.Trim(fmt.Sprint([]byte("hunter2")), "[]")
	for _, text := range []string{
		fmt.Sprint(k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k), fmt.Sprintf("%x", k), fmt.Sprintf("%q", k),
		fmt.Sprintf("%d", k), fmt.Sprintf("%v", secure.KeySet{k}), fmt.Sprintf("%+v", struct{ K secure.Key }{k}), log.String(), string(js),
	} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, hex) || strings.Contains(text, numbers) {
			t.Errorf("shown: %s", text)
		}
	}
}

func TestGenerateKeyRefuses(t *testing.T) {
	if _, err := secure.GenerateKey(secure.RS256, 1024); err == nil {
		t.Error("made a weak key")
	}
	if _, err := secure.GenerateKey(secure.HS256, 0); err == nil {
		t.Error("made a pair for HS256")
	}
	secretKey, _ := secure.SecretKey(secret)
	if _, err := secretKey.MarshalPEM(); err == nil {
		t.Error("a secret has a PEM form")
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestReadKeysOfAFolder(t *testing.T) {
	dir := t.TempDir()
	if _, err := secure.ReadKeys(dir); err == nil || !strings.Contains(err.Error(), "holds no file") {
		t.Errorf("an empty folder: %v", err)
	}
	old, current := generate(t, secure.ES256), generate(t, secure.EdDSA)
	replaceFile(t, filepath.Join(dir, "2026-01.pem"), pemOf(t, old))
	replaceFile(t, filepath.Join(dir, "2026-02.pem"), pemOf(t, current))
	replaceFile(t, filepath.Join(dir, "README.txt"), "not a key")
	replaceFile(t, filepath.Join(dir, ".hidden.pem"), "not a key")
	keys, err := secure.ReadKeys(dir)
	if err != nil || len(keys) != 2 {
		t.Fatalf("keys = %v, %v", keys, err)
	}
	if k, err := keys.Signing(); err != nil || k.ID() != current.ID() {
		t.Errorf("signs with %v, %v", k, err)
	}
	replaceFile(t, filepath.Join(dir, "2026-03.pem"), "-----BEGIN")
	if _, err := secure.ReadKeys(dir); err == nil || !strings.Contains(err.Error(), "2026-03.pem") {
		t.Errorf("a bad file in it: %v", err)
	}
	if _, err := secure.ReadKeys(filepath.Join(dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// A key is rotated in the middle: both sides follow the folder, tokens of the
// old key stay good while it is there.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		private, public := t.TempDir(), t.TempDir()
		add := func(name string, k secure.Key) {
			replaceFile(t, filepath.Join(public, name), pemOf(t, k.Public()))
			replaceFile(t, filepath.Join(private, name), pemOf(t, k))
			time.Sleep(time.Second)
		}
		old, current := generate(t, secure.ES256), generate(t, secure.RS256)
		add("1.pem", old)
		signing, err := secure.OpenKeyFile(private, nil)
		if err != nil {
			t.Fatal(err)
		}
		var complaints []error
		trusted, err := secure.OpenKeyFile(public, func(err error) { complaints = append(complaints, err) })
		if err != nil {
			t.Fatal(err)
		}
		source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "user-service", Keys: signing.Keys})
		if err != nil {
			t.Fatal(err)
		}
		verifier := secure.Verifier{Keys: trusted.Keys}
		first, _ := source.Token()
		if again, _ := source.Token(); again != first {
			t.Error("signed twice with the same key")
		}
		add("2.pem", current)
		second, _ := source.Token()
		if second == first {
			t.Error("the new key is not used")
		}
		for name, token := range map[string]string{"old": first, "new": second} {
			if _, err := verifier.Verify(token); err != nil {
				t.Errorf("the %s key's token: %v", name, err)
			}
		}
		replaceFile(t, filepath.Join(public, "3.pem"), "-----BEGIN half a ")
		time.Sleep(time.Second)
		if _, err := verifier.Verify(second); err != nil || len(complaints) != 1 {
			t.Errorf("in the middle of a rotation: %v, complaints %v", err, complaints)
		}
		for _, name := range []string{"1.pem", "3.pem"} {
			if err := os.Remove(filepath.Join(public, name)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		if _, err := verifier.Verify(first); !errors.Is(err, secure.ErrAlgorithm) {
			t.Errorf("the token of a removed key: %v", err)
		}
		if _, err := verifier.Verify(second); err != nil {
			t.Error(err)
		}
	})
}

// Many use the keys while they change; each sees a whole set.
func TestKeysChangeUnderUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := generate(t, secure.EdDSA), generate(t, secure.ES256)
		path := filepath.Join(t.TempDir(), "keys.pem")
		replaceFile(t, path, pemOf(t, one))
		file, err := secure.OpenKeyFile(path, func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		var users sync.WaitGroup
		for range 8 {
			users.Go(func() {
				for range 50 {
					if n := len(file.Keys()); n < 1 || n > 2 {
						t.Errorf("%d keys", n)
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		for i := range 5 {
			replaceFile(t, path, []string{pemOf(t, two) + pemOf(t, one), pemOf(t, two)}[i%2])
			time.Sleep(time.Second)
		}
		users.Wait()
		if keys := file.Keys(); len(keys) != 2 {
			t.Errorf("in the end: %v", keys)
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(pemOf(f, generate(f, secure.ES256))))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n\n-----END PRIVATE KEY-----"))
	f.Add([]byte("secret"))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := secure.ParseKeys(text)
		if (err == nil) != (len(keys) > 0) {
			t.Errorf("%v, %v", keys, err)
		}
	})
}

func ExampleGenerateKey() {
	key, err := secure.GenerateKey(secure.EdDSA, 0)
	if err != nil {
		panic(err)
	}
	public, err := key.Public().MarshalPEM()
	if err != nil {
		panic(err)
	}
	keys, err := secure.ParseKeys(public)
	fmt.Println(keys[0].ID() == key.ID(), keys[0].CanSign(), key.CanSign(), err)
	// Output: true false true <nil>
}
