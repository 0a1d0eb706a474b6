package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
)

const (
	patience = 10 * time.Second       // how long a step that waits is repeated
	pause    = 100 * time.Millisecond // between two of its runs
)

// chapter is a part of the story.
type chapter struct {
	title string
	steps []step
}

// step is one command line, with what must be true of it.
type step struct {
	// says what the reader is about to see.
	says string
	// file is written before the command runs, and shown.
	file, content string
	// args is the command line after "suokectl".
	args []string
	// exit is the exit code that the command must end with.
	exit int
	// shows are patterns that the output must match.
	shows []string
	// waits repeats the command until it ends with exit and shows all, and
	// then tells of the last run.
	waits bool
}

// teller runs steps by this very program, in a folder of their own, and shows
// them.
type teller struct {
	ios *iostreams.IOStreams
	dir string
}

func newTeller(ios *iostreams.IOStreams, dir string) *teller { return &teller{ios: ios, dir: dir} }

func (t *teller) stateHome() string { return filepath.Join(t.dir, ".state") }

func (t *teller) tell(ctx context.Context, c chapter) error {
	if err := output.Text(t.ios, "%s\n\n", t.ios.Style().Bold("── "+c.title+" "+strings.Repeat("─", max(0, 74-len(c.title))))); err != nil {
		return err
	}
	for _, s := range c.steps {
		if err := t.show(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (t *teller) show(ctx context.Context, s step) error {
	style := t.ios.Style()
	var intro strings.Builder
	if s.says != "" {
		intro.WriteString(style.Dim("# "+s.says) + "\n")
	}
	if s.file != "" {
		if err := t.write(s.file, s.content); err != nil {
			return err
		}
		intro.WriteString("$ cat " + s.file + "\n" + s.content)
	}
	intro.WriteString(style.Bold("$ "+commandLine(s.args)) + "\n")
	if err := output.Text(t.ios, "%s", intro.String()); err != nil {
		return err
	}
	shown, untrue := t.until(ctx, s)
	if err := output.Text(t.ios, "%s\n", shown); err != nil {
		return err
	}
	return untrue
}

func (t *teller) write(name, content string) error {
	path := filepath.Join(t.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o600)
}

// until runs the step, again and again when it waits, and returns what it
// printed and in what way it is not true.
func (t *teller) until(ctx context.Context, s step) (string, error) {
	deadline := time.Now().Add(patience)
	next := time.NewTicker(pause)
	defer next.Stop()
	for {
		shown, code, err := t.run(ctx, s.args)
		if err != nil {
			return shown, err
		}
		untrue := s.holds(shown, code)
		if untrue == nil || !s.waits || time.Now().After(deadline) {
			return shown, untrue
		}
		select {
		case <-next.C:
		case <-ctx.Done():
			return shown, context.Cause(ctx)
		}
	}
}

// holds returns nil when the command ended and printed as the story says.
func (s step) holds(shown string, code int) error {
	if code != s.exit {
		return s.untrue(fmt.Sprintf("it exits with %d, not %d", code, s.exit))
	}
	for _, pattern := range s.shows {
		if !regexp.MustCompile(pattern).MatchString(plain(shown)) {
			return s.untrue(fmt.Sprintf("its output does not match %q", pattern))
		}
	}
	return nil
}

func (s step) untrue(why string) error {
	return failure.WithHint(fmt.Errorf("this step is not true: `%s`: %s", commandLine(s.args), why),
		"the output above is what the command said")
}

// run executes the program with args and returns what it printed to both
// streams, in the order it came.
func (t *teller) run(ctx context.Context, args []string) (string, int, error) {
	self, err := os.Executable()
	if err != nil {
		return "", 0, err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Dir = t.dir
	cmd.Env = t.environment()
	var shown bytes.Buffer
	cmd.Stdout, cmd.Stderr = &shown, &shown
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return shown.String(), 0, err
	}
	if ctx.Err() != nil {
		return shown.String(), 0, context.Cause(ctx)
	}
	return shown.String(), cmd.ProcessState.ExitCode(), nil
}

// environment keeps the user's own contexts and variables out of the story.
func (t *teller) environment() []string {
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "SUOKECTL_") && !strings.HasPrefix(pair, "XDG_") && !strings.HasPrefix(pair, "NO_COLOR=") {
			env = append(env, pair)
		}
	}
	env = append(env,
		"XDG_STATE_HOME="+t.stateHome(),
		"XDG_CONFIG_HOME="+filepath.Join(t.dir, ".config"),
		"XDG_CACHE_HOME="+filepath.Join(t.dir, ".cache"),
		"COLUMNS="+strconv.Itoa(t.ios.Width()))
	if t.ios.Style().Bold("x") != "x" {
		return append(env, "CLICOLOR_FORCE=1")
	}
	return append(env, "NO_COLOR=1")
}

func plain(text string) string { return iostreams.Strip(text) }

// commandLine shows args as a shell wants them typed.
func commandLine(args []string) string {
	words := []string{"suokectl"}
	for _, arg := range args {
		if arg == "" || strings.ContainsAny(arg, " \"'{}$*?;&|<>()#") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}
