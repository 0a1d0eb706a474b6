package events

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// RecordError says which member of a record's text cannot be read.
type RecordError struct {
	// Member is its name, such as key; empty for the record itself.
	Member string
	// Offset is where its value begins in the text, in bytes.
	Offset int
	Err    error
}

func (e *RecordError) Error() string {
	if e.Member == "" {
		return e.Err.Error()
	}
	return e.Member + ": " + e.Err.Error()
}

// Unwrap returns what is wrong with it.
func (e *RecordError) Unwrap() error { return e.Err }

// errNoRecord is why a text is no record.
var errNoRecord = errors.New(`not a record: want an object with "value", or with "tombstone": true, and maybe "key", "headers", "partition" and "timestamp"`)

// ParseRecord reads what [AppendRecord] writes; topic and offset are passed
// over. Headers may be an object of texts too, and a timestamp a number of
// milliseconds. Of a member that is there twice the last counts. The value is
// of the text's memory, and valueAt is where it begins there; -1 for one that
// was encoded. The error is a [*RecordError].
func ParseRecord(text []byte) (r Record, valueAt int, err error) {
	m := members{v: validator{text: text}}
	var p recordParts
	if !m.open() {
		return r, -1, &RecordError{Offset: m.v.pos, Err: errNoRecord}
	}
	for m.next() {
		p.take(m.name, m.value, m.at)
	}
	if !m.whole() {
		return r, -1, &RecordError{Offset: min(m.v.pos, len(text)), Err: errors.New("not JSON")}
	}
	return p.record()
}

// IsEvent reports whether a text is an object with the member meta, as events
// have it. It need not be valid behind that.
func (c *Client) IsEvent(text []byte) bool {
	m := members{v: validator{text: text}}
	for more := m.open() && m.nextName(); more; more = m.readValue() && m.nextName() {
		if string(m.name) == c.cfg.Conventions.Envelope.Meta {
			return true
		}
	}
	return false
}

// members steps through the members of the object that a text is.
type members struct {
	v     validator
	begun bool
	ended bool
	name  []byte // as it stands in the text, without its quotes
	value []byte
	at    int // where value begins
}

func (m *members) open() bool {
	m.v.space()
	return m.v.take() == '{'
}

// next goes to the next member, and reports false behind the last, or where the
// text is not JSON.
func (m *members) next() bool { return m.nextName() && m.readValue() }

// nextName goes before the value of the next member.
func (m *members) nextName() bool {
	m.v.space()
	switch c := m.v.peek(); {
	case c == '}':
		m.v.pos++
		m.ended = true
		return false
	case m.begun && c == ',':
		m.v.pos++
		m.v.space()
	case m.begun:
		return false
	}
	m.begun = true
	from := m.v.pos + 1
	if m.v.take() != '"' || !m.v.rest() {
		return false
	}
	m.name = m.v.text[from : m.v.pos-1]
	m.v.space()
	return m.v.take() == ':'
}

func (m *members) readValue() bool {
	m.v.space()
	m.at = m.v.pos
	ok := m.v.value()
	m.value = m.v.text[m.at:min(m.v.pos, len(m.v.text))]
	return ok
}

func (m *members) whole() bool { return m.ended && m.v.atEnd() }

// part is the value of a member; it is not there when text is nil.
type part struct {
	text []byte
	at   int
}

func (p part) there() bool { return p.text != nil && string(p.text) != "null" }

// recordParts are the members of a record as they stand in its text.
type recordParts struct {
	key, keyEncoding, value, valueEncoding, tombstone, headers, partition, timestamp part
}

func (p *recordParts) take(name, text []byte, at int) {
	switch into := (part{text, at}); string(name) {
	case "key":
		p.key = into
	case "key_encoding":
		p.keyEncoding = into
	case "value":
		p.value = into
	case "value_encoding":
		p.valueEncoding = into
	case "tombstone":
		p.tombstone = into
	case "headers":
		p.headers = into
	case "partition":
		p.partition = into
	case "timestamp":
		p.timestamp = into
	}
}

