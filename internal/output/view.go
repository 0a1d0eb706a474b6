package output

import (
	"bufio"
	"fmt"
	"io"

	"github.com/suokelife/suokectl/internal/iostreams"
)

// Column is one column of a table.
type Column[T any] struct {
	// Name is the heading, in capitals.
	Name string
	// Value returns the cell as plain text; it is cleaned and fitted here.
	Value func(T) string
	// Wide columns appear with -o wide only.
	Wide bool
	// Whole columns give way last on a terminal that is too narrow: what is
	// typed or copied elsewhere is of no use in part.
	Whole bool
	// Room, when it is not 0, is the least width with which a column that is cut
	// stands beside the others. On a terminal that leaves it less, it goes on lines
	// of its own beneath the row.
	Room int
	// Style colours the fitted cell; nil leaves it plain.
	Style func(st iostreams.Style, item T, cell string) string
}

// View says how objects of one kind are shown.
type View[T any] struct {
	Columns []Column[T]
	// Name is what -o name prints.
	Name func(T) string
	// Empty is said on stderr when a table has no rows.
	Empty string
}

// List prints items: a table, a JSON array, an NDJSON line each, YAML, names,
// or what --jq and --template make of the array.
func List[T any](ios *iostreams.IOStreams, o Flags, v View[T], items []T) error {
	return Report(ios, o, v, items, nil)
}

// Report is List with what text writes in the place of the table; nil writes the
// table.
func Report[T any](ios *iostreams.IOStreams, o Flags, v View[T], items []T, text func(w io.Writer) error) error {
	encode, err := o.encoder(ios)
	if err != nil {
		return err
	}
	if items == nil {
		items = []T{}
	}
	w := bufio.NewWriter(ios.Out)
	switch {
	case o.format() == NDJSON && o.whole():
		err = each(w, items, encode)
	case encode != nil:
		err = encode(w, items)
	case o.format() == Name:
		err = names(w, ios, v, items)
	case len(items) == 0:
		if v.Empty != "" {
			ios.Infof("%s", v.Empty)
		}
	case text != nil:
		err = text(w)
	default:
		err = Part(w, ios, o, v, items)
	}
	if err != nil {
		return err
	}
	return w.Flush()
}

// Part writes a table as a part of a longer text; no rows are no table.
func Part[T any](w io.Writer, ios *iostreams.IOStreams, o Flags, v View[T], items []T) error {
	if len(items) == 0 {
		return nil
	}
	return writeTable(w, ios, v.columns(o.format()), items)
}

// Fields writes an object, a column a line, as a part of a longer text.
func Fields[T any](w io.Writer, ios *iostreams.IOStreams, o Flags, v View[T], item T) error {
	return writeFields(w, ios, v.columns(o.format()), item)
}

// One prints a single object: what text writes, or a column a line when text
// is nil; a JSON or YAML object; its name.
func One[T any](ios *iostreams.IOStreams, o Flags, v View[T], item T, text func(w io.Writer) error) error {
	encode, err := o.encoder(ios)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(ios.Out)
	switch {
	case encode != nil:
		err = encode(w, item)
	case o.format() == Name:
		err = names(w, ios, v, []T{item})
	case text != nil:
		err = text(w)
	default:
		err = writeFields(w, ios, v.columns(Wide), item)
	}
	if err != nil {
		return err
	}
	return w.Flush()
}

// Text writes free-form text to stdout. What came from the network must be
// cleaned by the caller with IOStreams.Clean.
func Text(ios *iostreams.IOStreams, format string, args ...any) error {
	_, err := fmt.Fprintf(ios.Out, format, args...)
	return err
}

func each[T any](w io.Writer, items []T, encode encoder) error {
	for _, item := range items {
		if err := encode(w, item); err != nil {
			return err
		}
	}
	return nil
}

func names[T any](w io.Writer, ios *iostreams.IOStreams, v View[T], items []T) error {
	for _, item := range items {
		if _, err := fmt.Fprintln(w, ios.Clean(v.Name(item))); err != nil {
			return err
		}
	}
	return nil
}

func (v View[T]) columns(format string) []Column[T] {
	if format == Wide {
		return v.Columns
	}
	var shown []Column[T]
	for _, c := range v.Columns {
		if !c.Wide {
			shown = append(shown, c)
		}
	}
	return shown
}
