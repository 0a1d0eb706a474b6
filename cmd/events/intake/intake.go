package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/suokelife/suokectl/pkg/events"
)

// Format is what the input is.
type Format string

// The formats.
const (
	// NDJSON is a line for each event, or for each record as consume prints it,
	// of which key, headers and value count.
	NDJSON Format = "ndjson"
	// JSONEachRow is a record on each line; its partition and timestamp count too.
	JSONEachRow Format = "json-each-row"
	// Text is a value on each line, or between other delimiters.
	Text Format = "text"
	// CSV is a record's data in each row below a header (RFC 4180).
	CSV Format = "csv"
)

// Formats returns all formats.
func Formats() []string {
	return []string{string(NDJSON), string(JSONEachRow), string(Text), string(CSV)}
}

// Options say how the input is to be read.
type Options struct {
	Format Format
	// Delimiter ends a value of Text; KeyDelimiter, unless it is empty, ends the
	// key that stands before the value.
	Delimiter, KeyDelimiter string
	// Columns are the types of CSV's columns; those that are not named are texts.
	Columns map[string]Column
	// KeyColumn is the column of CSV that is the key as well; none when empty.
	KeyColumn string
	// Wrap makes an event of data, which is in the line that At names. Nil takes
	// the values for events, which CSV's are not.
	Wrap func(data []byte, at Position) ([]byte, error)
	// Key makes the key of a value; nil leaves the key that there is.
	Key func(value []byte) ([]byte, error)
	// IsEvent tells an event from a record in NDJSON.
	IsEvent func(text []byte) bool
	// From is where to begin: a position that an earlier reader gave of the same
	// input. The input itself begins there too when Sought is set.
	From   Position
	Sought bool
}

// Position is a place in the input, after decompression.
type Position struct {
	Line   int   `json:"line"`   // lines, or delimited texts, before it
	Offset int64 `json:"offset"` // bytes before it
}

// Item is one record of the input.
type Item struct {
	// Line is the number of its first line, from 1, and Next where the item
	// behind it begins.
	Line int
	Next Position
	// Text is what it was read from.
	Text   []byte
	Record events.Record
	// ValueAt is where Record.Value begins in Text; -1 when it does not.
	ValueAt int
	// Err is why there is no record, and Column where in its line, from 1; 0
	// when that cannot be said.
	Err    error
	Column int
}

// Reader reads records. It is not safe for concurrent use.
type Reader struct {
	opts  Options
	next  func(*Item) error
	lines *splitter // nil for CSV
}

// NewReader reads in, which [Open] has opened. It reads ahead until ctx ends.
func NewReader(ctx context.Context, in io.Reader, o Options) (*Reader, error) {
	r := &Reader{opts: o}
	if o.Format == CSV {
		rows, err := newRows(readAhead(ctx, in, []byte("\n")), o)
		if err != nil {
			return nil, err
		}
		r.next = rows.next
		return r, nil
	}
	delimiter := []byte("\n")
	if o.Format == Text && o.Delimiter != "" {
		delimiter = []byte(o.Delimiter)
	}
	if !o.Sought {
		if _, err := io.CopyN(io.Discard, in, o.From.Offset); err != nil {
			return nil, fmt.Errorf("go on at line %d: %w", o.From.Line+1, err)
		}
	}
	r.lines = &splitter{src: readAhead(ctx, in, delimiter), delimiter: delimiter, pos: o.From}
	r.next = r.line
	return r, nil
}

// Ready reports that more of the input has come already, so that Next does not
// wait for it. It may say no though there is.
func (r *Reader) Ready() bool { return r.lines != nil && r.lines.ready() }

// Block returns what the record that was read last lies in, nil when that is
// memory of its own. It is the reader's until the next call of Next: who uses the
// record's text for longer holds it.
func (r *Reader) Block() *Block {
	if r.lines == nil {
		return nil
	}
	return r.lines.block
}

// Next reads the next record into item. The error is io.EOF, ctx's cause, or what the
// input said; there is nothing behind it.
func (r *Reader) Next(item *Item) error {
	if err := r.next(item); err != nil || item.Err != nil {
		return err
	}
	if r.opts.Wrap != nil && r.opts.Format != CSV {
		r.wrap(item)
	}
	if r.opts.Key != nil && item.Err == nil {
		if item.Record.Key, item.Err = r.opts.Key(item.Record.Value); item.Err != nil {
			item.Err = fmt.Errorf("key: %w", item.Err)
		}
	}
	return nil
}

func (r *Reader) wrap(item *Item) {
	value, err := r.opts.Wrap(item.Record.Value, Position{Line: item.Line})
	if err != nil {
		item.Err = err
		return
	}
	item.Record.Value, item.ValueAt = value, -1
}

// line reads the next line that is not blank.
func (r *Reader) line(item *Item) error {
	for {
		text, at, err := r.lines.next()
		*item = Item{Line: at.Line + 1, Next: r.lines.pos, Text: text}
		if err != nil {
			return err
		}
		if r.opts.Format != Text || r.opts.Delimiter == "" {
			item.Text = bytes.TrimSuffix(text, []byte("\r"))
		}
		if len(bytes.TrimSpace(item.Text)) > 0 {
			r.parse(item)
			return nil
		}
	}
}

func (r *Reader) parse(item *Item) {
	switch {
	case r.opts.Format == Text:
		item.Record, item.ValueAt, item.Err = splitKey(item.Text, r.opts.KeyDelimiter)
		return
	case r.opts.Format == NDJSON && (r.opts.Wrap != nil || r.opts.IsEvent(item.Text)):
		item.Record.Value = item.Text
		return
	}
	var wrong *events.RecordError
	item.Record, item.ValueAt, item.Err = events.ParseRecord(item.Text)
	if errors.As(item.Err, &wrong) {
		item.Column = wrong.Offset + 1
	}
	if r.opts.Format == NDJSON {
		item.Record.Partition, item.Record.Timestamp = nil, time.Time{} // they are where it was
		if wrong != nil && wrong.Member == "" {                         // the check of the envelope says best what is wrong
			item.Record, item.ValueAt, item.Err, item.Column = events.Record{Value: item.Text}, 0, nil, 0
		}
	}
}

// splitKey cuts a text at the first delimiter.
func splitKey(text []byte, delimiter string) (r events.Record, valueAt int, err error) {
	if delimiter == "" {
		return events.Record{Value: text}, 0, nil
	}
	key, value, found := bytes.Cut(text, []byte(delimiter))
	if !found {
		return r, -1, fmt.Errorf("there is no key delimiter %q", delimiter)
	}
	return events.Record{Key: key, Value: value}, len(key) + len(delimiter), nil
}
