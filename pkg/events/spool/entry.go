package spool

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// State is what is known of an entry.
type State byte

const (
	// Waiting entries were never sent.
	Waiting State = 'W'
	// MaybeStored entries were sent, and may be stored by the broker or not.
	MaybeStored State = 'M'

	removed State = 'R'
)

// Entry is one event.
type Entry struct {
	// ID orders the entries; it is unique in the spool and not 0.
	ID    uint64
	State State
	// Since is when the event was first sent, to the nanosecond.
	Since time.Time
	Topic string
	// Partition is the one that was asked for; nil is none.
	Partition *int32
	// Timestamp is the record's own, to the millisecond; zero is that of its sending.
	Timestamp time.Time
	// Key and Value may be nil, which is not the same as empty.
	Key, Value []byte
	Headers    []kgo.RecordHeader
}

var errPayload = errors.New("the entry cannot be read")

// appendPayload appends all of the entry but its state.
func (e Entry) appendPayload(b []byte) []byte {
	b = binary.AppendUvarint(b, e.ID)
	b = binary.AppendVarint(b, e.Since.UnixNano())
	b = appendBytes(b, []byte(e.Topic))
	b = appendBytes(b, e.Key)
	b = appendBytes(b, e.Value)
	b = binary.AppendUvarint(b, uint64(len(e.Headers)))
	for _, h := range e.Headers {
		b = appendBytes(b, []byte(h.Key))
		b = appendBytes(b, h.Value)
	}
	if e.Partition == nil && e.Timestamp.IsZero() {
		return b
	}
	return e.appendPlace(b)
}

// appendPlace appends what few entries have: a partition plus one, 0 for none,
// and a time in milliseconds if there is one.
func (e Entry) appendPlace(b []byte) []byte {
	if e.Partition == nil {
		b = binary.AppendUvarint(b, 0)
	} else {
		b = binary.AppendUvarint(b, uint64(uint32(*e.Partition))+1)
	}
	if e.Timestamp.IsZero() {
		return b
	}
	return binary.AppendVarint(b, e.Timestamp.UnixMilli())
}

// size is what the entry takes on disk at most.
func (e Entry) size() int64 {
	n := payloadAt + len(e.Topic) + len(e.Key) + len(e.Value) + 8*binary.MaxVarintLen64
	for _, h := range e.Headers {
		n += len(h.Key) + len(h.Value) + 2*binary.MaxVarintLen64
	}
	return int64(n)
}

// appendBytes appends the length plus one, and 0 for nil.
func appendBytes(b, text []byte) []byte {
	if text == nil {
		return binary.AppendUvarint(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(text))+1)
	return append(b, text...)
}

// parsePayload reads what appendPayload wrote; the entry shares b's memory.
func parsePayload(b []byte) (Entry, error) {
	r := payload{rest: b}
	e := Entry{ID: r.number()}
	e.Since = time.Unix(0, r.signed())
	e.Topic, e.Key, e.Value = string(r.bytes()), r.bytes(), r.bytes()
	headers := r.number()
	if headers > uint64(len(r.rest)) { // each takes two bytes at least
		return Entry{}, errPayload
	}
	for range headers {
		e.Headers = append(e.Headers, kgo.RecordHeader{Key: string(r.bytes()), Value: r.bytes()})
	}
	if len(r.rest) > 0 {
		r.place(&e)
	}
	if r.bad || len(r.rest) > 0 || e.ID == 0 {
		return Entry{}, errPayload
	}
	return e, nil
}

type payload struct {
	rest []byte
	bad  bool
}

// place reads what appendPlace wrote.
func (p *payload) place(e *Entry) {
	if n := p.number(); n > 0 {
		partition := int32(n - 1)
		e.Partition = &partition
	}
	if len(p.rest) > 0 {
		e.Timestamp = time.UnixMilli(p.signed()).UTC()
	}
}

func (p *payload) number() uint64 {
	n, size := binary.Uvarint(p.rest)
	p.skip(size)
	return n
}

func (p *payload) signed() int64 {
	n, size := binary.Varint(p.rest)
	p.skip(size)
	return n
}

func (p *payload) skip(size int) {
	if size <= 0 {
		p.bad, size = true, len(p.rest)
	}
	p.rest = p.rest[size:]
}

func (p *payload) bytes() []byte {
	n := p.number()
	if n == 0 {
		return nil
	}
	if n--; n > uint64(len(p.rest)) {
		p.bad, p.rest = true, nil
		return nil
	}
	text := p.rest[:n:n]
	p.rest = p.rest[n:]
	return text
}
