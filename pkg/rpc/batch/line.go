package batch

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxLine is the default bound of a line of input, in bytes.
const MaxLine = 16 << 20

// lineError says what is wrong with a line of input.
type lineError struct {
	// Line counts from 1.
	Line int
	// Column counts characters from 1; 0 is the line as a whole.
	Column int
	Err    error
}

func (e *lineError) Error() string {
	if e.Column == 0 {
		return fmt.Sprintf("line %d: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("line %d, column %d: %v", e.Line, e.Column, e.Err)
}

// Unwrap returns what is wrong.
func (e *lineError) Unwrap() error { return e.Err }

// line is one that is not blank.
type line struct {
	number int
	text   []byte // as much as may be of one that is too long
	err    *lineError
}

// sum tells apart lines that a journal has seen.
func (l line) sum() uint64 {
	sum := sha256.Sum256(l.text)
	return binary.BigEndian.Uint64(sum[:])
}

type lineReader struct {
	r      *bufio.Reader
	limit  int
	number int
}

func newLineReader(r io.Reader, limit int) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 256<<10), limit: limit}
}

const byteOrderMark = "\ufeff"

// next returns the next line that is not blank; io.EOF at their end. A line that is
// too long carries its own error and does not end the reading.
func (l *lineReader) next() (line, error) {
	for {
		text, whole, err := l.read()
		l.number++
		if l.number == 1 {
			text = bytes.TrimPrefix(text, []byte(byteOrderMark))
		}
		text = bytes.TrimSpace(text)
		switch {
		case !whole:
			return line{l.number, text, &lineError{l.number, 0, fmt.Errorf("it is longer than %s", bytesText(l.limit))}}, nil
		case len(text) > 0:
			return line{number: l.number, text: text}, nil
		case err != nil:
			return line{}, err
		}
	}
}

// read returns a line in memory of its own, cut at the limit, and an error when
// there is no line after it.
func (l *lineReader) read() (text []byte, whole bool, err error) {
	whole = true
	for {
		part, err := l.r.ReadSlice('\n')
		if keep := min(len(part), l.limit+1-len(text)); keep > 0 {
			text = append(text, part[:keep]...)
		}
		whole = whole && len(text) <= l.limit
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text[:min(len(text), l.limit)], whole, err
		}
	}
}

// waits reports whether the next line may take its time to come.
func (l *lineReader) waits() bool {
	buffered, _ := l.r.Peek(l.r.Buffered()) // cannot fail: they are there
	return bytes.IndexByte(buffered, '\n') < 0
}

func bytesText(n int) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
