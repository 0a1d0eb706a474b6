package schema

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The wire format of Confluent's clients: a magic byte, the id of the schema in 4 bytes, the message's indexes where
// the schema is Protobuf, and the encoded value. No JSON text begins so, since the magic byte is 0.
const (
	magic     = 0
	frameSize = 5
)

// ErrNotFramed says that a value does not begin as the wire format does.
var ErrNotFramed = errors.New("not framed for a schema registry")

// errTruncated: a frame ends before it is complete.
var errTruncated = errors.New("the frame is truncated")

// ParseFrame reads the id of a framed value, and what follows it. The error is [ErrNotFramed].
func ParseFrame(value []byte) (id int, body []byte, err error) {
	if len(value) < frameSize || value[0] != magic {
		return 0, nil, ErrNotFramed
	}
	number := binary.BigEndian.Uint32(value[1:])
	if number > math.MaxInt32 {
		return 0, nil, ErrNotFramed
	}
	return int(number), value[frameSize:], nil
}

// AppendFrame begins a framed value.
func AppendFrame(b []byte, id int) []byte {
	return binary.BigEndian.AppendUint32(append(b, magic), uint32(id))
}

// ParseIndexes reads the place of a message in its Protobuf file from a frame's body: its index among the messages of
// the file, then among those nested in that one, and so on. The first message has a short form.
func ParseIndexes(body []byte) (indexes []int, payload []byte, err error) {
	count, body, err := varint(body)
	if err != nil {
		return nil, nil, err
	}
	if count == 0 {
		return []int{0}, body, nil
	}
	if count < 0 || count > maxNesting {
		return nil, nil, fmt.Errorf("the frame has %d message indexes", count)
	}
	for range count {
		var index int
		if index, body, err = varint(body); err != nil {
			return nil, nil, err
		}
		indexes = append(indexes, index)
	}
	return indexes, body, nil
}

func varint(b []byte) (int, []byte, error) {
	n, size := binary.Varint(b)
	if size <= 0 {
		return 0, nil, errTruncated
	}
	if n < math.MinInt32 || n > math.MaxInt32 {
		return 0, nil, fmt.Errorf("the frame has the message index %d", n)
	}
	return int(n), b[size:], nil
}

// AppendIndexes writes the place of a message in its Protobuf file.
func AppendIndexes(b []byte, indexes ...int) []byte {
	if len(indexes) == 1 && indexes[0] == 0 {
		return append(b, 0)
	}
	b = binary.AppendVarint(b, int64(len(indexes)))
	for _, index := range indexes {
		b = binary.AppendVarint(b, int64(index))
	}
	return b
}
