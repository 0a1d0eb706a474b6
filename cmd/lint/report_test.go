package lint_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/suokelife/suokectl/cmd/lint"
	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
)

// TestHostileText shows that a terminal sees no control sequence of a file, and
// that a pipe gets the text as it is.
func TestHostileText(t *testing.T) {
	for _, tty := range []bool{true, false} {
		ios, _, out, errOut := iostreams.Test()
		ios.SetTTY(false, tty, tty)
		dir := t.TempDir()
		t.Chdir(dir)
		name := filepath.Join(dir, "topics.txt")
		if err := os.WriteFile(name, []byte("dev.\x1b]0;evil\x07.b.v1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := lint.NewCmdLint(&app.Factory{IO: ios, Getenv: func(string) string { return "" }, Dir: dir}, nil)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs([]string{"topics.txt"})
		if err := cmd.ExecuteContext(t.Context()); !failure.IsSilent(err) || failure.Code(t.Context(), err) != failure.CodeFindings {
			t.Errorf("tty %v: %v (%s)", tty, err, errOut)
		}
		hasControl := strings.Contains(out.String(), "\x07")
		if hasControl == tty {
			t.Errorf("tty %v: %q", tty, out)
		}
	}
}

func TestClosedStdout(t *testing.T) {
	ios, _, _, _ := iostreams.Test()
	ios.Out = closed{}
	cmd := lint.NewCmdLint(&app.Factory{IO: ios, Getenv: func(string) string { return "" }, Dir: t.TempDir()}, nil)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"topics", "x"})
	if err := cmd.ExecuteContext(t.Context()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
