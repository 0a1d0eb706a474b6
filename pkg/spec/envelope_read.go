package spec

import (
	"encoding/json"
	"fmt"
	"slices"
)

// envelopeReader reads one envelope and gathers its problems.
type envelopeReader struct {
	c     Conventions
	value []byte
	text  string // meta as a string, of which fields are sub-strings
	meta  span
	errs  *EnvelopeError // nil until there is a problem
	event Event

	isObject bool // what meta is
	fields   fields
	repeated []repeat
}

// repeat is a value whose name was there before.
type repeat struct {
	field string
	value span
}

// fields are the values in meta; an empty span means that there is none.
type fields struct {
	id, typ, version, source, time, correlation span
	dlqError, dlqTopic, dlqTime                 span
}

func (r *envelopeReader) read() (Event, error) {
	data, ok := r.scan(&r.c)
	if !ok {
		r.problem(FieldProblem{Field: "event", Got: describeNotJSON(r.value), Want: "a JSON object with " + r.c.Envelope.Meta + " and " + r.c.Envelope.Data})
		r.errs.err = ErrNotJSON
		return Event{}, r.errs
	}
	r.readRepeated()
	r.readMeta()
	if data == (span{}) {
		r.problem(FieldProblem{Field: r.c.Envelope.Data, Want: "the data of the event, {} when there is none"})
	} else {
		r.event.Data = json.RawMessage(data.of(r.value))
	}
	if r.errs != nil {
		return r.event, r.errs
	}
	return r.event, nil
}

// scan walks over the text once, and finds data and the fields of meta, the last
// of each.
func (r *envelopeReader) scan(c *Conventions) (data span, ok bool) {
	o := openText(r.value)
	for name, at, more := o.nextName(); more; name, at, more = o.nextName() {
		var end int
		switch string(nameIn(name.of(r.value))) {
		case c.Envelope.Meta:
			before := r.meta
			end, ok = r.scanMeta(c, at)
			r.once(c.Envelope.Meta, before, r.meta)
		case c.Envelope.Data:
			end, ok = skipValue(r.value, at, o.depth)
			r.once(c.Envelope.Data, data, span{at, end})
			data = span{at, end}
		default:
			end, ok = skipValue(r.value, at, o.depth)
		}
		if !o.passed(end, ok) {
			return data, false
		}
	}
	return data, o.whole()
}

func (r *envelopeReader) scanMeta(c *Conventions, at int) (end int, ok bool) {
	r.fields = fields{}
	if r.isObject = at < len(r.value) && r.value[at] == '{'; !r.isObject {
		end, ok = skipValue(r.value, at, 1)
		r.meta = span{at, end}
		return end, ok
	}
	o := openObject(r.value, at, 1)
	for m, more := o.next(); more; m, more = o.next() {
		name := nameIn(m.name.of(r.value))
		if field := r.fields.named(c, name); field != nil {
			before := *field
			*field = span{m.value.start - at, m.value.end - at}
			if before != (span{}) {
				r.once(c.metaName(string(name)), before, m.value)
			}
		}
	}
	r.meta = span{at, o.at}
	return o.at, o.ok
}

// once notes a value whose name was there before, the first of each name: a
// text can be nothing but repetitions.
func (r *envelopeReader) once(field string, before, value span) {
	noted := func(n repeat) bool { return n.field == field }
	if before != (span{}) && !slices.ContainsFunc(r.repeated, noted) {
		r.repeated = append(r.repeated, repeat{field, value})
	}
}

func (r *envelopeReader) problem(p FieldProblem) {
	if r.errs == nil {
		r.errs = &EnvelopeError{}
	}
	r.errs.Problems = append(r.errs.Problems, p)
}

// sections finds meta and data, the last of each, in a JSON object.
func (c *Conventions) sections(value []byte) (meta, data span, ok bool) {
	o := openText(value)
	for m, more := o.next(); more; m, more = o.next() {
		switch string(nameIn(m.name.of(value))) {
		case c.Envelope.Meta:
			meta = m.value
		case c.Envelope.Data:
			data = m.value
		}
	}
	return meta, data, o.whole()
}

func describeNotJSON(value []byte) string {
	switch {
	case value == nil:
		return "null, a tombstone"
	case len(value) == 0:
		return "empty"
	case value[0] == 0 && len(value) > 5:
		return "binary, perhaps framed with a schema id"
	default:
		return fmt.Sprintf("%q", shorten(value))
	}
}

func (r *envelopeReader) readRepeated() {
	for _, n := range r.repeated {
		r.problem(FieldProblem{
			Field: n.field, Got: shortenLine(n.value.of(r.value)), Offset: n.value.start,
			Want: "one only: another stands before it, and readers differ in which they take",
		})
	}
}

