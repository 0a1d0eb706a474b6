package spec

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Event is an event as it was read (K2).
type Event struct {
	Meta Meta `json:"meta"`
	// Data is the bytes of data as they stand in the value that was read, with
	// which it shares its memory. It is valid JSON and has not been decoded.
	Data json.RawMessage `json:"data"`
	// DeadLetter holds the dead-letter fields of meta; zero when there are none.
	DeadLetter DeadLetter `json:"-"`
}

// Meta is what is known of every event.
type Meta struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Version string `json:"version"` // v1 or 1.0, see MajorVersion
	Source  string `json:"source"`  // the service that made it
	// Time is when it was made. A time without an offset is read as UTC, and is
	// a problem of the envelope; zero when it cannot be read at all.
	Time time.Time `json:"time"`
	// CorrelationID is empty when there is none, which is written as "none".
	CorrelationID string `json:"correlation_id,omitempty"`
}

// ParseEvent reads the envelope of an event without decoding its data; value
// is not changed and not copied. When something is missing or wrong the error
// is an [*EnvelopeError] with all of it, and the Event holds what could be read.
// A member of the envelope that is there twice is such a problem, since readers
// differ in which of the two they take, so that one would check what another does
// not use; the Event holds the last. Other names, in meta and in data, may repeat.
func (c Conventions) ParseEvent(value []byte) (Event, error) {
	r := envelopeReader{c: c, value: value}
	return r.read()
}

// BuildEvent makes the text of an event. Data must be JSON. An empty ID
// becomes a new UUID, an empty Version "v1", a zero Time the present, and an
// empty CorrelationID "none"; a Type and a Source must be there. The error is
// an [*EnvelopeError].
func (c Conventions) BuildEvent(m Meta, data json.RawMessage) ([]byte, error) {
	if m.ID == "" {
		m.ID = NewID()
	}
	if m.Version == "" {
		m.Version = "v1"
	}
	if m.Time.IsZero() {
		m.Time = time.Now()
	}
	if m.CorrelationID == "" {
		m.CorrelationID = NoCorrelation
	}
	out := c.appendEvent(make([]byte, 0, len(data)+384), m, data)
	if _, err := c.ParseEvent(out); err != nil {
		return nil, err
	}
	return out, nil
}

func (c Conventions) appendEvent(b []byte, m Meta, data json.RawMessage) []byte {
	e := c.Envelope
	b = append(b, '{')
	b = append(appendQuoted(b, e.Meta), ':', '{')
	for i, f := range []namedValue{
		{e.ID, m.ID}, {e.Type, m.Type}, {e.Version, m.Version}, {e.Source, m.Source},
		{e.Time, formatTime(m.Time)}, {e.CorrelationID, m.CorrelationID},
	} {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendQuoted(b, f.key), ':')
		b = appendQuoted(b, f.value)
	}
	b = append(b, '}', ',')
	b = append(appendQuoted(b, e.Data), ':')
	b = append(b, data...)
	return append(b, '}')
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// NewID returns a random UUID (version 4), for events and requests.
func NewID() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails, as crypto/rand documents
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[:8], u[:4])
	for i, at := range []int{9, 14, 19, 24} {
		text[at-1] = '-'
		hex.Encode(text[at:], u[4+2*i:6+2*i])
	}
	hex.Encode(text[24:], u[10:])
	return string(text[:])
}

// MajorVersion returns the major of a version as events carry it: 1 for v1,
// 1.0, v1.2.3 and 1. It reports false for anything else.
func MajorVersion(version string) (major string, ok bool) {
	digits := strings.TrimPrefix(version, "v")
	major, _, _ = strings.Cut(digits, ".")
	for part := range strings.SplitSeq(digits, ".") {
		if !isDigits(part) {
			return "", false
		}
	}
	if major = strings.TrimLeft(major, "0"); major == "" {
		major = "0"
	}
	return major, true
}

// CheckTopic reports where an event and the topic it is on disagree: its type,
// its source and the major of its version. The error is an [*EnvelopeError]. A
// part which the topic format does not have is not compared.
func (c Conventions) CheckTopic(e Event, t Topic) error {
	var problems []FieldProblem
	disagree := func(field, got, want string) {
		problems = append(problems, FieldProblem{Field: c.metaName(field), Got: strconv.Quote(got), Want: want + ", as the topic says"})
	}
	if t.Event != "" && e.Meta.Type != t.Event {
		disagree(c.Envelope.Type, e.Meta.Type, t.Event)
	}
	if t.Service != "" && e.Meta.Source != t.Service {
		disagree(c.Envelope.Source, e.Meta.Source, t.Service)
	}
	got, _ := MajorVersion(e.Meta.Version)
	if want, _ := MajorVersion(t.Version); t.Version != "" && got != want {
		disagree(c.Envelope.Version, e.Meta.Version, t.Version+" or "+want+".0")
	}
	if problems == nil {
		return nil
	}
	return &EnvelopeError{Problems: problems}
}
