package secure_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/suokelife/suokectl/internal/apitest"
	"github.com/suokelife/suokectl/pkg/secure"
)

var update = flag.Bool("update", false, "rewrite testdata/api.txt")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAPI(t *testing.T) { apitest.Golden(t, ".", *update) }

// writeFile makes a file in a folder of its own.
func writeFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	replaceFile(t, path, content)
	return path
}

// replaceFile replaces a file as rotations do, by a rename.
func replaceFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func generate(t testing.TB, algorithm string) secure.Key {
	t.Helper()
	k, err := secure.GenerateKey(algorithm, secure.MinRSABits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func pemOf(t testing.TB, k secure.Key) string {
	t.Helper()
	text, err := k.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func fixed(keys ...secure.Key) func() secure.KeySet {
	return func() secure.KeySet { return keys }
}
