//go:build unix

package testenv

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Python returns a Python interpreter whose virtual environment holds what the
// file requirements lists. Every line of it is pinned with its hashes.
func Python(t testing.TB, requirements string) string {
	t.Helper()
	python, err := installPython(requirements)
	if err != nil {
		t.Fatal(err)
	}
	return python
}

func installPython(requirements string) (string, error) {
	path, err := filepath.Abs(requirements)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("install python: %w", err)
	}
	sum := sha256.Sum256(text)
	home, err := install("python-"+hex.EncodeToString(sum[:6]), func(dir string) error {
		// A virtual environment holds its own path, but its interpreter is a
		// link that works after the renaming; pip is called through it.
		if err := run(dir, nil, "python3", "-m", "venv", dir); err != nil {
			return err
		}
		return retry(func() error {
			return run(dir, nil, filepath.Join(dir, "bin", "python"), "-m", "pip", "install",
				"--quiet", "--require-hashes", "--only-binary=:all:", "-r", path)
		})
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(home, "bin", "python"), nil
}
