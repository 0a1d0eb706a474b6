package iostreams

import (
	"io"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

// Style colours text for stdout by meaning. The zero value leaves text plain.
type Style struct {
	good, bad, warn, dim, bold *lipgloss.Style
}

// Style returns the palette for stdout; it is plain when stdout takes no
// colour. Only the sixteen basic colours are used, so that the user's own
// theme decides how they look.
func (s *IOStreams) Style() Style {
	if !s.color {
		return Style{}
	}
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(termenv.ANSI)
	fg := func(c string) *lipgloss.Style {
		st := r.NewStyle().Foreground(lipgloss.Color(c)).Inline(true)
		return &st
	}
	dim, bold := r.NewStyle().Faint(true).Inline(true), r.NewStyle().Bold(true).Inline(true)
	return Style{good: fg("2"), bad: fg("1"), warn: fg("3"), dim: &dim, bold: &bold}
}

// Good marks what is healthy or done.
func (s Style) Good(text string) string { return render(s.good, text) }

// Bad marks what failed.
func (s Style) Bad(text string) string { return render(s.bad, text) }

// Warn marks what deserves a look.
func (s Style) Warn(text string) string { return render(s.warn, text) }

// Dim marks what matters least.
func (s Style) Dim(text string) string { return render(s.dim, text) }

// Bold marks headings and names.
func (s Style) Bold(text string) string { return render(s.bold, text) }

func render(st *lipgloss.Style, text string) string {
	if st == nil || text == "" {
		return text
	}
	return st.Render(text)
}