func (p *recordParts) record() (r Record, valueAt int, err error) {
	if r.Value, valueAt, err = p.readValue(); err != nil {
		return r, -1, err
	}
	for _, step := range []struct {
		member string
		at     part
		read   func() error
	}{
		{"key", p.key, func() (err error) { r.Key, err = decodeText(p.key.text, p.keyEncoding.text); return err }},
		{"headers", p.headers, func() (err error) { r.Headers, err = parseHeaders(p.headers.text); return err }},
		{"partition", p.partition, func() (err error) { r.Partition, err = parsePartition(p.partition.text); return err }},
		{"timestamp", p.timestamp, func() (err error) { r.Timestamp, err = parseTimestamp(p.timestamp.text); return err }},
	} {
		if !step.at.there() {
			continue
		}
		if err := step.read(); err != nil {
			return r, -1, &RecordError{Member: step.member, Offset: step.at.at, Err: err}
		}
	}
	return r, valueAt, nil
}

func (p *recordParts) readValue() (value []byte, at int, err error) {
	switch {
	case string(p.tombstone.text) == "true":
		return nil, -1, nil
	case p.value.text == nil:
		return nil, -1, &RecordError{Err: errNoRecord}
	case !p.valueEncoding.there():
		return p.value.text, p.value.at, nil
	}
	if value, err = decodeText(p.value.text, p.valueEncoding.text); err != nil {
		err = &RecordError{Member: "value", Offset: p.value.at, Err: err}
	}
	return value, -1, err
}

// decodeText reads a string that is text, or encoded as the other string says.
func decodeText(quoted, encoding []byte) ([]byte, error) {
	text, err := unquoteText(quoted)
	if err != nil || encoding == nil || string(encoding) == "null" {
		return text, err
	}
	if string(encoding) != `"base64"` {
		return nil, fmt.Errorf("encoding %s is unknown: base64 is the only one", encoding)
	}
	return base64.StdEncoding.AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(text))), text)
}

// unquoteText reads a string of valid JSON.
func unquoteText(quoted []byte) ([]byte, error) {
	switch {
	case len(quoted) == 0 || quoted[0] != '"':
		return nil, fmt.Errorf("%.40s is not a string", quoted)
	case !utf8.Valid(quoted):
		return nil, errors.New("not UTF-8")
	case bytes.IndexByte(quoted, '\\') < 0:
		return quoted[1 : len(quoted)-1 : len(quoted)-1], nil
	}
	var text string
	err := json.Unmarshal(quoted, &text)
	return []byte(text), err
}

func parsePartition(text []byte) (*int32, error) {
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("%.40s is not the number of a partition", text)
	}
	partition := int32(n)
	return &partition, nil
}

func parseTimestamp(text []byte) (time.Time, error) {
	if millis, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return time.UnixMilli(millis).UTC(), nil
	}
	unquoted, err := unquoteText(text)
	if err == nil {
		var t time.Time
		if t, err = time.Parse(time.RFC3339, string(unquoted)); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40s is neither a time such as \"2026-01-31T15:04:05.123Z\" nor a number of milliseconds", text)
}

// parseHeaders reads a list of {"key", "value"}, or an object, whose order is
// kept too.
func parseHeaders(text []byte) ([]Header, error) {
	if text[0] == '{' {
		return headersOfObject(text)
	}
	var list []struct {
		Key           string  `json:"key"`
		Value         *string `json:"value"`
		ValueEncoding string  `json:"value_encoding"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, errors.New(`want [{"key": …, "value": …}, …] or {"key": "value", …}`)
	}
	headers := make([]Header, 0, len(list))
	for _, h := range list {
		header := Header{Key: h.Key}
		switch {
		case h.Value == nil:
		case h.ValueEncoding == "":
			header.Value = []byte(*h.Value)
		case h.ValueEncoding != "base64":
			return nil, fmt.Errorf("%s: encoding %q is unknown: base64 is the only one", h.Key, h.ValueEncoding)
		default:
			var err error
			if header.Value, err = base64.StdEncoding.DecodeString(*h.Value); err != nil {
				return nil, fmt.Errorf("%s: %w", h.Key, err)
			}
		}
		headers = append(headers, header)
	}
	return headers, nil
}

func headersOfObject(text []byte) ([]Header, error) {
	m := members{v: validator{text: text}}
	m.open()
	var headers []Header
	for m.next() {
		name, err := unquoteText(append(append([]byte{'"'}, m.name...), '"'))
		if err != nil {
			return nil, err
		}
		header := Header{Key: string(name)}
		if string(m.value) != "null" {
			if header.Value, err = unquoteText(m.value); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		headers = append(headers, header)
	}
	return headers, nil
}
