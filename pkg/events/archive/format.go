package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	magic = "suokarc1"

	kindHeader = 'H'
	kindBlock  = 'B'
	kindEnd    = 'E'

	frameHead = 9 // kind, length, checksum
	// maxPayload bounds a frame, and what a block is when it is decompressed:
	// more than any record, less than what a broken file could claim.
	maxPayload = 64 << 20
	// blockBytes is how many bytes of records make a block.
	blockBytes = 1 << 20
)

// Header says what an archive holds.
type Header struct {
	// ID is the archive's own: imports are kept apart by it.
	ID     string    `json:"id"`
	Time   time.Time `json:"time"`
	Topics []Topic   `json:"topics"`
	// Selection is a text of what chose records beyond the offsets; empty when
	// all are there.
	Selection string `json:"selection,omitempty"`
}

// Topic is the part of a topic that an archive holds.
type Topic struct {
	Name string `json:"name"`
	// ID is the topic's own.
	ID         string      `json:"id"`
	Partitions []Partition `json:"partitions"`
}

// Partition is a stretch of a partition's offsets, without Until.
type Partition struct {
	ID    int32 `json:"id"`
	From  int64 `json:"from"`
	Until int64 `json:"until"`
}

// End says what a complete archive holds.
type End struct {
	Blocks  int    `json:"blocks"`
	Records int64  `json:"records"`
	Digest  string `json:"sha256"` // of the checksums of all frames before it
}

// Record is a record of an archive.
type Record struct {
	Topic int // its place in [Header.Topics]
	kgo.Record
	// BrokerTime says that the broker has set the timestamp.
	BrokerTime bool
}

var (
	// ErrNoArchive is returned for a file that does not begin as archives do.
	ErrNoArchive = errors.New("not an archive of suokectl")
	// ErrIncomplete is returned when a file ends before the archive does.
	ErrIncomplete = errors.New("the archive is not complete: it ends before its end")
)

// CorruptError says where an archive is not what was written.
type CorruptError struct {
	Offset int64 // of the frame, in bytes of the file
	Block  int   // blocks that are whole before it
	Err    error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("the archive is corrupt at byte %d, behind block %d: %v", e.Offset, e.Block, e.Err)
}

// Unwrap returns what is wrong.
func (e *CorruptError) Unwrap() error { return e.Err }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(head, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(head[:5], castagnoli), castagnoli, payload)
}

func appendFrame(b []byte, kind byte, payload []byte) []byte {
	head := binary.LittleEndian.AppendUint32([]byte{kind}, uint32(len(payload)))
	b = append(b, head...)
	b = binary.LittleEndian.AppendUint32(b, checksum(head, payload))
	return append(b, payload...)
}

func appendBytes(b, text []byte) []byte {
	if text == nil {
		return append(b, 0)
	}
	return append(binary.AppendUvarint(b, uint64(len(text))+1), text...)
}

func appendRecord(b []byte, topic int, r *kgo.Record) []byte {
	b = binary.AppendUvarint(b, uint64(topic))
	b = binary.AppendUvarint(b, uint64(r.Partition))
	b = binary.AppendUvarint(b, uint64(r.Offset))
	b = binary.AppendVarint(b, r.Timestamp.UnixMilli())
	kind := byte(0)
	if r.Attrs.TimestampType() == 1 {
		kind = 1
	}
	b = append(b, kind)
	b = appendBytes(appendBytes(b, r.Key), r.Value)
	b = binary.AppendUvarint(b, uint64(len(r.Headers)))
	for _, h := range r.Headers {
		b = appendBytes(appendBytes(b, []byte(h.Key)), h.Value)
	}
	return b
}

// decoder reads the records of a block; bad is set at what cannot be.
type decoder struct {
	text []byte
	bad  bool
}

func (d *decoder) fail() { d.text, d.bad = nil, true }

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.text)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.text = d.text[size:]
	return n
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.text)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.text = d.text[size:]
	return n
}

// below reads a number that must be less than a limit.
func (d *decoder) below(limit uint64) uint64 {
	n := d.uvarint()
	if n >= limit {
		d.fail()
		return 0
	}
	return n
}

func (d *decoder) byte() byte {
	if len(d.text) == 0 {
		d.fail()
		return 0
	}
	b := d.text[0]
	d.text = d.text[1:]
	return b
}

// bytes shares the block's memory.
func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n == 0 {
		return nil
	}
	if n--; n > uint64(len(d.text)) {
		d.fail()
		return nil
	}
	text := d.text[:n:n]
	d.text = d.text[n:]
	return text
}

func (d *decoder) record(topics int) Record {
	var r Record
	r.Topic = int(d.below(uint64(topics)))
	r.Partition = int32(d.below(1 << 31))
	r.Offset = int64(d.below(1 << 63))
	r.Timestamp = time.UnixMilli(d.varint())
	switch d.byte() {
	case 0:
	case 1:
		r.BrokerTime = true
	default:
		d.fail()
	}
	r.Key, r.Value = d.bytes(), d.bytes()
	n := d.below(uint64(len(d.text)) + 1) // each has two bytes at least
	for range n {
		name := d.bytes()
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: string(name), Value: d.bytes()})
		if d.bad {
			break
		}
	}
	return r
}
