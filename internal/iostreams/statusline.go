package iostreams

import (
	"fmt"
	"os"

	"golang.org/x/term"
)

// StatusLine is one line of stderr that is redrawn in place, for progress. Off
// a terminal, and on a dumb one, it draws nothing. It is not safe for
// concurrent use.
type StatusLine struct {
	ios   *IOStreams
	shown bool
}

// StatusLine returns a line that is not drawn yet.
func (s *IOStreams) StatusLine() *StatusLine { return &StatusLine{ios: s} }

// Visible reports whether Set draws anything.
func (l *StatusLine) Visible() bool { return l.ios.stderrTTY && !l.ios.dumb }

// Set draws what layout makes of the columns that there are.
func (l *StatusLine) Set(layout func(columns int) string) {
	if l.Visible() {
		_, _ = fmt.Fprint(l.ios.ErrOut, "\r"+Strip(layout(l.columns()-1))+clearLine)
		l.shown = true
	}
}

// Clear removes the line, before other text is written to stderr.
func (l *StatusLine) Clear() {
	if l.shown {
		_, _ = fmt.Fprint(l.ios.ErrOut, "\r"+clearLine)
		l.shown = false
	}
}

// columns is the width of stderr's terminal, which stdout may not be.
func (l *StatusLine) columns() int {
	if file, ok := l.ios.ErrOut.(*os.File); ok {
		if w, _, err := term.GetSize(int(file.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return l.ios.Width()
}
