//go:build unix

package testenv

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell launches a script and waits until it has made the file up.
func shell(t *testing.T, script string) (*process, string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = dir
	p, err := launch(dir, "engine", cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	err = p.awaitReady(func(context.Context) error {
		_, err := os.Stat(filepath.Join(dir, "up"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, dir
}

func TestStopEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	p, dir := shell(t, `sleep 1000 & echo $! > child; trap 'echo bye; exit 0' TERM; touch up; wait`)
	p.stop()
	p.stop() // twice is once
	if got := string(p.tail()); !strings.Contains(got, "bye") {
		t.Errorf("it was not asked to end; log %q", got)
	}
	text, err := os.ReadFile(filepath.Join(dir, "child"))
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); running(child); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the engine's child outlived it")
		}
	}
}

// running reports whether a process exists and is no zombie that waits for init.
func running(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return syscall.Kill(pid, 0) == nil
	}
	return !strings.Contains(string(stat), ") Z ")
}

func TestAwaitReadyTellsOfAnEarlyEnd(t *testing.T) {
	t.Parallel()
	p, err := launch(t.TempDir(), "engine", exec.Command("sh", "-c", "echo the port is taken; exit 3"))
	if err != nil {
		t.Fatal(err)
	}
	err = p.awaitReady(func(context.Context) error { return errors.New("not yet") })
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("error %v", err)
	}
}

func TestLaunchNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := launch(t.TempDir(), "engine", exec.Command("/does/not/exist")); err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("error %v", err)
	}
}

func TestFreePortsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for range 50 {
		port := freePort()
		if seen[port] {
			t.Fatalf("port %d twice", port)
		}
		seen[port] = true
	}
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		n    int
		want string
	}{
		{"", 3, ""}, {"a", 3, "a"}, {"a\nb\nc\n", 2, "b\nc"}, {"a\nb\n", 2, "a\nb"}, {"\n\na\n", 1, "a"}, {"", 0, ""}, {"a\nb", 5, "a\nb"},
	} {
		if got := string(lastLines([]byte(test.text), test.n)); got != test.want {
			t.Errorf("last %d lines of %q: %q, want %q", test.n, test.text, got, test.want)
		}
	}
}
