package iostreams

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/term"
)

// DefaultWidth is the width in columns that tables are laid out for when
// stdout is not a terminal or does not say how wide it is.
const DefaultWidth = 80

// DefaultHeight is the height in rows of a terminal that does not say how high
// it is.
const DefaultHeight = 24

// IOStreams holds the three standard streams and what is known of them. It is
// not safe for concurrent writes; a command has one writer.
type IOStreams struct {
	In     io.Reader
	Out    io.Writer
	ErrOut io.Writer

	stdinTTY, stdoutTTY, stderrTTY bool
	width                          func() int
	size                           func() (columns, rows int)
	color, dumb                    bool
}

// System returns the process's own streams. getenv is asked for NO_COLOR,
// CLICOLOR_FORCE, TERM and COLUMNS; pass os.Getenv.
func System(getenv func(string) string) *IOStreams {
	s := &IOStreams{
		In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr,
		stdinTTY:  isTerminal(os.Stdin),
		stdoutTTY: isTerminal(os.Stdout),
		stderrTTY: isTerminal(os.Stderr),
	}
	s.width = func() int { return terminalWidth(os.Stdout, getenv("COLUMNS")) }
	s.size = func() (columns, rows int) { return terminalSize(os.Stdout, s.width) }
	s.color, s.dumb = wantsColor(s.stdoutTTY, getenv), getenv("TERM") == "dumb"
	return s
}

// Test returns streams on buffers, none of which is a terminal.
func Test() (s *IOStreams, in, out, errOut *bytes.Buffer) {
	in, out, errOut = &bytes.Buffer{}, &bytes.Buffer{}, &bytes.Buffer{}
	s = &IOStreams{In: in, Out: out, ErrOut: errOut, width: func() int { return DefaultWidth }}
	s.size = func() (columns, rows int) { return s.width(), DefaultHeight }
	return s, in, out, errOut
}

// SetTTY makes the streams behave as terminals or not; it is for tests.
func (s *IOStreams) SetTTY(stdin, stdout, stderr bool) {
	s.stdinTTY, s.stdoutTTY, s.stderrTTY = stdin, stdout, stderr
}

// SetWidth fixes the width in columns; it is for tests.
func (s *IOStreams) SetWidth(columns int) { s.width = func() int { return columns } }

// SetSize makes the terminal as large as size says whenever it is asked; it is
// for tests.
func (s *IOStreams) SetSize(size func() (columns, rows int)) { s.size = size }

// SetColor switches colour on or off; it is for tests.
func (s *IOStreams) SetColor(on bool) { s.color = on }

// StdinTTY reports whether stdin is a terminal.
func (s *IOStreams) StdinTTY() bool { return s.stdinTTY }

// StdoutTTY reports whether stdout is a terminal.
func (s *IOStreams) StdoutTTY() bool { return s.stdoutTTY }

// StderrTTY reports whether stderr is a terminal.
func (s *IOStreams) StderrTTY() bool { return s.stderrTTY }

// Width returns the terminal's width in columns, DefaultWidth off a terminal.
func (s *IOStreams) Width() int { return s.width() }

// Size returns the terminal's size at this moment, whatever COLUMNS says.
func (s *IOStreams) Size() (columns, rows int) { return s.size() }

// Redrawable reports whether stdout is a terminal on which a Screen can be
// drawn: it is one, and not a dumb one.
func (s *IOStreams) Redrawable() bool { return s.stdoutTTY && !s.dumb }

// Clean returns text that is safe to print on stdout: on a TTY without
// escape sequences, control and bidirectional-override characters; elsewhere
// as it is.
func (s *IOStreams) Clean(text string) string {
	if !s.stdoutTTY {
		return text
	}
	return Strip(text)
}

// Infof writes one line of talk to stderr, cleaned when stderr is a TTY.
func (s *IOStreams) Infof(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if s.stderrTTY {
		line = Strip(line)
	}
	_, _ = fmt.Fprintln(s.ErrOut, line)
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

func terminalWidth(f *os.File, columns string) int {
	if n, err := strconv.Atoi(columns); err == nil && n > 0 {
		return n
	}
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
		return w
	}
	return DefaultWidth
}

func terminalSize(f *os.File, width func() int) (columns, rows int) {
	if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
		return w, h
	}
	return width(), DefaultHeight
}

// wantsColor follows no-color.org and the CLICOLOR convention.
func wantsColor(tty bool, getenv func(string) string) bool {
	switch {
	case getenv("NO_COLOR") != "":
		return false
	case getenv("CLICOLOR_FORCE") != "" && getenv("CLICOLOR_FORCE") != "0":
		return true
	default:
		return tty && getenv("TERM") != "dumb"
	}
}
