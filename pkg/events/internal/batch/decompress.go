package batch

import (
	"bytes"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Decompressor decompresses payloads. It is used by one goroutine.
type Decompressor struct {
	keep  bool
	pool  pool
	codec kgo.Decompressor
}

// NewDecompressor returns one that reuses its memory, or with keep makes each
// payload one of its own.
func NewDecompressor(keep bool) *Decompressor {
	d := &Decompressor{keep: keep}
	d.codec = kgo.DefaultDecompressor(&d.pool)
	return d
}

// Payload checks a batch and returns its records, one behind the other. Without
// keep they are valid until the next call.
func (d *Decompressor) Payload(b *Batch) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	codec := kgo.CompressionCodecType(b.codec())
	if codec == kgo.CodecNone {
		return b.raw[headerSize:], nil
	}
	payload, err := d.decompress(b.raw[headerSize:], codec)
	if err != nil {
		return nil, fmt.Errorf("%w: decompress it: %w", ErrCorrupt, err)
	}
	d.pool.last = payload
	if d.keep {
		return bytes.Clone(payload), nil
	}
	return payload, nil
}

func (d *Decompressor) decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if codec == kgo.CodecLz4 {
		if payload, ok := decodeLZ4(d.pool.last[:0], src); ok {
			return payload, nil
		}
	}
	return d.codec.Decompress(src, codec)
}

// pool lends the memory of the payload before.
type pool struct{ last []byte }

// GetDecompressBytes is called by the codec for memory.
func (p *pool) GetDecompressBytes([]byte, kgo.CompressionCodecType) []byte { return p.last[:0] }

// PutDecompressBytes is called by the codec to give it back.
func (p *pool) PutDecompressBytes([]byte) {}
