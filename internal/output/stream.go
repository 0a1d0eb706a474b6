package output

import (
	"bufio"
	"io"
	"slices"

	"github.com/charmbracelet/x/ansi"

	"github.com/suokelife/suokectl/internal/iostreams"
)

// sampleRows is how many rows a streamed table waits for before it decides
// how wide its columns are.
const sampleRows = 50

// Stream prints items as they come. It is not safe for concurrent use.
type Stream[T any] struct {
	ios     *iostreams.IOStreams
	flags   Flags
	view    View[T]
	encode  encoder
	w       *bufio.Writer
	count   int
	pending []T
	widths  []int
}

// NewStream starts a stream of items. With -o json the items become one
// array, with -o yaml documents; --jq and --template are applied to each item.
func NewStream[T any](ios *iostreams.IOStreams, o Flags, v View[T]) (*Stream[T], error) {
	encode, err := o.encoder(ios)
	if err != nil {
		return nil, err
	}
	return &Stream[T]{ios: ios, flags: o, view: v, encode: encode, w: bufio.NewWriterSize(ios.Out, 64<<10)}, nil
}

// Write prints one item, or holds it until enough of a table is known.
func (s *Stream[T]) Write(item T) error {
	s.count++
	switch {
	case s.isArray():
		return s.writeElement(item)
	case s.isDocuments():
		if _, err := io.WriteString(s.w, "---\n"); err != nil {
			return err
		}
		return s.encode(s.w, item)
	case s.encode != nil:
		return s.encode(s.w, item)
	case s.flags.format() == Name:
		return names(s.w, s.ios, s.view, []T{item})
	case s.widths != nil:
		return s.writeRows([]T{item})
	}
	s.pending = append(s.pending, item)
	if len(s.pending) < sampleRows {
		return nil
	}
	return s.settle()
}

// Flush shows what has been written so far; call it when the source is idle.
func (s *Stream[T]) Flush() error {
	if err := s.settle(); err != nil {
		return err
	}
	return s.w.Flush()
}

// Close ends the output. It must be called, and its error looked at.
func (s *Stream[T]) Close() error {
	if s.isArray() {
		end := "\n]\n"
		if s.count == 0 {
			end = "[]\n"
		}
		if _, err := io.WriteString(s.w, end); err != nil {
			return err
		}
	}
	if s.count == 0 && s.flags.Human() && s.view.Empty != "" {
		s.ios.Infof("%s", s.view.Empty)
	}
	return s.Flush()
}

func (s *Stream[T]) isArray() bool { return s.flags.format() == JSON && s.flags.whole() }

func (s *Stream[T]) isDocuments() bool { return s.flags.format() == YAML && s.flags.whole() }

func (s *Stream[T]) writeElement(item T) error {
	lead := ",\n"
	if s.count == 1 {
		lead = "[\n"
	}
	if _, err := io.WriteString(s.w, lead); err != nil {
		return err
	}
	b, err := marshalCompact(item)
	if err != nil {
		return err
	}
	_, err = s.w.Write(b)
	return err
}

// settle fixes the columns by the rows seen so far and prints them.
func (s *Stream[T]) settle() error {
	if len(s.pending) == 0 {
		return nil
	}
	cols := s.view.columns(s.flags.format())
	if s.widths == nil {
		s.widths = fit(s.ios, cols, layOut(s.ios, cols, s.pending))
		if err := writeHeader(s.w, s.ios, cols, s.widths); err != nil {
			return err
		}
	}
	rows := s.pending
	s.pending = nil
	return s.writeRows(rows)
}

func (s *Stream[T]) writeRows(items []T) error {
	cols := s.view.columns(s.flags.format())
	for i, row := range layOut(s.ios, cols, items) {
		if err := writeRow(s.w, s.ios, cols, s.widthsFor(row), items[i], row); err != nil {
			return err
		}
	}
	return nil
}

// widthsFor lets cells that are wider than those by which the columns were
// settled grow: on a terminal as far as the row fits, on a pipe until they are
// whole.
func (s *Stream[T]) widthsFor(row []string) []int {
	widths, room := slices.Clone(s.widths), s.ios.Width()-total(s.widths)
	for j, cell := range row {
		if widths[j] == beneath {
			continue
		}
		grow := ansi.StringWidth(cell) - widths[j]
		if s.ios.StdoutTTY() {
			grow = min(grow, room)
		}
		if grow > 0 {
			widths[j] += grow
			room -= grow
		}
	}
	return widths
}
