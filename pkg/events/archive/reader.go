package archive

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Reader reads an archive, checks every frame before it hands on anything of it,
// and never more than one at a time. One goroutine uses it.
type Reader struct {
	in     *bufio.Reader
	zstd   *zstd.Decoder
	digest hash.Hash
	header Header
	frame  []byte
	at     int64 // of the next frame
	blocks int
	count  int64
	end    *End
}

// NewReader reads the header. The error is [ErrNoArchive], [ErrIncomplete], a
// [*CorruptError], or the input's.
func NewReader(in io.Reader) (*Reader, error) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPayload))
	if err != nil {
		return nil, err
	}
	r := &Reader{in: bufio.NewReaderSize(in, 1<<20), zstd: decoder, digest: sha256.New()}
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(r.in, head); err != nil && !isShort(err) {
		return nil, err
	}
	if string(head) != magic {
		return nil, ErrNoArchive
	}
	r.at = int64(len(magic))
	kind, payload, _, err := r.next()
	if err != nil {
		return nil, err
	}
	if kind != kindHeader {
		return nil, r.corrupt(int64(len(magic)), fmt.Errorf("a frame %q where the header should be", kind))
	}
	if err := json.Unmarshal(payload, &r.header); err != nil {
		return nil, r.corrupt(int64(len(magic)), fmt.Errorf("header: %w", err))
	}
	return r, nil
}

// Close frees what decompressing took.
func (r *Reader) Close() { r.zstd.Close() }

// Header returns the archive's.
func (r *Reader) Header() Header { return r.header }

// Blocks is how many blocks were read, and Records how many records of them.
func (r *Reader) Blocks() int { return r.blocks }

// Records is how many records were read.
func (r *Reader) Records() int64 { return r.count }

// End returns what the end says; nil before it was read.
func (r *Reader) End() *End { return r.end }

// Next returns the records of the next block, which share memory that is the
// caller's. At the end of a complete archive the error is io.EOF; it is
// [ErrIncomplete] when the file ends before, a [*CorruptError], or the input's.
func (r *Reader) Next() ([]Record, error) {
	at := r.at
	block, err := r.nextPacked()
	if err != nil {
		return nil, err
	}
	text, err := r.zstd.DecodeAll(block, nil)
	if err != nil {
		return nil, r.corrupt(at, fmt.Errorf("decompress: %w", err))
	}
	d := decoder{text: text}
	var records []Record
	for len(d.text) > 0 {
		records = append(records, d.record(len(r.header.Topics)))
	}
	if d.bad {
		return nil, r.corrupt(at, errors.New("a record is cut off or makes no sense"))
	}
	r.blocks++
	r.count += int64(len(records))
	return records, nil
}

// nextPacked returns the next block as it is in the file, checked by its
// checksum and no further; it is valid until the next call.
func (r *Reader) nextPacked() ([]byte, error) {
	if r.end != nil {
		return nil, io.EOF
	}
	at := r.at
	soFar := hex.EncodeToString(r.digest.Sum(nil))
	kind, payload, _, err := r.next()
	switch {
	case err != nil:
		return nil, err
	case kind == kindBlock:
		return payload, nil
	case kind != kindEnd:
		return nil, r.corrupt(at, fmt.Errorf("a frame %q where a block should be", kind))
	}
	var end End
	if err := json.Unmarshal(payload, &end); err != nil {
		return nil, r.corrupt(at, fmt.Errorf("end: %w", err))
	}
	if end.Digest != soFar {
		return nil, r.corrupt(at, errors.New("the frames are not those that the end names"))
	}
	if _, err := r.in.ReadByte(); err == nil {
		return nil, r.corrupt(r.at, errors.New("something follows the end"))
	}
	r.end = &end
	return nil, io.EOF
}

// next reads a frame and checks it.
func (r *Reader) next() (kind byte, payload []byte, size int64, err error) {
	head := make([]byte, frameHead)
	if _, err := io.ReadFull(r.in, head); err != nil {
		return 0, nil, 0, r.short(err)
	}
	n := binary.LittleEndian.Uint32(head[1:])
	if n > maxPayload {
		return 0, nil, 0, r.corrupt(r.at, fmt.Errorf("a frame of %d bytes", n))
	}
	if r.frame, err = readAtMost(r.in, r.frame[:0], int(n)); err != nil {
		return 0, nil, 0, r.short(err)
	}
	if checksum(head, r.frame) != binary.LittleEndian.Uint32(head[5:]) {
		return 0, nil, 0, r.corrupt(r.at, errors.New("the checksum is not that of the frame"))
	}
	r.digest.Write(head[5:])
	r.at += int64(frameHead) + int64(n)
	return head[0], r.frame, int64(n), nil
}

// readAtMost reads n bytes; memory grows with what is really there.
func readAtMost(in io.Reader, b []byte, n int) ([]byte, error) {
	for len(b) < n {
		more := min(n-len(b), 1<<20)
		at := len(b)
		b = append(b, make([]byte, more)...)
		if _, err := io.ReadFull(in, b[at:]); err != nil {
			return b[:0], err
		}
	}
	return b, nil
}

func (r *Reader) corrupt(at int64, err error) error {
	return &CorruptError{Offset: at, Block: r.blocks, Err: err}
}

func isShort(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// short says where the file ends too early.
func (r *Reader) short(err error) error {
	if isShort(err) {
		return fmt.Errorf("%w (behind block %d, at byte %d)", ErrIncomplete, r.blocks, r.at)
	}
	return err
}

// Verify reads an archive to its end and returns what it holds. The errors are
// those of the reader.
func Verify(in io.Reader) (Header, End, error) {
	r, err := NewReader(in)
	if err != nil {
		return Header{}, End{}, err
	}
	defer r.Close()
	for {
		_, err := r.Next()
		if errors.Is(err, io.EOF) && r.end != nil {
			if r.end.Blocks != r.blocks || r.end.Records != r.count {
				return r.header, *r.end, r.corrupt(r.at, fmt.Errorf("%d blocks with %d records, and the end says %d with %d", r.blocks, r.count, r.end.Blocks, r.end.Records))
			}
			return r.header, *r.end, nil
		}
		if err != nil {
			return r.header, End{Blocks: r.blocks, Records: r.count}, err
		}
	}
}
