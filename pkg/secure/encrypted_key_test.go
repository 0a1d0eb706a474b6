package secure_test

import (
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/suokelife/suokectl/pkg/secure"
)

// The keys were written by `openssl pkcs8 -topk8`, with the password hush.
func TestEncryptedKeys(t *testing.T) {
	const dir = "testdata/encrypted/"
	for _, name := range []string{"aes128-sha512.pem", "aes192-sha1.pem", "aes256-sha256.pem", "plain.pem"} {
		c := secure.ClientTLS{Cert: dir + "cert.pem", Key: dir + name, KeyPassword: "hush"}
		if _, err := c.Config(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "plain.pem" {
			continue
		}
		c.KeyPassword = "wrong"
		if _, err := c.Config(); err == nil {
			t.Errorf("%s opens with a wrong password", name)
		} else if !errors.Is(err, secure.ErrKeyPassword) {
			t.Logf("%s: %v", name, err) // the padding was right by chance
		}
		c.KeyPassword = ""
		if _, err := c.Config(); err == nil {
			t.Errorf("%s opens without a password", name)
		}
	}
}

func FuzzEncryptedKey(f *testing.F) {
	for _, name := range []string{"aes128-sha512.pem", "aes192-sha1.pem", "aes256-sha256.pem"} {
		text, err := os.ReadFile("testdata/encrypted/" + name)
		if err != nil {
			f.Fatal(err)
		}
		block, _ := pem.Decode(text)
		f.Add(block.Bytes)
	}
	f.Add([]byte{0x30, 0x00})
	f.Fuzz(func(t *testing.T, der []byte) {
		key := filepath.Join(t.TempDir(), "key.pem")
		if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		config, err := secure.ClientTLS{Cert: "testdata/encrypted/cert.pem", Key: key, KeyPassword: "hush"}.Config()
		if (config == nil) == (err == nil) {
			t.Errorf("%v and %v", config, err)
		}
	})
}
