//go:build unix

package discover_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/suokelife/suokectl/pkg/discover"
)

// TestReadKeysDoesNotWaitForAPipe: opening one would wait for who writes it.
func TestReadKeysDoesNotWaitForAPipe(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "f"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := discover.ReadKeys(dir, ""); err == nil || !strings.Contains(err.Error(), "f: it is no regular file") {
		t.Errorf("got %v", err)
	}
}
