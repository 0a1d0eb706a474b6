package events

import (
	"bytes"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
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

// printFlags say how records are printed.
type printFlags struct {
	Output string
	// Format is a layout of the user's own, in place of Output.
	Format string
	// Delimiter ends each value of raw, KeyDelimiter the key before it, which
	// is left out when it is empty.
	Delimiter, KeyDelimiter string
	Count                   int64 // 0 is no limit
	// JQ is an expression that is applied to each record's ndjson form.
	JQ string
}

func (o *printFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&o.Output, "output", "o", formatNDJSON, "output `format`: "+strings.Join(recordFormats(), ", "))
	flags.StringVar(&o.Format, "format", "", "`layout` of a record, such as '%k %s\\n'")
	flags.StringVar(&o.Delimiter, "delimiter", `\n`, "what ends a value of raw, such as \\0")
	flags.StringVar(&o.KeyDelimiter, "key-delimiter", "", "what ends the key before a value of raw; keys are left out when empty")
	flags.StringVar(&o.JQ, "jq", "", "filter each record's ndjson form by a jq `expression`")
	flags.Int64VarP(&o.Count, "count", "n", 0, "end after this `number` of records; 0 is no limit")
	cmd.MarkFlagsMutuallyExclusive("output", "format")
	cmd.MarkFlagsMutuallyExclusive("jq", "format")
	for _, name := range []string{"format", "delimiter", "key-delimiter", "jq", "count"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(recordFormats(), cobra.ShellCompDirectiveNoFileComp))
}

// layout returns how a record is written; nil for a table.
func (o *printFlags) layout() (appendFunc, error) {
	delimiter, err := unescape(o.Delimiter)
	keyDelimiter, err2 := unescape(o.KeyDelimiter)
	switch {
	case o.Count < 0:
		return nil, failure.Usagef("-n %d is negative", o.Count)
	case err != nil || err2 != nil:
		return nil, failure.Usagef("delimiters %q and %q: only %s are escapes", o.Delimiter, o.KeyDelimiter, escapes)
	case o.Format != "":
		return parseLayout(o.Format)
	case o.Output != formatRaw && (delimiter != "\n" || keyDelimiter != ""):
		return nil, failure.Usagef("--delimiter and --key-delimiter are for -o raw")
	}
	switch {
	case o.JQ == "":
	case o.Output == formatTable || o.Output == formatRaw:
		return nil, failure.Usagef("--jq is for the JSON of records, and -o is %s", o.Output)
	default:
		if _, err := newRecordJQ(o.JQ); err != nil {
			return nil, err
		}
	}
	switch o.Output {
	case formatNDJSON:
		return events.AppendRecord, nil
	case formatJSON:
		return appendElement, nil
	case formatTable:
		return nil, nil
	case formatRaw:
		return appendRaw(delimiter, keyDelimiter), nil
	}
	return nil, failure.WithHint(failure.Usagef("unknown output format %q", o.Output), "use one of "+strings.Join(recordFormats(), ", "))
}

// appendElement appends one of an array, of which the first has a comma too many.
func appendElement(b []byte, r *kgo.Record) []byte {
	b = events.AppendRecord(append(b, ",\n"...), r)
	return b[:len(b)-1] // without its newline
}

func appendRaw(delimiter, keyDelimiter string) appendFunc {
	if keyDelimiter == "" {
		return func(b []byte, r *kgo.Record) []byte { return append(append(b, r.Value...), delimiter...) }
	}
	return func(b []byte, r *kgo.Record) []byte {
		b = append(append(b, r.Key...), keyDelimiter...)
		return append(append(b, r.Value...), delimiter...)
	}
}

const (
	// gather is how much text waits to be written together.
	gather = 64 << 10
	// pageText is how much of it is on a page: little enough to be near the
	// processor when it is printed.
	pageText = 256 << 10
)

// recordPrinter prints records. Pages of them are set by several goroutines at
// the same time, and printed by one.
type recordPrinter struct {
	ios    *iostreams.IOStreams
	layout appendFunc
	jq     *recordJQ // nil without --jq
	array  bool
	limit  int64 // 0 is none
	pages  sync.Pool

	count  int64
	buffer []byte
	table  *output.Stream[*kgo.Record] // in place of text
}

// page is a run of records on its way to be printed.
type page struct {
	text    []byte
	ends    []int         // of each record in the text
	records []*kgo.Record // for a table
}