func (r *envelopeReader) readMeta() {
	name := r.c.Envelope.Meta
	switch {
	case r.meta == (span{}):
		r.problem(FieldProblem{Field: name, Want: "an object with id, type, version, source, time and correlation_id"})
		return
	case !r.isObject:
		r.problem(FieldProblem{Field: name, Got: shorten(r.meta.of(r.value)), Want: "an object", Offset: r.meta.start})
		return
	}
	r.text = string(r.meta.of(r.value))
	r.readFields(r.fields)
	r.readDeadLetter(r.fields)
}

// named returns where to remember the value of a field, relative to meta; nil
// for a name that is none of the envelope's.
func (f *fields) named(c *Conventions, name []byte) *span {
	switch e, d := &c.Envelope, &c.DeadLetter; string(name) {
	case e.ID:
		return &f.id
	case e.Type:
		return &f.typ
	case e.Version:
		return &f.version
	case e.Source:
		return &f.source
	case e.Time:
		return &f.time
	case e.CorrelationID:
		return &f.correlation
	case d.Error:
		return &f.dlqError
	case d.OriginalTopic:
		return &f.dlqTopic
	case d.Time:
		return &f.dlqTime
	}
	return nil
}

func (r *envelopeReader) readFields(f fields) {
	e, m := r.c.Envelope, &r.event.Meta
	m.ID = r.filled(e.ID, f.id, "a unique text, such as a UUID")
	m.Type = r.filled(e.Type, f.typ, "the type of the event, such as user-registered")
	m.Version = r.filled(e.Version, f.version, "v1 or 1.0")
	if _, ok := MajorVersion(m.Version); m.Version != "" && !ok {
		r.wrong(e.Version, f.version, "v1 or 1.0", "")
	}
	m.Source = r.filled(e.Source, f.source, "the name of the service, such as auth-service")
	r.readTime(f.time)
	m.CorrelationID, _ = r.str(e.CorrelationID, f.correlation, `the id of the request, or "none"`)
	if m.CorrelationID == NoCorrelation {
		m.CorrelationID = ""
	}
}

func (r *envelopeReader) readTime(s span) {
	const want = "a time with an offset, such as 2023-11-10T12:34:56Z"
	name := r.c.Envelope.Time
	if s != (span{}) && r.text[s.start] >= '0' && r.text[s.start] <= '9' {
		r.wrong(name, s, want, "made by time.time()? write "+pythonNow)
		return
	}
	text, ok := r.str(name, s, want)
	if !ok {
		return
	}
	t, hint, ok := readTime(text)
	r.event.Meta.Time = t
	if !ok {
		r.wrong(name, s, want, hint)
	}
}

func (r *envelopeReader) readDeadLetter(f fields) {
	d := &r.event.DeadLetter
	d.Error = r.optional(f.dlqError)
	d.OriginalTopic = r.optional(f.dlqTopic)
	if text := r.optional(f.dlqTime); text != "" {
		d.Time, _, _ = readTime(text)
	}
}

// filled reads a text that must be there and not be empty.
func (r *envelopeReader) filled(name string, s span, want string) string {
	text, ok := r.str(name, s, want)
	if ok && text == "" {
		r.wrong(name, s, want, "")
	}
	return text
}

// str reads a text that must be there.
func (r *envelopeReader) str(name string, s span, want string) (string, bool) {
	if s == (span{}) {
		r.problem(FieldProblem{Field: r.c.metaName(name), Want: want, Offset: r.meta.start})
		return "", false
	}
	if r.text[s.start] != '"' {
		r.wrong(name, s, want+", as a string", "")
		return "", false
	}
	return r.unquote(s), true
}

func (r *envelopeReader) optional(s span) string {
	if s == (span{}) || r.text[s.start] != '"' {
		return ""
	}
	return r.unquote(s)
}

// unquote takes a text out of meta, without a copy where there is no escape.
func (r *envelopeReader) unquote(s span) string {
	quoted := s.of(r.value[r.meta.start:])
	if hasEscape(quoted) {
		return unquote(quoted)
	}
	return r.text[s.start+1 : s.end-1]
}

func (r *envelopeReader) wrong(name string, s span, want, hint string) {
	got := shorten(s.of(r.value[r.meta.start:]))
	r.problem(FieldProblem{Field: r.c.metaName(name), Got: got, Want: want, Hint: hint, Offset: r.meta.start + s.start})
}

func (c *Conventions) metaName(field string) string { return c.Envelope.Meta + "." + field }
