//go:build unix

package testenv

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// cacheDir is the folder of all installed engines.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache for engines: %w", err)
	}
	return filepath.Join(base, "suokectl", "engines"), nil
}

// install returns the folder of the engine called id (name-version), which it
// fills by calling fill with an empty folder unless that was done before.
// A failed fill leaves nothing behind.
func install(id string, fill func(dir string) error) (string, error) {
	root, err := cacheDir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("install %s: %w", id, err)
	}
	target := filepath.Join(root, id)
	if installed(target) {
		return target, nil
	}
	lock := flock.New(target + ".lock")
	if err := lock.Lock(); err != nil {
		return "", fmt.Errorf("install %s: %w", id, err)
	}
	defer lock.Close()
	if installed(target) {
		return target, nil
	}
	if err := fillAndRename(target, fill); err != nil {
		return "", fmt.Errorf("install %s: %w", id, err)
	}
	return target, nil
}

func installed(target string) bool {
	_, err := os.Stat(target)
	return err == nil
}

func fillAndRename(target string, fill func(dir string) error) (err error) {
	temp, err := os.MkdirTemp(filepath.Dir(target), "."+filepath.Base(target)+"-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(temp))
		}
	}()
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	if err := fill(temp); err != nil {
		return err
	}
	return os.Rename(temp, target)
}

// verify checks that dir holds exactly the files of sums, which is in the
// format of sha256sum: a hexadecimal digest, two spaces, a file name.
func verify(dir string, sums []byte) error {
	want := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(sums))
	for lines.Scan() {
		digest, name, ok := strings.Cut(lines.Text(), "  ")
		if !ok {
			return fmt.Errorf("checksum line %q: want digest, two spaces, name", lines.Text())
		}
		want[name] = digest
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := verifyFile(dir, entry, want[entry.Name()]); err != nil {
			return err
		}
		delete(want, entry.Name())
	}
	for name := range want {
		return fmt.Errorf("%s was not downloaded", name)
	}
	return nil
}

func verifyFile(dir string, entry fs.DirEntry, want string) error {
	file, err := os.Open(filepath.Join(dir, entry.Name()))
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return err
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != want {
		return fmt.Errorf("%s has SHA-256 %s, pinned is %q", entry.Name(), got, want)
	}
	return nil
}
