package events

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
)

// The formats in which records are printed.
const (
	formatNDJSON = "ndjson"
	formatJSON   = "json"
	formatTable  = "table"
	formatRaw    = "raw"
)

func recordFormats() []string { return []string{formatNDJSON, formatJSON, formatTable, formatRaw} }

// chunk is how much is gathered before it is written.
const chunk = 256 << 10

// recordPrinter prints records as they come. Bytes are appended by hand to one
// buffer: a record costs no allocation and no system call of its own.
type recordPrinter struct {
	ios    *iostreams.IOStreams
	format string
	buffer []byte
	count  int64
	table  *output.Stream[*kgo.Record] // in place of the buffer
}

func newRecordPrinter(ios *iostreams.IOStreams, format string, view output.View[*kgo.Record]) (*recordPrinter, error) {
	if !slices.Contains(recordFormats(), format) {
		return nil, failure.WithHint(failure.Usagef("unknown output format %q", format), "use one of "+strings.Join(recordFormats(), ", "))
	}
	p := &recordPrinter{ios: ios, format: format}
	if format != formatTable {
		return p, nil
	}
	var err error
	p.table, err = output.NewStream(ios, output.Flags{Format: output.Table}, view)
	return p, err
}

func (p *recordPrinter) add(r *kgo.Record) error {
	p.count++
	if p.table != nil {
		return p.table.Write(r)
	}
	from := len(p.buffer)
	p.buffer = p.append(p.buffer, r)
	if p.ios.StdoutTTY() {
		p.buffer = append(p.buffer[:from], p.ios.Clean(string(p.buffer[from:]))...)
	}
	if len(p.buffer) < chunk {
		return nil
	}
	return p.write()
}

func (p *recordPrinter) append(b []byte, r *kgo.Record) []byte {
	switch p.format {
	case formatRaw:
		return append(append(b, r.Value...), '\n')
	case formatJSON:
		lead := ",\n"
		if p.count == 1 {
			lead = "[\n"
		}
		b = events.AppendRecord(append(b, lead...), r)
		return b[:len(b)-1] // without its newline
	}
	return events.AppendRecord(b, r)
}

// flush shows what has been printed so far.
func (p *recordPrinter) flush() error {
	if p.table != nil {
		return p.table.Flush()
	}
	return p.write()
}

func (p *recordPrinter) write() error {
	if len(p.buffer) == 0 {
		return nil
	}
	_, err := p.ios.Out.Write(p.buffer)
	p.buffer = p.buffer[:0]
	return err
}

// close ends the output. It must be called.
func (p *recordPrinter) close() error {
	if p.table != nil {
		return p.table.Close()
	}
	if p.format == formatJSON {
		end := "\n]\n"
		if p.count == 0 {
			end = "[]\n"
		}
		p.buffer = append(p.buffer, end...)
	}
	return p.write()
}

func recordView() output.View[*kgo.Record] {
	return output.View[*kgo.Record]{
		Columns: []output.Column[*kgo.Record]{
			{Name: "PARTITION", Value: func(r *kgo.Record) string { return strconv.Itoa(int(r.Partition)) }},
			{Name: "OFFSET", Value: func(r *kgo.Record) string { return strconv.FormatInt(r.Offset, 10) }},
			{Name: "TIME", Value: func(r *kgo.Record) string { return r.Timestamp.UTC().Format(time.RFC3339) }},
			{Name: "KEY", Value: func(r *kgo.Record) string { return string(r.Key) }},
			{Name: "VALUE", Value: cellOfValue},
		},
		Name:  func(r *kgo.Record) string { return strconv.FormatInt(r.Offset, 10) },
		Empty: "no records there",
	}
}

// cellOfValue tells a tombstone and what is no text from text.
func cellOfValue(r *kgo.Record) string {
	if r.Value == nil {
		return "(tombstone)"
	}
	if !utf8.Valid(r.Value) {
		return "(binary, " + strconv.Itoa(len(r.Value)) + " bytes)"
	}
	return string(r.Value)
}
