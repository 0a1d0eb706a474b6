package batch

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Decompressor decompresses payloads. It is used by one goroutine.
type Decompressor struct {
	pool  pool
	codec kgo.Decompressor
}

// NewDecompressor returns one that reuses its memory, or with keep makes each
// payload one of its own.
func NewDecompressor(keep bool) *Decompressor {
	d := &Decompressor{}
	if keep {
		d.codec = kgo.DefaultDecompressor()
	} else {
		d.codec = kgo.DefaultDecompressor(&d.pool)
	}
	return d
}

// Payload checks a batch and returns its records, one behind the other. Without
// keep they are valid until the next call.
func (d *Decompressor) Payload(b *Batch) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	payload, err := d.codec.Decompress(b.raw[headerSize:], kgo.CompressionCodecType(b.codec()))
	if err != nil {
		return nil, fmt.Errorf("%w: decompress it: %w", ErrCorrupt, err)
	}
	if b.codec() != 0 {
		d.pool.last = payload
	}
	return payload, nil
}

// pool lends the memory of the payload before.
type pool struct{ last []byte }

func (p *pool) GetDecompressBytes([]byte, kgo.CompressionCodecType) []byte { return p.last[:0] }

func (p *pool) PutDecompressBytes([]byte) {}
