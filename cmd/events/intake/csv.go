package intake

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Column is the type of a column.
type Column struct {
	// Kind is what its fields are; a text when empty.
	Kind Kind
	// Null says that an empty field is null. Without it an empty field of
	// another kind than text is left out.
	Null bool
}

// Kind is a type of JSON.
type Kind string

// The kinds of a column.
const (
	KindText    Kind = "string"
	KindNumber  Kind = "number"
	KindInteger Kind = "integer"
	KindBoolean Kind = "boolean"
	KindJSON    Kind = "json"
)

// rows reads CSV.
type rows struct {
	csv    *csv.Reader
	kept   *keeper
	opts   Options
	header []string
	key    int // the index of the key's column, -1 when there is none
}

func newRows(in io.Reader, o Options) (*rows, error) {
	text := bufio.NewReader(in)
	if mark, _ := text.Peek(len(byteOrderMark)); bytes.Equal(mark, byteOrderMark) { // spreadsheets write it
		_, _ = text.Discard(len(mark))
	}
	kept := &keeper{in: text}
	r := &rows{csv: csv.NewReader(kept), kept: kept, opts: o, key: -1}
	r.csv.ReuseRecord = true
	header, err := r.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("line 1: there is no header row")
	}
	if err != nil {
		return nil, err
	}
	r.header = slices.Clone(header)
	for i, name := range r.header {
		switch {
		case name == "" || !utf8.ValidString(name):
			return nil, fmt.Errorf("line 1: column %d has no name in UTF-8", i+1)
		case slices.Contains(r.header[:i], name):
			return nil, fmt.Errorf("line 1: two columns are named %q", name)
		}
	}
	if o.KeyColumn != "" {
		if r.key = slices.Index(r.header, o.KeyColumn); r.key < 0 {
			return nil, fmt.Errorf("line 1: there is no column %q; there are %s", o.KeyColumn, strings.Join(r.header, ", "))
		}
	}
	r.kept.until(r.csv.InputOffset())
	return r, r.skip()
}

// skip passes over what is before the place to begin at.
func (r *rows) skip() error {
	for r.csv.InputOffset() < r.opts.From.Offset {
		if _, err := r.csv.Read(); errors.Is(err, io.EOF) {
			return fmt.Errorf("go on at line %d: %w", r.opts.From.Line+1, io.ErrUnexpectedEOF)
		}
		r.kept.until(r.csv.InputOffset())
	}
	return nil
}

func (r *rows) next(item *Item) error {
	fields, err := r.csv.Read()
	var wrong *csv.ParseError
	*item = Item{ValueAt: -1, Next: Position{Offset: r.csv.InputOffset()}, Text: r.kept.until(r.csv.InputOffset())}
	switch {
	case errors.As(err, &wrong):
		item.Line, item.Column, item.Err = wrong.StartLine, wrong.Column, wrong.Err
		if errors.Is(wrong.Err, csv.ErrFieldCount) {
			item.Column, item.Err = 0, fmt.Errorf("%d fields, and the header has %d", len(fields), len(r.header))
		}
		item.Next.Line = wrong.Line
		return nil
	case err != nil:
		return err
	}
	item.Line, _ = r.csv.FieldPos(0)
	item.Next.Line, _ = r.csv.FieldPos(len(fields) - 1)
	data, at, err := r.data(fields)
	if err != nil {
		_, item.Column = r.csv.FieldPos(at)
		item.Err = fmt.Errorf("%s: %w", r.header[at], err)
		return nil
	}
	if r.key >= 0 {
		item.Record.Key = []byte(fields[r.key])
	}
	item.Record.Value, item.Err = r.opts.Wrap(data, Position{Line: item.Line})
	return nil
}

// data makes an object of a row; the index is that of a field that is wrong.
func (r *rows) data(fields []string) (data []byte, at int, err error) {
	data = []byte{'{'}
	for i, field := range fields {
		column := r.opts.Columns[r.header[i]]
		value, err := column.value(field)
		if err != nil {
			return nil, i, err
		}
		if value == nil {
			continue
		}
		if len(data) > 1 {
			data = append(data, ',')
		}
		name, _ := json.Marshal(r.header[i]) // a string always marshals
		data = append(append(append(data, name...), ':'), value...)
	}
	return append(data, '}'), 0, nil
}

// value is the JSON of a field; nil for one that is left out.
func (c Column) value(field string) ([]byte, error) {
	switch {
	case field == "" && c.Null:
		return []byte("null"), nil
	case c.Kind == KindText || c.Kind == "":
		if !utf8.ValidString(field) {
			return nil, errors.New("not UTF-8")
		}
		return json.Marshal(field)
	case field == "":
		return nil, nil
	case !c.takes([]byte(field)):
		return nil, fmt.Errorf("%q is not of type %s", field, c.Kind)
	}
	return []byte(field), nil
}

func (c Column) takes(field []byte) bool {
	isNumber := field[0] == '-' || '0' <= field[0] && field[0] <= '9'
	switch c.Kind {
	case KindBoolean:
		return string(field) == "true" || string(field) == "false"
	case KindInteger:
		_, err := strconv.ParseInt(string(field), 10, 64)
		return err == nil && json.Valid(field)
	case KindNumber:
		return isNumber && json.Valid(field)
	}
	return json.Valid(field)
}

// keeper keeps what was read until it is asked for: what is refused is shown as
// it stood.
type keeper struct {
	in   io.Reader
	text []byte
	at   int64 // where text begins in the input
}

func (k *keeper) Read(p []byte) (int, error) {
	n, err := k.in.Read(p)
	k.text = append(k.text, p[:n]...)
	return n, err
}

// until returns what is kept up to a place in the input, without the ends of
// lines around it, and keeps it no longer.
func (k *keeper) until(offset int64) []byte {
	row := bytes.Clone(bytes.Trim(k.text[:offset-k.at], "\r\n"))
	k.text, k.at = k.text[offset-k.at:], offset
	return row
}
