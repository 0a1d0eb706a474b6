package batch

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Reader parses records. It is used by one goroutine.
type Reader struct {
	// Topic and Partition are written into each record.
	Topic     string
	Partition int32
	// Keep makes each record one of its own. Without, there is one, which the
	// next overwrites.
	Keep bool

	one   kgo.Record
	names []string // of headers, which mostly are those of the record before
}

// Each calls visit for the records of a batch with offsets of from to before
// until, and reports false when visit did. Keys and values are parts of the
// payload, which is what [Decompressor.Payload] returned for the batch.
func (r *Reader) Each(b *Batch, payload []byte, from, until int64, visit func(*kgo.Record) bool) (bool, error) {
	into := r.records(b, len(payload)/smallest)
	base, at := b.millis(atBaseTimestamp), b.millis(atMaxTimestamp)
	var raw record
	for i := range b.Count {
		rest, err := raw.read(payload)
		if err != nil {
			return false, fmt.Errorf("%w: record %d of %d from offset %d", err, i, b.Count, b.First)
		}
		payload = rest
		offset := b.First + int64(raw.offsetDelta)
		if offset < from || offset >= until {
			continue
		}
		if !b.isLogAppend() {
			at = base + raw.timestampDelta
		}
		record := into(i)
		record.Offset, record.Timestamp = offset, time.UnixMilli(at)
		record.Key, record.Value = raw.key, raw.value
		if record.Headers, err = r.headers(record.Headers[:0], &raw); err != nil {
			return false, fmt.Errorf("%w: headers at offset %d", err, offset)
		}
		if !visit(record) {
			return false, nil
		}
	}
	return true, nil
}

// smallest is the size of a record with nothing in it.
const smallest = 7

// records returns where the records of a batch go, of which there is room for
// so many.
func (r *Reader) records(b *Batch, room int) func(i int) *kgo.Record {
	common := kgo.Record{
		Topic: r.Topic, Partition: r.Partition, ProducerID: b.ProducerID(),
		ProducerEpoch: int16(binary.BigEndian.Uint16(b.raw[atProducerEpoch:])),
		LeaderEpoch:   int32(binary.BigEndian.Uint32(b.raw[atLeaderEpoch:])),
		Attrs:         b.attrs(),
	}
	if !r.Keep {
		common.Headers = r.one.Headers
		r.one = common
		return func(int) *kgo.Record { return &r.one }
	}
	all := make([]kgo.Record, min(b.Count, room))
	return func(i int) *kgo.Record {
		all[i] = common
		return &all[i]
	}
}

func (b *Batch) attrs() kgo.RecordAttrs {
	o := kgo.RecordAttrsOpts{Codec: kgo.CompressionCodecType(b.codec()), Transactional: b.IsTransactional(), Control: b.IsControl()}
	if b.isLogAppend() {
		o.TimestampType = 1
	}
	return kgo.NewRecordAttrs(o)
}

// headers parses the headers of a record. A null value stays one.
func (r *Reader) headers(into []kgo.RecordHeader, raw *record) ([]kgo.RecordHeader, error) {
	in := raw.headers
	for i := range raw.headerCount {
		name, rest, err := text(in)
		if err != nil {
			return nil, err
		}
		value, rest, err := text(rest)
		if err != nil {
			return nil, err
		}
		in = rest
		into = append(into, kgo.RecordHeader{Key: r.name(i, name), Value: value})
	}
	if len(in) > 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrCorrupt, len(in))
	}
	return into, nil
}

// name returns the name of a header as a string.
func (r *Reader) name(i int, name []byte) string {
	if i == len(r.names) {
		r.names = append(r.names, string(name))
	}
	if r.names[i] != string(name) {
		r.names[i] = string(name)
	}
	return r.names[i]
}

// record is one as it is stored; its slices are parts of the payload.
type record struct {
	timestampDelta int64
	offsetDelta    int32
	key, value     []byte
	headerCount    int
	headers        []byte
}

// read takes the first record from a payload.
func (r *record) read(in []byte) (rest []byte, err error) {
	length, n := varint(in)
	if n <= 0 || length < 1 || length > int64(len(in)-n) {
		return nil, fmt.Errorf("%w: a record of %d bytes where %d are left", ErrCorrupt, length, len(in)-max(n, 0))
	}
	body, rest := in[n+1:n+int(length)], in[n+int(length):] // without the attributes, which are unused
	var offsetDelta, headerCount int64
	if r.timestampDelta, body, err = number(body); err != nil {
		return nil, err
	}
	if offsetDelta, body, err = number(body); err != nil {
		return nil, err
	}
	if r.key, body, err = text(body); err != nil {
		return nil, err
	}
	if r.value, body, err = text(body); err != nil {
		return nil, err
	}
	if headerCount, body, err = number(body); err != nil {
		return nil, err
	}
	if headerCount < 0 || headerCount > int64(len(body)) || offsetDelta < 0 || offsetDelta > 1<<31-1 {
		return nil, fmt.Errorf("%w: %d headers at offset +%d", ErrCorrupt, headerCount, offsetDelta)
	}
	r.offsetDelta, r.headerCount, r.headers = int32(offsetDelta), int(headerCount), body
	return rest, nil
}

// text takes bytes behind their length, of which -1 is null.
func text(in []byte) (value, rest []byte, err error) {
	length, in, err := number(in)
	switch {
	case err != nil || length < -1 || length > int64(len(in)):
		return nil, nil, fmt.Errorf("%w: a text of %d bytes where %d are left", ErrCorrupt, length, len(in))
	case length < 0:
		return nil, in, nil
	}
	return in[:length:length], in[length:], nil
}

func number(in []byte) (int64, []byte, error) {
	v, n := varint(in)
	if n <= 0 {
		return 0, nil, fmt.Errorf("%w: a number that does not end", ErrCorrupt)
	}
	return v, in[n:], nil
}

// varint reads a zigzag number; most take one or two bytes.
func varint(in []byte) (int64, int) {
	if len(in) > 1 {
		if a := in[0]; a < 0x80 {
			return int64(a>>1) ^ -int64(a&1), 1
		} else if b := in[1]; b < 0x80 {
			v := uint64(a&0x7f) | uint64(b)<<7
			return int64(v>>1) ^ -int64(v&1), 2
		}
	}
	return binary.Varint(in)
}
