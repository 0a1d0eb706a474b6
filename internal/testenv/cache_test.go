//go:build unix

package testenv

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestInstallFillsOnce(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	var fills atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			dir, err := install("engine-1", func(dir string) error {
				fills.Add(1)
				return os.WriteFile(filepath.Join(dir, "bin"), []byte("x"), 0o600)
			})
			if err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(dir, "bin")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if fills.Load() != 1 {
		t.Errorf("filled %d times", fills.Load())
	}
}

func TestInstallLeavesNothingOfAFailure(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	broken := errors.New("the registry timed out")
	_, err := install("engine-1", func(dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "half"), nil, 0o600); err != nil {
			t.Error(err)
		}
		return broken
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "engine-1") {
		t.Errorf("error %v", err)
	}
	root, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(root)
	if err != nil || len(left) != 1 || left[0].Name() != "engine-1.lock" {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	const sumOfX = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
	for name, test := range map[string]struct{ sums, want string }{
		"as pinned":         {sumOfX + "  a.jar\n", ""},
		"changed":           {strings.Repeat("0", 64) + "  a.jar\n", "a.jar has SHA-256 " + sumOfX},
		"unknown file":      {"", `pinned is ""`},
		"missing file":      {sumOfX + "  a.jar\n" + sumOfX + "  b.jar\n", "b.jar was not downloaded"},
		"not a list of sum": {"oops\n", "checksum line"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "a.jar"), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			err := verify(dir, []byte(test.sums))
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}
