package spec

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// DeadLetter is what the specification adds to the meta of an event that
// failed (K4). The rest that is known of a letter travels in headers.
type DeadLetter struct {
	Error         string    `json:"error"`
	OriginalTopic string    `json:"original_topic"`
	Time          time.Time `json:"dlq_time"`
}

// IsZero reports that an event has none of the fields.
func (d DeadLetter) IsZero() bool { return d == DeadLetter{} }

// PlaceNone is the place of a letter whose value has nothing added to it.
const PlaceNone = "none"

// AddDeadLetter adds the dead-letter fields to the meta of an event, as one
// chunk at its end, and leaves every other byte as it is. It returns the new
// value and its place, "offset+length" in bytes, which belongs into the header
// [HeaderDLQPlace] so that [Conventions.StripDeadLetter] can undo just this.
//
// A value that has no JSON object as meta, or whose meta has one of the fields
// already, is returned as it is with the place [PlaceNone]: then the facts are
// in the headers only. A letter that fails again keeps the place header it came with.
func (c Conventions) AddDeadLetter(value []byte, d DeadLetter) (out []byte, place string) {
	meta, ok := c.findMeta(value)
	if !ok || meta.hasLetter {
		return value, PlaceNone
	}
	out = make([]byte, 0, len(value)+len(d.Error)+len(d.OriginalTopic)+112)
	out = append(out, value[:meta.end]...)
	var at [40]byte
	out = c.appendChunk(out, d.Error, d.OriginalTopic, d.Time.UTC().AppendFormat(at[:0], time.RFC3339Nano), meta.empty)
	length := len(out) - meta.end
	out = append(out, value[meta.end:]...)
	return out, formatPlace(meta.end, length)
}

func (c *Conventions) appendChunk(b []byte, reason, topic string, at []byte, first bool) []byte {
	if !first {
		b = append(b, ',')
	}
	b = append(appendQuoted(b, c.DeadLetter.Error), ':')
	b = append(appendQuoted(b, reason), ',')
	b = append(appendQuoted(b, c.DeadLetter.OriginalTopic), ':')
	b = append(appendQuoted(b, topic), ',')
	b = append(appendQuoted(b, c.DeadLetter.Time), ':')
	return append(append(append(b, '"'), at...), '"')
}

// StripDeadLetter takes the dead-letter fields out of a value. The place is
// the letter's [HeaderDLQPlace]: it is used only when what stands there is the
// chunk that [Conventions.AddDeadLetter] writes, at the end of meta. Otherwise,
// and for letters of others, which have no place, the fields are taken out by
// name. [PlaceNone] leaves the value as it is. Every other byte is kept; value
// is not changed, but may be returned.
func (c Conventions) StripDeadLetter(value []byte, place string) []byte {
	if place == PlaceNone {
		return value
	}
	if chunk, ok := parsePlace(place, len(value)); ok {
		out := without(value, chunk)
		if c.isChunk(chunk.of(value), out, chunk.start) {
			return out
		}
	}
	return c.stripByName(value)
}

func formatPlace(offset, length int) string {
	var buf [40]byte
	b := append(strconv.AppendInt(buf[:0], int64(offset), 10), '+')
	return string(strconv.AppendInt(b, int64(length), 10))
}

func parsePlace(place string, size int) (span, bool) {
	offset, length, ok := strings.Cut(place, "+")
	start, err1 := strconv.Atoi(offset)
	n, err2 := strconv.Atoi(length)
	if !ok || err1 != nil || err2 != nil || start < 0 || n <= 0 || start > size || n > size-start {
		return span{}, false
	}
	return span{start, start + n}, true
}

func without(b []byte, s span) []byte {
	out := make([]byte, 0, len(b)-(s.end-s.start))
	return append(append(out, b[:s.start]...), b[s.end:]...)
}

// isChunk reports whether chunk is what AddDeadLetter would put into a value
// at an offset: the fields, in its order and its spelling, at the end of a meta
// that has none of them.
func (c *Conventions) isChunk(chunk, value []byte, offset int) bool {
	meta, ok := c.findMeta(value)
	if !ok || meta.hasLetter || meta.end != offset {
		return false
	}
	var texts [3]span
	n := 0
	o := object{b: chunk, at: len(chunk) - len(bytes.TrimPrefix(chunk, []byte{','}))}
	for m, more := o.next(); more; m, more = o.next() {
		if n == len(texts) || chunk[m.value.start] != '"' {
			return false
		}
		texts[n] = m.value
		n++
	}
	if n != len(texts) {
		return false
	}
	at := texts[2].of(chunk)
	again := c.appendChunk(make([]byte, 0, len(chunk)),
		unquote(texts[0].of(chunk)), unquote(texts[1].of(chunk)), at[1:len(at)-1], meta.empty)
	return bytes.Equal(chunk, again)
}

// metaPlace is where meta is in a value.
type metaPlace struct {
	object    span // the object with its braces
	end       int  // the end of its last member, or behind its opening brace
	empty     bool // it has no members
	hasLetter bool // it has a dead-letter field
}

// findMeta finds the meta of a JSON text that is an object. The whole text is
// looked at, for it may be cut short, and another meta may follow.
func (c *Conventions) findMeta(value []byte) (metaPlace, bool) {
	object, _, ok := c.sections(value)
	if !ok || object == (span{}) || value[object.start] != '{' {
		return metaPlace{}, false
	}
	p := metaPlace{object: object, end: object.start + 1, empty: true}
	o := openText(object.of(value))
	for m, more := o.next(); more; m, more = o.next() {
		p.empty, p.end = false, object.start+m.value.end
		p.hasLetter = p.hasLetter || c.isLetterName(m.name.of(o.b))
	}
	return p, true
}

func (c *Conventions) isLetterName(quoted []byte) bool {
	switch d := &c.DeadLetter; string(nameIn(quoted)) {
	case d.Error, d.OriginalTopic, d.Time:
		return true
	}
	return false
}

// stripByName takes out each dead-letter field with the comma and the space
// before it, or behind it when it is the first.
func (c *Conventions) stripByName(value []byte) []byte {
	meta, ok := c.findMeta(value)
	if !ok || !meta.hasLetter {
		return value
	}
	base := meta.object.start
	out := append(make([]byte, 0, len(value)), value[:base+1]...)
	from := base + 1              // value[from:] is yet to be copied
	kept, dropped := false, false // whether a member was
	o := openText(meta.object.of(value))
	for m, more := o.next(); more; m, more = o.next() {
		end := base + m.value.end
		switch {
		case c.isLetterName(m.name.of(o.b)):
			dropped = true
		case dropped && !kept: // it is the first now: without the comma before it
			out = append(out, value[base+1:skipSpace(value, base+1)]...)
			out = append(out, value[base+m.name.start:end]...)
			kept = true
		default:
			out = append(out, value[from:end]...)
			kept = true
		}
		from = end
	}
	if !kept {
		from = meta.object.end - 1
	}
	return append(out, value[from:]...)
}
