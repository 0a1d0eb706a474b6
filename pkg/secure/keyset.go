package secure

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
)

// KeySet is the keys that are good at once, the newest last.
type KeySet []Key

// Signing returns the newest key that can sign.
func (s KeySet) Signing() (Key, error) {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i].CanSign() {
			return s[i], nil
		}
	}
	return Key{}, errors.New("no key that can sign: only public keys are there")
}

// Errors of [ParseKeys].
var (
	// ErrNoKey says that a text holds no key.
	ErrNoKey = errors.New("no key in it: a PEM key, a JWKS or a shared secret is expected")
	// ErrEncryptedKey says that a private key is protected by a passphrase.
	ErrEncryptedKey = errors.New("the private key is protected by a passphrase, which cannot be asked for here: " +
		"`openssl pkey -in FILE -out NEW` takes it off")
)

// ParseKeys reads keys: PEM blocks (PKCS #8, PKCS #1, SEC 1, PKIX, certificates),
// a JWKS as RFC 7517 has it, or a line of text that is a shared secret. Errors
// say what is wrong and nothing of the text.
func ParseKeys(text []byte) (KeySet, error) {
	trimmed := bytes.TrimSpace(text)
	switch {
	case len(trimmed) == 0:
		return nil, ErrNoKey
	case bytes.Contains(trimmed, []byte("-----BEGIN")):
		return parsePEM(trimmed)
	case trimmed[0] == '{':
		return parseJWKS(trimmed)
	case bytes.ContainsFunc(trimmed, func(r rune) bool { return r < ' ' || r == '\ufffd' }):
		return nil, ErrNoKey
	}
	k, err := SecretKey(bytes.Clone(trimmed))
	return KeySet{k}, err
}

func parsePEM(text []byte) (KeySet, error) {
	var keys KeySet
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		half, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		if half == nil {
			continue
		}
		k, err := newKey(half)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	if bytes.Contains(text, []byte("-----BEGIN")) {
		return nil, errors.New("the PEM text is cut off or damaged")
	}
	if len(keys) == 0 {
		return nil, ErrNoKey
	}
	return keys, nil
}

// parseBlock returns the key of a block, nil for one that holds only parameters.
func parseBlock(block *pem.Block) (key any, err error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, ErrEncryptedKey
	}
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = certificate.PublicKey
		}
	case "EC PARAMETERS":
		return nil, nil
	default:
		return nil, fmt.Errorf("a PEM block of type %q is no key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("the PEM block %q is damaged or of an unknown kind", block.Type)
	}
	return key, nil
}

// jwk has the members of RFC 7517 and 7518 that public keys and secrets have.
type jwk struct {
	Kty, Kid, Crv, N, E, X, Y, K string
	Use                          string
}

func parseJWKS(text []byte) (KeySet, error) {
	var set struct{ Keys []jwk }
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("the JWKS is not the JSON that RFC 7517 describes")
	}
	var keys KeySet
	for i, j := range set.Keys {
		k, err := j.key()
		if err != nil {
			return nil, fmt.Errorf("key %d of the JWKS: %w", i+1, err)
		}
		if j.Kid != "" {
			k.id = j.Kid
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, ErrNoKey
	}
	return keys, nil
}

var errJWK = errors.New("a member is missing or damaged")

func (j jwk) key() (Key, error) {
	switch j.Kty {
	case "RSA":
		n, e := number(j.N), number(j.E)
		if n == nil || e == nil || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
			return Key{}, errJWK
		}
		return newKey(&rsa.PublicKey{N: n, E: int(e.Int64())})
	case "EC":
		x, y := decodeURL(j.X), decodeURL(j.Y)
		if j.Crv != "P-256" || len(x) != 32 || len(y) != 32 {
			return Key{}, errJWK
		}
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if err != nil {
			return Key{}, errJWK
		}
		return newKey(public)
	case "OKP":
		if x := decodeURL(j.X); j.Crv == "Ed25519" && len(x) == ed25519.PublicKeySize {
			return newKey(ed25519.PublicKey(x))
		}
		return Key{}, errJWK
	case "oct":
		return SecretKey(decodeURL(j.K))
	default:
		return Key{}, fmt.Errorf("the type %q is not RSA, EC, OKP or oct", j.Kty)
	}
}

func decodeURL(text string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return b
}

func number(text string) *big.Int {
	if b := decodeURL(text); len(b) > 0 {
		return new(big.Int).SetBytes(b)
	}
	return nil
}

// ReadKeys reads the keys of a file, or of the files of a folder that end in
// .pem, .json, .jwks or .secret, in order of their names.
func ReadKeys(path string) (KeySet, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	paths := []string{path}
	if info.IsDir() {
		if paths = keyFilesIn(path); len(paths) == 0 {
			return nil, fmt.Errorf("the folder %s holds no file that ends in .pem, .json, .jwks or .secret", path)
		}
	}
	var keys KeySet
	for _, path := range paths {
		text, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		found, err := ParseKeys(text)
		if filepath.Ext(path) == ".pem" && err == nil && found[0].algorithm == HS256 {
			err = ErrNoKey // what is left of a PEM file is no secret
		}
		if err != nil {
			return nil, fmt.Errorf("read keys from %s: %w", path, err)
		}
		keys = append(keys, found...)
	}
	return keys, nil
}

// KeyFile is keys that are read again when their file or folder changes. A
// change is seen within a second of use; one that cannot be read leaves the keys
// as they were. It is safe for concurrent use.
type KeyFile struct{ files *files[KeySet] }

// OpenKeyFile reads keys as [ReadKeys] does, and from then on as they change.
// onError, which may be nil, is told of changes that cannot be read.
func OpenKeyFile(path string, onError func(error)) (*KeyFile, error) {
	f, err := openFiles(func() (KeySet, error) { return ReadKeys(path) }, onError, path)
	if err != nil {
		return nil, err
	}
	return &KeyFile{f}, nil
}

// Keys returns the present keys; nobody may change them.
func (f *KeyFile) Keys() KeySet { return f.files.get() }
