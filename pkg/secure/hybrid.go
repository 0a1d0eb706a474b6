package secure

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// The hybrid form is a JWE in compact serialization (RFC 7516), so that every
// JOSE library reads it:
//
//	header . wrapped key . nonce . ciphertext . tag
//
// each in base64url. The header is
//
//	{"alg":"RSA-OAEP-256","enc":"A256GCM","typ":"field+v1","kid":"…","ctx":"…"}
//
// alg wraps a fresh 256-bit key exactly as C1 encrypts a field; enc encrypts the
// plaintext with it, the header's text being the additional data. typ is the
// version of this form. kid names the RSA key. ctx is there when a context was
// given and is its SHA-256 in base64url: the header is authenticated, and so the
// context is bound to the text.
const (
	hybridWrap    = "RSA-OAEP-256"
	hybridCipher  = "A256GCM"
	hybridVersion = "field+v1"
	hybridKeySize = 32
)

type hybridHeader struct {
	Alg string `json:"alg"`
	Enc string `json:"enc"`
	Typ string `json:"typ,omitempty"`
	Kid string `json:"kid,omitempty"`
	Ctx string `json:"ctx,omitempty"`
	// Zip and Crit ask for what is not done here.
	Zip  string   `json:"zip,omitempty"`
	Crit []string `json:"crit,omitempty"`
}

// EncryptHybrid encrypts a plaintext of any length: AES-256-GCM under a fresh key
// that is wrapped by RSA-OAEP, as a JWE. The text names the key's id. context,
// which may be nil, is not in it and must be given again for decrypting: such as
// the id of the record that the field belongs to, so that nobody can move the
// text to another.
func (k Key) EncryptHybrid(plaintext, context []byte) (string, error) {
	header, err := json.Marshal(hybridHeader{
		Alg: hybridWrap, Enc: hybridCipher, Typ: hybridVersion, Kid: k.id, Ctx: digest(context),
	})
	if err != nil {
		return "", fmt.Errorf("encrypt: %w", err)
	}
	fresh := make([]byte, hybridKeySize)
	_, _ = rand.Read(fresh) // which cannot fail
	wrapped, err := k.wrap(fresh)
	if err != nil {
		return "", err
	}
	gcm, err := newGCM(fresh)
	if err != nil {
		return "", fmt.Errorf("encrypt: %w", err)
	}
	nonce := make([]byte, gcm.NonceSize())
	_, _ = rand.Read(nonce)
	encode := base64.RawURLEncoding.EncodeToString
	protected := encode(header)
	sealed := gcm.Seal(nil, nonce, plaintext, []byte(protected))
	body, tag := sealed[:len(plaintext)], sealed[len(plaintext):]
	return strings.Join([]string{protected, encode(wrapped), encode(nonce), encode(body), encode(tag)}, "."), nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func digest(context []byte) string {
	if len(context) == 0 {
		return ""
	}
	sum := sha256.Sum256(context)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// decryptHybrid is the inverse of EncryptHybrid. The receiver has RSA keys only.
func (s KeySet) decryptHybrid(text string, context []byte) ([]byte, error) {
	protected, rest, _ := strings.Cut(text, ".")
	parts, ok := decodeParts(rest)
	if !ok {
		return nil, ErrDecrypt
	}
	header, ok := readHybridHeader(protected)
	if !ok || subtle.ConstantTimeCompare([]byte(header.Ctx), []byte(digest(context))) == 0 {
		return nil, ErrDecrypt
	}
	key, err := s.named(header.Kid).unwrap(parts[0])
	if err != nil || len(key) != hybridKeySize {
		return nil, ErrDecrypt
	}
	gcm, err := newGCM(key)
	if err != nil || len(parts[1]) != gcm.NonceSize() || len(parts[3]) != gcm.Overhead() {
		return nil, ErrDecrypt
	}
	plaintext, err := gcm.Open(nil, parts[1], append(parts[2], parts[3]...), []byte(protected))
	if err != nil {
		return nil, ErrDecrypt
	}
	return plaintext, nil
}

// decodeParts returns the wrapped key, the nonce, the ciphertext and the tag.
func decodeParts(text string) (parts [4][]byte, ok bool) {
	split := strings.Split(text, ".")
	if len(split) != len(parts) {
		return parts, false
	}
	for i, part := range split {
		decoded, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil {
			return parts, false
		}
		parts[i] = decoded
	}
	return parts, true
}

func readHybridHeader(protected string) (h hybridHeader, ok bool) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(protected)
	if err != nil || json.Unmarshal(text, &h) != nil {
		return h, false
	}
	return h, h.Alg == hybridWrap && h.Enc == hybridCipher && (h.Typ == "" || h.Typ == hybridVersion) && h.Zip == "" && h.Crit == nil
}

// named returns the keys of an id, all of them for none.
func (s KeySet) named(id string) KeySet {
	if id == "" {
		return s
	}
	var found KeySet
	for _, k := range s {
		if k.id == id {
			found = append(found, k)
		}
	}
	return found
}
