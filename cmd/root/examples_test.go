package root_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/clitest"
	"github.com/suokelife/suokectl/internal/lab"
)

// exits is how an example says that it does not end with 0.
var exits = regexp.MustCompile(`\s+# exits (\d+)$`)

// Every line of every example is run by a shell, as a reader would type it,
// against a lab. The commands of one noun share a lab.
func TestEveryExampleRuns(t *testing.T) {
	cmd, _ := tree()
	for _, noun := range cmd.Commands() {
		if !noun.IsAvailableCommand() || noun.Name() == "demo" {
			continue // demo's own test runs it
		}
		t.Run(noun.Name(), func(t *testing.T) {
			dir := scratch(t, noun.Name() != "lab")
			for _, c := range commands(noun) {
				if noun.Name() == "lab" { // whose verbs end it
					shell(t, dir, "suokectl lab status || suokectl lab up --detach")
				}
				runExamples(t, dir, c)
			}
			shell(t, dir, "[ "+noun.Name()+" != lab ] || suokectl lab down")
		})
	}
}

func scratch(t *testing.T, withLab bool) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/.home", 0o700); err != nil {
		t.Fatal(err)
	}
	if !withLab {
		return dir
	}
	l, err := lab.Start(context.Background(), lab.Options{StateDir: clitest.StateDir(dir)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func runExamples(t *testing.T, dir string, c *cobra.Command) {
	t.Helper()
	for line := range strings.Lines(c.Example) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		want := 0
		if m := exits.FindStringSubmatch(line); m != nil {
			want, _ = strconv.Atoi(m[1])
		}
		if got, out := shell(t, dir, line); got != want {
			t.Errorf("%s: the example\n  %s\nexits with %d, not %d:\n%s", c.CommandPath(), line, got, want, out)
		}
	}
}

func shell(t *testing.T, dir, line string) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir = dir
	cmd.Env = os.Environ()
	for key, value := range clitest.Home(dir) {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}
