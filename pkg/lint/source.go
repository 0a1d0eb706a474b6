package lint

import (
	"bytes"
	"sort"
	"unicode/utf16"
	"unicode/utf8"
)

// Source is a text that is linted. It does not change after it was made, so
// that several goroutines may use it.
type Source struct {
	// Name is the path as the user gave it, with slashes; "-" or the like where there is no file.
	Name string
	Text []byte

	lines []int // where each line begins
}

// NewSource returns a source with text, which must not be changed afterwards.
func NewSource(name string, text []byte) *Source {
	s := &Source{Name: name, Text: text, lines: []int{0}}
	for i, ch := range text {
		if ch == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// Position is a place in a source.
type Position struct {
	// Offset counts bytes from 0.
	Offset int `json:"offset"`
	// Line and Column count from 1; Column counts bytes. Both are 0 where a
	// finding concerns the file as a whole.
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Span is the text from Start to just before End.
type Span struct {
	Start Position `json:"start"`
	End   Position `json:"end"`
}

// Position returns the place of a byte; an offset outside is moved inside.
func (s *Source) Position(offset int) Position {
	offset = min(max(offset, 0), len(s.Text))
	line := sort.SearchInts(s.lines, offset+1)
	return Position{Offset: offset, Line: line, Column: offset - s.lines[line-1] + 1}
}

// Span returns the span of the bytes [start, end).
func (s *Source) Span(start, end int) Span {
	return Span{Start: s.Position(start), End: s.Position(max(start, end))}
}

// Line returns a line, counted from 1, without its end; nil when there is no such line.
func (s *Source) Line(n int) []byte {
	if n < 1 || n > len(s.lines) {
		return nil
	}
	end := len(s.Text)
	if n < len(s.lines) {
		end = s.lines[n] - 1
	}
	return bytes.TrimSuffix(s.Text[s.lines[n-1]:end], []byte{'\r'})
}

// utf16Column returns the column of a position in UTF-16 units, from 1.
func (s *Source) utf16Column(p Position) int {
	if p.Line == 0 {
		return 0
	}
	column := 1
	for text := s.Text[s.lines[p.Line-1]:p.Offset]; len(text) > 0; {
		r, size := utf8.DecodeRune(text)
		column += max(1, utf16.RuneLen(r))
		text = text[size:]
	}
	return column
}
