package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLines(t *testing.T) {
	const limit = 8
	for name, test := range map[string]struct {
		input string
		want  []string // "number text", or "number!" for one that is too long
	}{
		"nothing":               {"", nil},
		"no newline at the end": {"1\n2", []string{"1 1", "2 2"}},
		"blank lines":           {"\n \n1\n\t\n2\n\n", []string{"3 1", "5 2"}},
		"carriage returns":      {"1\r\n\r\n2\r\n", []string{"1 1", "3 2"}},
		"byte order mark":       {"\ufeff1\n\ufeff2\n", []string{"1 1", "2 \ufeff2"}},
		"as long as may be":     {"1234567\n12345678", []string{"1 1234567", "2 12345678"}},
		"too long":              {"1\n123456789\n3\n", []string{"1 1", "2!", "3 3"}},
		"too long, at the end":  {"1234567890123", []string{"1!"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, input := range []io.Reader{strings.NewReader(test.input), iotest.OneByteReader(strings.NewReader(test.input))} {
				got := all(t, newLineReader(input, limit))
				if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
					t.Errorf("lines %q, want %q", got, test.want)
				}
			}
		})
	}
}

func all(t *testing.T, reader *lineReader) (lines []string) {
	t.Helper()
	for {
		l, err := reader.next()
		switch {
		case errors.Is(err, io.EOF):
			return lines
		case err != nil:
			t.Fatal(err)
		case l.err != nil:
			lines = append(lines, fmt.Sprintf("%d!", l.number))
		default:
			lines = append(lines, fmt.Sprintf("%d %s", l.number, l.text))
		}
	}
}

func TestAnEndlessLineIsNotKept(t *testing.T) {
	const size = 64 << 20
	input := io.MultiReader(io.LimitReader(zeros{}, size), strings.NewReader("\n{}\n"))
	reader := newLineReader(input, 1<<20)
	long, err := reader.next()
	if err != nil || long.err == nil || !strings.Contains(long.err.Error(), "line 1: it is longer than 1 MiB") {
		t.Fatalf("the long line: %v, %v", long.err, err)
	}
	if cap(long.text) > 4<<20 {
		t.Errorf("%d bytes of it are kept", cap(long.text))
	}
	if next, err := reader.next(); err != nil || string(next.text) != "{}" || next.number != 2 {
		t.Errorf("then %+v, %v", next, err)
	}
}

// zeros is a reader without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func FuzzLines(f *testing.F) {
	for _, seed := range []string{"", "\ufeff{}\r\n\n[1", strings.Repeat("x", 100) + "\n1", "\x00\n\xff\n"} {
		f.Add([]byte(seed), 10)
	}
	f.Fuzz(func(t *testing.T, input []byte, limit int) {
		if limit < 1 || limit > 1<<16 {
			t.Skip()
		}
		reader := newLineReader(bytes.NewReader(input), limit)
		raw := bytes.Split(bytes.TrimPrefix(input, []byte(byteOrderMark)), []byte("\n"))
		for last := 0; ; {
			l, err := reader.next()
			if err != nil {
				return
			}
			if l.number <= last || l.number > len(raw) {
				t.Fatalf("line %d after %d of %d", l.number, last, len(raw))
			}
			last = l.number
			if want := bytes.TrimSpace(raw[l.number-1]); l.err == nil && !bytes.Equal(l.text, want) {
				t.Fatalf("line %d is %q, want %q", l.number, l.text, want)
			}
			if len(l.text) > limit {
				t.Fatalf("%d bytes are kept of line %d", len(l.text), l.number)
			}
		}
	})
}
