package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Writer writes an archive. One goroutine uses it.
type Writer struct {
	out    io.Writer
	zstd   *zstd.Encoder
	digest hash.Hash
	block  []byte
	packed []byte
	frame  []byte
	end    End
	topics int
}

// NewWriter begins an archive. The header's frame is written at once.
func NewWriter(out io.Writer, h Header) (*Writer, error) {
	w, err := newWriter(out, len(h.Topics))
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(out, magic); err != nil {
		return nil, err
	}
	return w, w.write(kindHeader, text)
}

func newWriter(out io.Writer, topics int) (*Writer, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return &Writer{out: out, zstd: encoder, digest: sha256.New(), topics: topics}, nil
}

// Add adds a record of a topic, which is its place in the header. It is on its
// way to the file when the block is full.
func (w *Writer) Add(topic int, r *kgo.Record) error {
	if topic < 0 || topic >= w.topics {
		return fmt.Errorf("there are %d topics, and none is number %d", w.topics, topic)
	}
	before := len(w.block)
	w.block = appendRecord(w.block, topic, r)
	if len(w.block)-before > maxPayload {
		return fmt.Errorf("%s partition %d offset %d: a record of %d bytes is more than an archive takes", r.Topic, r.Partition, r.Offset, len(w.block)-before)
	}
	w.end.Records++
	if len(w.block) >= blockBytes {
		return w.Flush()
	}
	return nil
}

// Flush writes what was added as a block of its own.
func (w *Writer) Flush() error {
	if len(w.block) == 0 {
		return nil
	}
	w.packed = w.zstd.EncodeAll(w.block, w.packed[:0])
	w.block = w.block[:0]
	w.end.Blocks++
	return w.write(kindBlock, w.packed)
}

// Close completes the archive. It does not close what it writes to.
func (w *Writer) Close() (End, error) {
	if err := w.Flush(); err != nil {
		return w.end, err
	}
	w.end.Digest = hex.EncodeToString(w.digest.Sum(nil))
	text, err := json.Marshal(w.end)
	if err != nil {
		return w.end, err
	}
	return w.end, w.write(kindEnd, text)
}

func (w *Writer) write(kind byte, payload []byte) error {
	w.frame = appendFrame(w.frame[:0], kind, payload)
	w.digest.Write(w.frame[5:frameHead])
	_, err := w.out.Write(w.frame)
	return err
}
