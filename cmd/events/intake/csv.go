package intake

import (
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
	opts   Options
	header []string
	key    int // the index of the key's column, -1 when there is none
}

func newRows(in io.Reader, o Options) (*rows, error) {
	r := &rows{csv: csv.NewReader(&withoutMark{in: in}), opts: o, key: -1}
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
	return r, r.skip()
}

// skip passes over what is before the place to begin at.
func (r *rows) skip() error {
	for r.csv.InputOffset() < r.opts.From.Offset {
		if _, err := r.csv.Read(); errors.Is(err, io.EOF) {
			return fmt.Errorf("go on at line %d: %w", r.opts.From.Line+1, io.ErrUnexpectedEOF)
		}
	}
	return nil
}

func (r *rows) next(item *Item) error {
	fields, err := r.csv.Read()
	var wrong *csv.ParseError
	*item = Item{ValueAt: -1, Next: Position{Offset: r.csv.InputOffset()}}
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
	item.Text = textOf(fields)
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

// textOf writes a row anew, for those that are refused.
func textOf(fields []string) []byte {
	var row bytes.Buffer
	w := csv.NewWriter(&row)
	_ = w.Write(fields) // a buffer takes everything
	w.Flush()
	return bytes.TrimSuffix(row.Bytes(), []byte("\n"))
}

// withoutMark leaves out a byte order mark at the beginning, which spreadsheets
// write.
type withoutMark struct {
	in    io.Reader
	begun bool
}

func (m *withoutMark) Read(p []byte) (int, error) {
	n, err := m.in.Read(p)
	if !m.begun && n > 0 {
		m.begun = true
		if rest, found := bytes.CutPrefix(p[:n], byteOrderMark); found {
			n = copy(p, rest)
		}
	}
	return n, err
}
