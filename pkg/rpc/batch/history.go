package batch

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// history is what earlier runs left in a journal, by line.
type history map[int]record

// record is what a journal knows of a line. A size of 0 says that there is no
// result.
type record struct {
	sum  uint64
	at   int64 // where the result is in the file
	size int
}

// maxRecord bounds a record: a result, whose responses are bounded by the channel.
const maxRecord = 1 << 30

// readHistory reads a journal from its beginning. It returns where its last whole
// record ends.
func readHistory(r io.Reader, h Heading) (history, int64, error) {
	past := history{}
	reader := bufio.NewReaderSize(r, 256<<10)
	var end int64
	for number := 1; ; number++ {
		text, err := reader.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			text, err = readLong(reader, text)
		}
		switch {
		case errors.Is(err, io.EOF):
			if number == 1 && len(text) > 0 && !bytes.HasPrefix([]byte(`{"journal":`), text[:min(len(text), 11)]) {
				return nil, 0, ErrNoJournal // of which nothing may be cut
			}
			return past, end, nil
		case err != nil:
			return nil, 0, err
		case number == 1:
			err = checkHeading(text, h)
		default:
			err = past.add(text, end)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("line %d: %w", number, err)
		}
		end += int64(len(text))
	}
}

// readLong reads the rest of a record that does not fit the reader's buffer.
func readLong(reader *bufio.Reader, start []byte) ([]byte, error) {
	text := bytes.Clone(start)
	for len(text) <= maxRecord {
		part, err := reader.ReadSlice('\n')
		text = append(text, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, err
		}
	}
	return nil, ErrNoJournal
}

func checkHeading(text []byte, want Heading) error {
	var h fullHeading
	if json.Unmarshal(text, &h) != nil || h.Journal != journalName {
		return ErrNoJournal
	}
	if h.Version != journalVersion {
		return fmt.Errorf("%w that this version can read: it has version %d", ErrNoJournal, h.Version)
	}
	if h.Heading != want {
		return fmt.Errorf("%w: of target %q and method %q, not %q and %q", ErrOtherInput, h.Target, h.Method, want.Target, want.Method)
	}
	return nil
}

// add takes in a record that begins at an offset of the file.
func (p history) add(text []byte, offset int64) error {
	kind, rest, _ := bytes.Cut(text, []byte(" "))
	digits, rest, found := bytes.Cut(rest, []byte(" "))
	number, err := strconv.Atoi(string(digits))
	if err != nil || !found || number < 1 {
		return ErrNoJournal
	}
	switch known, begun := p[number]; {
	case string(kind) == "s":
		sum, err := strconv.ParseUint(string(bytes.TrimSuffix(rest, []byte("\n"))), 16, 64)
		if err != nil || begun && known.sum != sum {
			return ErrNoJournal
		}
		p[number] = record{sum: sum} // what was sent again has no result yet
	case string(kind) == "d" && begun && len(rest) > 1:
		known.at, known.size = offset+int64(len(text)-len(rest)), len(rest)
		p[number] = known
	default:
		return ErrNoJournal
	}
	return nil
}