func newRecordPrinter(ios *iostreams.IOStreams, flags printFlags, view output.View[*kgo.Record]) (*recordPrinter, error) {
	layout, err := flags.layout()
	if err != nil {
		return nil, err
	}
	p := &recordPrinter{ios: ios, layout: layout, limit: flags.Count, pages: sync.Pool{New: func() any { return new(page) }}}
	p.array = flags.Format == "" && flags.JQ == "" && flags.Output == formatJSON
	if flags.JQ != "" {
		p.jq, err = newRecordJQ(flags.JQ)
		p.layout = p.jq.append
	}
	if layout == nil {
		p.table, err = output.NewStream(ios, output.Flags{Format: output.Table}, view)
	}
	return p, err
}

// set makes pages of the records that match. It may be called by several
// goroutines, and keeps nothing of the records.
func (p *recordPrinter) set(records iter.Seq[*kgo.Record], match func(*kgo.Record) bool) []*page {
	pg := p.blank()
	pages := []*page{pg}
	for r := range records {
		if !match(r) {
			continue
		}
		if len(pg.text) >= pageText {
			pg = p.blank()
			pages = append(pages, pg)
		}
		p.append(pg, r)
	}
	return pages
}

func (p *recordPrinter) blank() *page { return p.pages.Get().(*page) }

func (p *recordPrinter) append(pg *page, r *kgo.Record) {
	if p.table != nil {
		pg.records = append(pg.records, copyRecord(r))
		return
	}
	if pg.text == nil {
		pg.text = make([]byte, 0, pageText+gather)
	}
	from := len(pg.text)
	pg.text = p.layout(pg.text, r)
	if p.ios.StdoutTTY() {
		pg.text = append(pg.text[:from], p.ios.Clean(string(pg.text[from:]))...)
	}
	pg.ends = append(pg.ends, len(pg.text))
}

func copyRecord(r *kgo.Record) *kgo.Record {
	c := *r
	c.Key, c.Value, c.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), slices.Clone(r.Headers)
	for i := range c.Headers {
		c.Headers[i].Value = bytes.Clone(c.Headers[i].Value)
	}
	return &c
}

// put prints pages and takes them back. It returns [events.ErrStopScan] when the
// limit is reached.
func (p *recordPrinter) put(pages []*page) error {
	for _, pg := range pages {
		if err := p.write(pg); err != nil {
			return err
		}
		pg.text, pg.ends, pg.records = pg.text[:0], pg.ends[:0], pg.records[:0]
		p.pages.Put(pg)
	}
	return nil
}

func (p *recordPrinter) write(pg *page) error {
	n := len(pg.ends) + len(pg.records)
	if left := p.limit - p.count; p.limit > 0 && int64(n) > left {
		n = int(left)
	}
	if n == 0 {
		return nil
	}
	var err error
	if p.table != nil {
		err = p.writeRows(pg.records[:n])
	} else {
		err = p.writeText(pg.text[:pg.ends[n-1]])
	}
	if p.count += int64(n); err == nil && p.full() {
		return events.ErrStopScan
	}
	return err
}

func (p *recordPrinter) writeRows(records []*kgo.Record) error {
	for _, r := range records {
		if err := p.table.Write(r); err != nil {
			return err
		}
	}
	return nil
}

func (p *recordPrinter) writeText(text []byte) error {
	if p.array && p.count == 0 {
		text[0] = '[' // in place of the comma
	}
	if len(p.buffer)+len(text) < gather {
		p.buffer = append(p.buffer, text...)
		return nil
	}
	if err := p.flush(); err != nil {
		return err
	}
	_, err := p.ios.Out.Write(text)
	return err
}

// add prints one record.
func (p *recordPrinter) add(r *kgo.Record) error {
	pg := p.blank()
	p.append(pg, r)
	return p.put([]*page{pg})
}

// full reports that the limit is reached.
func (p *recordPrinter) full() bool { return p.limit > 0 && p.count == p.limit }

// flush shows what has been printed so far.
func (p *recordPrinter) flush() error {
	if p.table != nil {
		return p.table.Flush()
	}
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
	if p.array {
		end := "\n]\n"
		if p.count == 0 {
			end = "[]\n"
		}
		p.buffer = append(p.buffer, end...)
	}
	return firstError(p.flush(), p.jq.err())
}
