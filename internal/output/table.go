package output

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/suokelife/suokectl/internal/iostreams"
)

const (
	gap      = 2  // columns between cells
	minWidth = 6  // what a column keeps when the terminal is too narrow
	beneath  = -1 // the width of a column that is shown beneath the row
	maxLines = 4  // of what is shown beneath a row
	indent   = 4  // of the same
)

var oneLine = strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ", "\r", " ")

// cell is raw text made fit for one table cell.
func cell(ios *iostreams.IOStreams, text string) string {
	return oneLine.Replace(ios.Clean(text))
}

func writeTable[T any](w io.Writer, ios *iostreams.IOStreams, cols []Column[T], items []T) error {
	rows := layOut(ios, cols, items)
	widths := fit(ios, cols, rows)
	if err := writeHeader(w, ios, cols, widths); err != nil {
		return err
	}
	for i, row := range rows {
		if err := writeRow(w, ios, cols, widths, items[i], row); err != nil {
			return err
		}
	}
	return nil
}

func layOut[T any](ios *iostreams.IOStreams, cols []Column[T], items []T) [][]string {
	rows := make([][]string, len(items))
	for i, item := range items {
		rows[i] = make([]string, len(cols))
		for j, c := range cols {
			rows[i][j] = cell(ios, c.Value(item))
		}
	}
	return rows
}

// fit returns each column's width. On a terminal that is too narrow the
// widest columns give way first, after those that can go beneath the row, and
// those to be kept whole after all others; a pipe gets every cell whole.
func fit[T any](ios *iostreams.IOStreams, cols []Column[T], rows [][]string) []int {
	widths := make([]int, len(cols))
	for j, c := range cols {
		widths[j] = ansi.StringWidth(c.Name)
		for _, row := range rows {
			widths[j] = max(widths[j], ansi.StringWidth(row[j]))
		}
	}
	if !ios.StdoutTTY() {
		return widths
	}
	for j, c := range cols {
		if over := total(widths) - ios.Width(); over > 0 && c.Room > 0 && widths[j]-over < c.Room {
			widths[j] = beneath
		}
	}
	for over := total(widths) - ios.Width(); over > 0; over-- {
		giving := widest(widths, func(j int) bool { return !cols[j].Whole })
		if giving < 0 {
			giving = widest(widths, func(int) bool { return true })
		}
		if giving < 0 {
			break
		}
		widths[giving]--
	}
	return widths
}

// widest is the widest of the columns that may and can give way, -1 when none.
func widest(widths []int, may func(int) bool) int {
	found := -1
	for j, width := range widths {
		if width > minWidth && may(j) && (found < 0 || width > widths[found]) {
			found = j
		}
	}
	return found
}

func total(widths []int) int {
	sum := -gap
	for _, w := range widths {
		if w != beneath {
			sum += w + gap
		}
	}
	return sum
}

// last is the index of the last column that stands in the row.
func last(widths []int) int {
	for j, w := range slices.Backward(widths) {
		if w != beneath {
			return j
		}
	}
	return -1
}

func writeHeader[T any](w io.Writer, ios *iostreams.IOStreams, cols []Column[T], widths []int) error {
	var cells []string
	for j, c := range cols {
		if widths[j] != beneath {
			cells = append(cells, ios.Style().Bold(pad(c.Name, widths[j], j == last(widths))))
		}
	}
	return writeLine(w, cells)
}

func writeRow[T any](w io.Writer, ios *iostreams.IOStreams, cols []Column[T], widths []int, item T, row []string) error {
	var cells, below []string
	for j, c := range cols {
		style := func(text string) string { return text }
		if c.Style != nil {
			style = func(text string) string { return c.Style(ios.Style(), item, text) }
		}
		text := row[j]
		if widths[j] == beneath {
			for _, line := range wrap(text, ios.Width()-indent) {
				below = append(below, strings.Repeat(" ", indent)+style(line))
			}
			continue
		}
		if c.Whole {
			text = shorten(text, widths[j])
		}
		cells = append(cells, style(pad(text, widths[j], j == last(widths))))
	}
	if err := writeLine(w, cells); err != nil || len(below) == 0 {
		return err
	}
	_, err := fmt.Fprintln(w, strings.Join(below, "\n"))
	return err
}

// wrap breaks text into lines, as many as are shown; no text is none.
func wrap(text string, width int) []string {
	if text == "" {
		return nil
	}
	width = max(width, minWidth)
	text = ansi.Truncate(text, width*(maxLines+1), "") // of what may be megabytes
	lines := strings.Split(ansi.Wrap(text, width, ""), "\n")
	if len(lines) > maxLines {
		lines = lines[:maxLines]
		lines[maxLines-1] = ansi.Truncate(lines[maxLines-1], width-1, "") + "…"
	}
	return lines
}

func writeLine(w io.Writer, cells []string) error {
	_, err := fmt.Fprintln(w, strings.Join(cells, strings.Repeat(" ", gap)))
	return err
}

// shorten fits a name to width, and keeps its end, which tells it from its
// neighbours: a.b.v1 from a.b.v1.dlq.
func shorten(name string, width int) string {
	over := ansi.StringWidth(name) - width
	if over <= 0 || width < 2 {
		return name
	}
	head := (width - 1) / 2
	return ansi.Truncate(name, head, "") + ansi.TruncateLeft(name, head+over+1, "…")
}

// pad fits text to width; the last column gets no trailing spaces.
func pad(text string, width int, last bool) string {
	text = ansi.Truncate(text, width, "…")
	if last {
		return text
	}
	return text + strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
}

func writeFields[T any](w io.Writer, ios *iostreams.IOStreams, cols []Column[T], item T) error {
	label := 0
	for _, c := range cols {
		label = max(label, len(c.Name)+1)
	}
	for _, c := range cols {
		lines := []string{cell(ios, c.Value(item))}
		if ios.StdoutTTY() {
			lines = fold(lines[0], ios.Width()-label-1)
		}
		name := ios.Style().Bold(pad(c.Name+":", label, false))
		for _, line := range lines {
			if c.Style != nil {
				line = c.Style(ios.Style(), item, line)
			}
			if _, err := fmt.Fprintf(w, "%s %s\n", name, line); err != nil {
				return err
			}
			name = strings.Repeat(" ", label)
		}
	}
	return nil
}

// fold breaks text between its words. A longer word is left to the terminal, so
// that it can be copied from there.
func fold(text string, width int) []string {
	if ansi.StringWidth(text) <= width {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case ansi.StringWidth(line)+1+ansi.StringWidth(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
