package rpc

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/rpc/load"
)

// meter shows on one line of stderr how a run goes, on a terminal alone.
type meter struct {
	ios    *iostreams.IOStreams
	config load.Config
	shown  bool
}

func newMeter(ios *iostreams.IOStreams, c load.Config) *meter { return &meter{ios: ios, config: c} }

// clearLine goes back to the beginning of the line and clears it.
const clearLine = "\r\x1b[K"

func (m *meter) show(p load.Progress) {
	if !m.ios.StderrTTY() {
		return
	}
	m.shown = true
	line := ansi.Truncate(m.line(p), m.ios.Width()-1, "…")
	_, _ = fmt.Fprint(m.ios.ErrOut, clearLine, line) // talk, as of Infof
}

func (m *meter) line(p load.Progress) string {
	parts := []string{m.when(p)}
	if p.Warming {
		parts = append(parts, "warming up")
	}
	parts = append(parts,
		number(p.Calls)+" calls", fmt.Sprintf("%s/s", number(int(p.Rate))), number(p.Failed)+" failed",
		"p50 "+p.P50.Round(time.Microsecond).String(), "p99 "+p.P99.Round(time.Microsecond).String(),
	)
	if p.Missed > 0 {
		parts = append(parts, number(p.Missed)+" missed")
	}
	return strings.Join(parts, "  ")
}

func (m *meter) when(p load.Progress) string {
	text := p.Elapsed.Round(time.Second / 10).String()
	if total := m.config.Duration; total > 0 {
		text += " of " + (m.config.Warmup + total).String()
	}
	return text
}

func (m *meter) close() {
	if m.shown {
		_, _ = fmt.Fprint(m.ios.ErrOut, clearLine)
	}
}
