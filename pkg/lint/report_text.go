package lint

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Style makes a text report fit for a terminal. Each function may be nil.
type Style struct {
	// Clean makes text of files safe to print.
	Clean func(string) string
	// Bold, Dim, Bad and Warn colour text.
	Bold, Dim, Bad, Warn func(string) string
}

func apply(f func(string) string, text string) string {
	if f == nil {
		return text
	}
	return f(text)
}

// WriteText writes the findings for people: place, severity, message and rule,
// the line with a mark under the defect, and what to do.
func (r *Report) WriteText(w io.Writer, style Style) error {
	b := bufio.NewWriter(w)
	for i, f := range r.Findings {
		if i > 0 {
			_, _ = b.WriteString("\n")
		}
		r.writeFinding(b, style, f)
	}
	return b.Flush() // bufio keeps the first error
}

func (r *Report) writeFinding(b *bufio.Writer, style Style, f Finding) {
	colour := style.Bad
	if f.Severity == Warning {
		colour = style.Warn
	}
	_, _ = fmt.Fprintf(b, "%s: %s %s %s\n", apply(style.Bold, place(style, f)),
		apply(colour, string(f.Severity)+":"), apply(style.Clean, f.Message), apply(style.Dim, "["+f.Rule+"]"))
	r.writeLine(b, style, f, colour)
	if f.Fix != "" {
		_, _ = fmt.Fprintf(b, "  fix: %s\n", apply(style.Clean, f.Fix))
	}
}

func place(style Style, f Finding) string {
	name := apply(style.Clean, f.File)
	if f.Span.Start.Line == 0 {
		return name
	}
	return fmt.Sprintf("%s:%d:%d", name, f.Span.Start.Line, f.Span.Start.Column)
}

// maxLine is how many columns of a line are shown.
const maxLine = 100

func (r *Report) writeLine(b *bufio.Writer, style Style, f Finding, colour func(string) string) {
	source := r.sources[f.File]
	if source == nil || f.Span.Start.Line == 0 {
		return
	}
	line := source.Line(f.Span.Start.Line)
	start := min(f.Span.Start.Column-1, len(line))
	end := len(line)
	if f.Span.End.Line == f.Span.Start.Line {
		end = min(f.Span.End.Column-1, len(line))
	}
	before, marked, after := excerpt(style, line, start, end)
	number := fmt.Sprintf("%5d", f.Span.Start.Line)
	_, _ = fmt.Fprintf(b, "%s %s%s%s\n", apply(style.Dim, number+" |"), before, marked, after)
	mark := "^" + strings.Repeat("~", max(0, width(marked)-1))
	_, _ = fmt.Fprintf(b, "%s %s%s\n", apply(style.Dim, "      |"), strings.Repeat(" ", width(before)), apply(colour, mark))
}

// excerpt cuts a line into what is before, in and behind the marked bytes, as
// it is to be printed, and shortens what is too long.
func excerpt(style Style, line []byte, start, end int) (before, marked, after string) {
	show := func(text []byte) string {
		return strings.ReplaceAll(apply(style.Clean, strings.ToValidUTF8(string(text), "\ufffd")), "\t", "    ")
	}
	before, marked, after = show(line[:start]), show(line[start:end]), show(line[end:])
	if width(before) > maxLine/2 {
		before = "…" + lastRunes(before, maxLine/2)
	}
	if width(marked) > maxLine/2 {
		marked, after = firstRunes(marked, maxLine/2)+"…", ""
	}
	if room := maxLine - width(before) - width(marked); width(after) > room {
		after = firstRunes(after, max(0, room)) + "…"
	}
	return before, marked, after
}

func firstRunes(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

func lastRunes(s string, n int) string {
	i := len(s)
	for ; n > 0 && i > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(s[:i])
		i -= size
	}
	return s[i:]
}

// width is the number of terminal columns of a text: two for each of the wide
// characters of East Asian scripts (Unicode Standard Annex 11) and for emoji.
func width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case r < 0x1100:
			n++
		case r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
			r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6,
			r >= 0x1f300 && r <= 0x1f64f, r >= 0x1f900 && r <= 0x1f9ff, r >= 0x20000 && r <= 0x3fffd:
			n += 2
		default:
			n++
		}
	}
	return n
}
