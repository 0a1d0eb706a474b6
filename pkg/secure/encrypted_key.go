package secure

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // PKCS #5 makes it the default of its derivation, in which it is not broken
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"os"
)

// ErrKeyPassword is returned for an encrypted key that the password does not
// open.
var ErrKeyPassword = errors.New("the password does not open the key")

// maxIterations bounds what a key file may demand.
const maxIterations = 2_000_000

// loadPair reads a certificate and its key, which may be an encrypted PKCS #8
// one.
func loadPair(cert, key, password string) (tls.Certificate, error) {
	if password == "" {
		return tls.LoadX509KeyPair(cert, key)
	}
	certPEM, err := os.ReadFile(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyPEM, err := os.ReadFile(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	if block, _ := pem.Decode(keyPEM); block != nil && block.Type == "ENCRYPTED PRIVATE KEY" {
		der, err := decryptPKCS8(block.Bytes, password)
		if err != nil {
			return tls.Certificate{}, err
		}
		keyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	return tls.X509KeyPair(certPEM, keyPEM)
}

// The parts of an encrypted key by PKCS #5 version 2 (RFC 8018).
type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2 struct {
	Derivation, Cipher pkix.AlgorithmIdentifier
}

type derivation struct {
	Salt       []byte
	Iterations int
	Length     int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

// decryptPKCS8 opens a key that was encrypted by PBES2 with PBKDF2 and AES, which
// is what openssl writes.
func decryptPKCS8(der []byte, password string) ([]byte, error) {
	var key encryptedKey
	var scheme pbes2
	var from derivation
	var iv []byte
	for _, parse := range []func() error{
		func() error { return parseDER(der, &key) },
		func() error { return parseDER(key.Algorithm.Parameters.FullBytes, &scheme) },
		func() error { return parseDER(scheme.Derivation.Parameters.FullBytes, &from) },
		func() error { return parseDER(scheme.Cipher.Parameters.FullBytes, &iv) },
	} {
		if err := parse(); err != nil {
			return nil, fmt.Errorf("the key is not encrypted by PBES2, as `openssl pkcs8 -topk8` does: %w", err)
		}
	}
	secret, err := from.key(password, keyLength(scheme.Cipher.Algorithm.String()))
	if err != nil {
		return nil, err
	}
	return openCBC(secret, iv, key.Data)
}

func parseDER(der []byte, into any) error {
	_, err := asn1.Unmarshal(der, into)
	return err
}

// keyLength is that of a cipher by its object identifier, 0 for one that is not
// known.
func keyLength(oid string) int {
	return map[string]int{"2.16.840.1.101.3.4.1.2": 16, "2.16.840.1.101.3.4.1.22": 24, "2.16.840.1.101.3.4.1.42": 32}[oid]
}

func (d derivation) key(password string, length int) ([]byte, error) {
	prf, known := map[string]func() hash.Hash{
		"": sha1.New, "1.2.840.113549.2.7": sha1.New, "1.2.840.113549.2.9": sha256.New,
		"1.2.840.113549.2.10": sha512.New384, "1.2.840.113549.2.11": sha512.New,
	}[d.PRF.Algorithm.String()]
	if !known || length == 0 {
		return nil, errors.New("the key is encrypted by an algorithm that is not known here: use PBKDF2 and AES-CBC")
	}
	if d.Iterations < 1 || d.Iterations > maxIterations {
		return nil, fmt.Errorf("the key wants %d iterations, which is out of bounds", d.Iterations)
	}
	return pbkdf2.Key(prf, password, d.Salt, d.Iterations, length)
}

func openCBC(secret, iv, data []byte) ([]byte, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	if len(iv) != aes.BlockSize || len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, errors.New("the encrypted key is torn")
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > aes.BlockSize {
		return nil, ErrKeyPassword
	}
	for _, b := range plain[len(plain)-pad:] {
		if int(b) != pad {
			return nil, ErrKeyPassword
		}
	}
	return plain[:len(plain)-pad], nil
}
