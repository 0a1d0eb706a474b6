package intake

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
)

const (
	// chunkSize is how much is read at a time, and minRead the least room that
	// a read is given.
	chunkSize = 1 << 20
	minRead   = 64 << 10
	// MaxRecord bounds a record's text, in bytes. Brokers take a megabyte by
	// default.
	MaxRecord = 64 << 20
)

// ErrTooLong is returned when a record's text is longer than [MaxRecord], which
// ends the input: it is probably none of what it was taken for.
var ErrTooLong = fmt.Errorf("longer than %d MiB", MaxRecord>>20)

var byteOrderMark = []byte("\xef\xbb\xbf")

// Open decompresses what begins with the magic of gzip or zstd. Plain says that
// the input needed nothing. Who has read enough need not close anything.
func Open(in io.Reader) (out io.Reader, plain bool, err error) {
	buffered := bufio.NewReaderSize(in, minRead)
	magic, err := buffered.Peek(4)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, false, err
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		out, err = gzip.NewReader(buffered)
		return out, false, err
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		// It is read ahead of anyway; and to end the decoder's own goroutines would
		// mean to wait for an input from which nothing comes.
		out, err = zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(256<<20))
		return out, false, err
	}
	return buffered, true, nil
}

// source reads ahead, so that an interrupt is not kept waiting by a terminal or
// pipe from which nothing comes; such a read ends with the process only.
type source struct {
	ctx    context.Context
	chunks chan chunk
	idle   chan []byte // blocks that nobody holds
	begun  chunk       // what Read has not returned yet
}

// chunk is some whole records, but for the last of the input, which may lack its
// delimiter, or the error that ended it.
type chunk struct {
	text  []byte
	block *Block // that text lies in, held for who takes the chunk
	err   error
}

func readAhead(ctx context.Context, in io.Reader, delimiter []byte) *source {
	s := &source{ctx: ctx, chunks: make(chan chunk, 4), idle: make(chan []byte, idleBlocks)}
	go s.read(in, delimiter)
	return s
}

func (s *source) read(in io.Reader, delimiter []byte) {
	defer close(s.chunks)
	block := s.block(chunkSize)
	defer func() { block.Release() }()
	text := block.room[:0] // what was read and is part of no chunk yet
	for {
		if cap(text)-len(text) < minRead {
			next := s.block(max(chunkSize, 2*len(text)))
			text = append(next.room[:0], text...)
			block.Release()
			block = next
		}
		n, err := in.Read(text[len(text):cap(text)])
		from := max(0, len(text)-len(delimiter)+1)
		text = text[:len(text)+n]
		end := bytes.LastIndex(text[from:], delimiter)
		switch {
		case err != nil:
			s.last(block, text, err)
			return
		case end >= 0:
			end += from + len(delimiter)
			if !s.give(chunk{text: text[:end:end], block: block.Hold()}) {
				return
			}
			text = text[end:]
		case len(text) > MaxRecord:
			s.give(chunk{err: ErrTooLong})
			return
		}
	}
}

func (s *source) last(block *Block, text []byte, err error) {
	if len(text) > 0 && !s.give(chunk{text: text, block: block.Hold()}) {
		return
	}
	if !errors.Is(err, io.EOF) {
		s.give(chunk{err: err})
	}
}

func (s *source) give(c chunk) bool {
	select {
	case s.chunks <- c:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// next returns whole records, or io.EOF, or the context's cause.
func (s *source) next() (chunk, error) {
	select {
	case <-s.ctx.Done():
		return chunk{}, context.Cause(s.ctx)
	case c, more := <-s.chunks:
		switch {
		case more:
			return c, c.err
		case s.ctx.Err() != nil:
			return chunk{}, context.Cause(s.ctx)
		}
		return chunk{}, io.EOF
	}
}

// Read makes the source a reader, for what finds the ends of records by itself.
func (s *source) Read(p []byte) (int, error) {
	for len(s.begun.text) == 0 {
		s.begun.block.Release()
		var err error
		if s.begun, err = s.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.begun.text)
	s.begun.text = s.begun.text[n:]
	return n, nil
}

// splitter cuts chunks at their delimiters.
type splitter struct {
	src       *source
	delimiter []byte
	chunk     []byte // what is left of one
	block     *Block // that it lies in
	pos       Position
}

// ready reports that the next text has come, and is not blank: behind blank ones
// there may be nothing yet.
func (s *splitter) ready() bool {
	rest := bytes.TrimLeft(s.chunk, " \t\r\n")
	return len(rest) > 0 && !bytes.HasPrefix(rest, s.delimiter)
}

// next returns the next text without its delimiter, where it begins, and where
// the one behind it does.
func (s *splitter) next() (text []byte, at Position, err error) {
	for len(s.chunk) == 0 {
		s.block.Release()
		c, err := s.src.next()
		s.chunk, s.block = c.text, c.block
		if err != nil {
			return nil, s.pos, err
		}
	}
	at = s.pos
	end := bytes.Index(s.chunk, s.delimiter)
	if end < 0 {
		text, s.chunk = s.chunk, nil
		s.pos.Offset += int64(len(text))
	} else {
		text = slices.Clip(s.chunk[:end])
		s.chunk = s.chunk[end+len(s.delimiter):]
		s.pos.Offset += int64(end + len(s.delimiter))
	}
	s.pos.Line++
	if at.Offset == 0 {
		text = bytes.TrimPrefix(text, byteOrderMark)
	}
	return text, at, nil
}
