package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// ErrCorrupt is wrapped by every error about bytes that are no batch.
var ErrCorrupt = errors.New("corrupt record batch")

// Where the fields of a batch are.
const (
	atLength        = 8
	atLeaderEpoch   = 12
	atMagic         = 16
	atSum           = 17
	atAttributes    = 21
	atLastDelta     = 23
	atBaseTimestamp = 27
	atMaxTimestamp  = 35
	atProducerID    = 43
	atProducerEpoch = 51
	atCount         = 57
	headerSize      = 61

	lengthEnd = 12 // the length counts from here
	legacyEnd = 17 // what formats 0 and 1 have in common with a batch
)

// The attributes' bits.
const (
	codecBits       = 0x07
	logAppendBit    = 0x08
	transactionBit  = 0x10
	controlBit      = 0x20
	firstMagic      = 2
	abortMarkerType = 0
)

// Batch is one batch as it is stored. Its bytes are those it was cut from.
type Batch struct {
	// First and Last are the offsets that it covers, whether there are still
	// records for all of them or not.
	First, Last int64
	// Count is the number of its records. It is 0 for what is [Batch.Legacy].
	Count int

	raw        []byte
	attributes int16
}

// Cut takes the first batch from what a fetch answered. It reports false when
// none is left, or only the part of one with which a broker may fill an answer.
func Cut(in []byte) (b Batch, rest []byte, ok bool, err error) {
	if len(in) < legacyEnd {
		return Batch{}, nil, false, nil
	}
	length := int64(binary.BigEndian.Uint32(in[atLength:])) + lengthEnd
	if length > int64(len(in)) {
		return Batch{}, nil, false, nil
	}
	if length < legacyEnd {
		return Batch{}, nil, false, fmt.Errorf("%w: of %d bytes", ErrCorrupt, length)
	}
	b = Batch{raw: in[:length:length], First: int64(binary.BigEndian.Uint64(in))}
	b.Last = b.First
	if !b.Legacy() {
		err = b.readHeader()
	}
	return b, in[length:], err == nil, err
}

func (b *Batch) readHeader() error {
	if magic := b.raw[atMagic]; magic != firstMagic || len(b.raw) < headerSize {
		return fmt.Errorf("%w: %d bytes of format %d at offset %d", ErrCorrupt, len(b.raw), magic, b.First)
	}
	b.attributes = int16(binary.BigEndian.Uint16(b.raw[atAttributes:]))
	delta := int32(binary.BigEndian.Uint32(b.raw[atLastDelta:]))
	count := int32(binary.BigEndian.Uint32(b.raw[atCount:]))
	b.Last, b.Count = b.First+int64(delta), int(count)
	if b.First < 0 || b.Last < b.First || count < 0 || int64(count) > int64(delta)+1 {
		return fmt.Errorf("%w: %d records on offsets %d to %d", ErrCorrupt, count, b.First, b.Last)
	}
	return nil
}

// Legacy reports that the bytes are a message of format 0 or 1. Such a one says
// only which offset is its last; it may hold others before that.
func (b *Batch) Legacy() bool { return b.raw[atMagic] < firstMagic }

// Raw returns the batch as it is stored.
func (b *Batch) Raw() []byte { return b.raw }

// IsControl reports that the batch holds a marker, and no records of anybody's.
func (b *Batch) IsControl() bool { return b.attributes&controlBit != 0 }

// IsTransactional reports that the batch is part of a transaction.
func (b *Batch) IsTransactional() bool { return b.attributes&transactionBit != 0 }

// ProducerID returns who wrote the batch, -1 for who has no id.
func (b *Batch) ProducerID() int64 {
	return int64(binary.BigEndian.Uint64(b.raw[atProducerID:]))
}

// IsAbort reports that the batch is the marker of a transaction that was aborted.
func (b *Batch) IsAbort() bool {
	if !b.IsControl() {
		return false
	}
	var marker record
	if _, err := marker.read(b.raw[headerSize:]); err != nil || len(marker.key) < 4 {
		return false
	}
	return binary.BigEndian.Uint16(marker.key[2:]) == abortMarkerType
}

// Compressed reports that the records are somewhere else once they are read.
func (b *Batch) Compressed() bool { return !b.Legacy() && b.codec() != 0 }

func (b *Batch) codec() int8 { return int8(b.attributes & codecBits) }

func (b *Batch) isLogAppend() bool { return b.attributes&logAppendBit != 0 }

func (b *Batch) millis(at int) int64 { return int64(binary.BigEndian.Uint64(b.raw[at:])) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// check compares the checksum.
func (b *Batch) check() error {
	want := binary.BigEndian.Uint32(b.raw[atSum:])
	if got := crc32.Checksum(b.raw[atAttributes:], castagnoli); got != want {
		return fmt.Errorf("%w: its checksum is %08x where %08x is written", ErrCorrupt, got, want)
	}
	return nil
}
