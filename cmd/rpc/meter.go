package rpc

import (
	"fmt"

	"github.com/charmbracelet/x/ansi"

	"github.com/suokelife/suokectl/internal/iostreams"
)

// meter shows on one line of stderr how a run goes, on a terminal alone. One
// goroutine may use it at a time.
type meter struct {
	ios   *iostreams.IOStreams
	shown bool
}

// clearLine goes back to the beginning of the line and clears it.
const clearLine = "\r\x1b[K"

func (m *meter) show(line string) {
	if !m.ios.StderrTTY() {
		return
	}
	m.shown = true
	_, _ = fmt.Fprint(m.ios.ErrOut, clearLine, ansi.Truncate(line, m.ios.Width()-1, "…")) // talk, as of Infof
}

func (m *meter) close() {
	if m.shown {
		_, _ = fmt.Fprint(m.ios.ErrOut, clearLine)
	}
}
