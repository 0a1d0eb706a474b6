package secure

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Errors of field encryption.
var (
	// ErrDecrypt says that a text cannot be decrypted. It never says why: whether
	// the key or the bytes are wrong is of use to an attacker alone.
	ErrDecrypt = errors.New("the text cannot be decrypted: it is damaged, or was encrypted for another key or context")
	// ErrKeyKind says that a key is of another kind than the work needs.
	ErrKeyKind = errors.New("fields are encrypted with RSA keys, and decrypted with their private halves")
)

// TooLongError says that a plaintext is too long for RSA-OAEP.
type TooLongError struct {
	// Length and Limit are in bytes.
	Length, Limit int
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("%d bytes are too many for RSA-OAEP, which takes %d with this key: use the hybrid form", e.Length, e.Limit)
}

// Encrypt encrypts as the specification's sample does (C1): RSA-OAEP with
// SHA-256, MGF1 with SHA-256 and no label, in standard base64. It takes the key's
// size less 66 bytes, 190 for 2048 bits; more is a [*TooLongError].
func (k Key) Encrypt(plaintext []byte) (string, error) {
	sealed, err := k.wrap(plaintext)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

// wrap is RSA-OAEP.
func (k Key) wrap(plaintext []byte) ([]byte, error) {
	public, ok := k.public.(*rsa.PublicKey)
	if !ok {
		return nil, ErrKeyKind
	}
	if limit := public.Size() - 2*sha256.Size - 2; len(plaintext) > limit {
		return nil, &TooLongError{Length: len(plaintext), Limit: limit}
	}
	sealed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public, plaintext, nil)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return sealed, nil
}

// Decrypt decrypts what [Key.Encrypt], the specification's sample or
// [Key.EncryptHybrid] made, and tells them apart by themselves. The context is
// that of EncryptHybrid, nil otherwise. A hybrid text is tried with the key that
// it names, the other form, which names none, with each. Errors are [ErrDecrypt],
// or [ErrKeyKind] when no key can decrypt at all.
func (s KeySet) Decrypt(text string, context []byte) ([]byte, error) {
	var private KeySet
	for _, k := range s {
		if _, ok := k.private.(*rsa.PrivateKey); ok {
			private = append(private, k)
		}
	}
	if len(private) == 0 {
		return nil, ErrKeyKind
	}
	text = strings.TrimSpace(text)
	if strings.Contains(text, ".") {
		return private.decryptHybrid(text, context)
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(context) > 0 { // to a context only the hybrid form is bound
		return nil, ErrDecrypt
	}
	return private.unwrap(sealed)
}

// unwrap is the inverse of wrap, by any of the keys.
func (s KeySet) unwrap(sealed []byte) ([]byte, error) {
	for _, k := range s {
		private, ok := k.private.(*rsa.PrivateKey)
		if !ok {
			continue
		}
		if plaintext, err := rsa.DecryptOAEP(sha256.New(), nil, private, sealed, nil); err == nil {
			return plaintext, nil
		}
	}
	return nil, ErrDecrypt
}
