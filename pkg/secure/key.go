package secure

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
)

// The algorithms of tokens. Each key has one, and a token is checked with none
// but that of the key.
const (
	HS256 = "HS256"
	RS256 = "RS256"
	ES256 = "ES256"
	EdDSA = "EdDSA"
)

func algorithms() []string { return []string{HS256, RS256, ES256, EdDSA} }

// MinRSABits is the size of the smallest RSA key that is accepted.
const MinRSABits = 2048

// Key signs or checks tokens, or encrypts or decrypts fields; what of it a key
// can do depends on its kind and on whether it has its private half; use a pair
// for one of these alone. It never prints more than its id and algorithm. The zero Key can do nothing.
type Key struct {
	id        string
	algorithm string
	public    any // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey or []byte
	private   any // its private half, the same []byte, or nil
	sum       [sha256.Size]byte
}

// ID returns what tokens and ciphertexts call the key, their kid. Both halves of
// a pair have the same: the first 16 hexadecimal digits of the SHA-256 of the
// public key in DER, unless a JWKS names it. A shared secret has none, as the
// specification's tokens have none.
func (k Key) ID() string { return k.id }

// Algorithm returns how the key signs: HS256, RS256, ES256 or EdDSA.
func (k Key) Algorithm() string { return k.algorithm }

// CanSign reports whether the key has its private half.
func (k Key) CanSign() bool { return k.private != nil }

// String names the key and shows nothing of it.
func (k Key) String() string { return fmt.Sprintf("%s key %q", k.algorithm, k.id) }

// GoString keeps the key out of %#v.
func (k Key) GoString() string { return k.String() }

// LogValue keeps the key out of logs.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Format keeps the key out of every verb of package fmt.
func (k Key) Format(s fmt.State, _ rune) { fmt.Fprint(s, k.String()) }

// SecretKey returns the HS256 key of a secret that services share. It is an
// error when it is empty, or a public key: taken for a secret, it would let
// anybody sign.
func SecretKey(secret []byte) (Key, error) {
	if len(secret) == 0 {
		return Key{}, errors.New("the shared secret is empty")
	}
	if isPublic(secret) {
		return Key{}, errors.New("a public key is no shared secret")
	}
	return Key{algorithm: HS256, public: secret, private: secret, sum: sha256.Sum256(secret)}, nil
}

// isPublic reports whether a text is a public key, in PEM or in the base64 of it.
func isPublic(text []byte) bool {
	if block, _ := pem.Decode(text); block != nil {
		return true
	}
	der, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return false
	}
	_, err = x509.ParsePKIXPublicKey(der)
	return err == nil
}

// GenerateKey makes a new key pair for RS256, ES256 or EdDSA. bits is the size
// of an RSA key, at least 2048, and means nothing to the others.
func GenerateKey(algorithm string, bits int) (Key, error) {
	switch algorithm {
	case RS256:
		if bits < MinRSABits {
			return Key{}, fmt.Errorf("an RSA key of %d bits is too weak: %d at least", bits, MinRSABits)
		}
		return generated(rsa.GenerateKey(rand.Reader, bits))
	case ES256:
		return generated(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	case EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return generated(private, err)
	default:
		return Key{}, fmt.Errorf("no key pair can be made for the algorithm %q", algorithm)
	}
}

func generated[P crypto.Signer](private P, err error) (Key, error) {
	if err != nil {
		return Key{}, fmt.Errorf("make a key: %w", err)
	}
	return newKey(private)
}

// newKey makes a key of a private or a public one.
func newKey(half any) (Key, error) {
	k := Key{public: half}
	if signer, ok := half.(crypto.Signer); ok {
		k.public, k.private = signer.Public(), half
	}
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < MinRSABits {
			return Key{}, fmt.Errorf("an RSA key of %d bits is too weak: %d at least", public.N.BitLen(), MinRSABits)
		}
		k.algorithm = RS256
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return Key{}, fmt.Errorf("the curve %s is not P-256, the one that ES256 uses", public.Params().Name)
		}
		k.algorithm = ES256
	case ed25519.PublicKey:
		k.algorithm = EdDSA
	default:
		return Key{}, fmt.Errorf("a key of type %T is of no use here: RSA, ECDSA P-256 and Ed25519 are", k.public)
	}
	der, err := x509.MarshalPKIXPublicKey(k.public)
	if err != nil {
		return Key{}, fmt.Errorf("encode the public key: %w", err)
	}
	k.sum = sha256.Sum256(der)
	k.id = hex.EncodeToString(k.sum[:8])
	return k, nil
}

// Public returns the key without its private half. A shared secret has no other
// half and becomes the zero Key.
func (k Key) Public() Key {
	if k.algorithm == HS256 {
		return Key{}
	}
	k.private = nil
	return k
}

// MarshalPEM returns the private half in PKCS #8, or the public key in PKIX when
// there is none. A shared secret has no PEM form.
func (k Key) MarshalPEM() ([]byte, error) {
	if k.public == nil || k.algorithm == HS256 {
		return nil, fmt.Errorf("%s has no PEM form", k)
	}
	kind, marshal, half := "PUBLIC KEY", x509.MarshalPKIXPublicKey, k.public
	if k.private != nil {
		kind, marshal, half = "PRIVATE KEY", x509.MarshalPKCS8PrivateKey, k.private
	}
	der, err := marshal(half)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), nil
}
