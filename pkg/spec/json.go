package spec

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// This file finds where the values of a JSON text begin and end without
// decoding them. It accepts exactly what json.Valid accepts; all functions
// return ok == false on text that is not JSON, and never allocate.

// maxDepth is the nesting that encoding/json allows.
const maxDepth = 10000

// span is the half-open range of bytes [start, end).
type span struct{ start, end int }

func (s span) of(b []byte) []byte { return b[s.start:s.end] }

// member is one name and value of an object; name includes its quotes.
type member struct{ name, value span }

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipValue returns where the value that begins at b[i] ends.
func skipValue(b []byte, i, depth int) (end int, ok bool) {
	if i >= len(b) || depth > maxDepth {
		return i, false
	}
	switch b[i] {
	case '{':
		return skipObject(b, i, depth)
	case '[':
		return skipArray(b, i, depth)
	case '"':
		return skipString(b, i)
	case 't':
		return skipWord(b, i, "true")
	case 'f':
		return skipWord(b, i, "false")
	case 'n':
		return skipWord(b, i, "null")
	default:
		return skipNumber(b, i)
	}
}

// object steps through the members of an object.
type object struct {
	b     []byte
	at    int  // where to read on; behind the object when it has ended well
	depth int  // of what is in it
	begun bool // a member has been read
	ok    bool // it has ended, and well
}

// openObject begins with the object that begins at b[i].
func openObject(b []byte, i, depth int) object { return object{b: b, at: i + 1, depth: depth + 1} }

// next returns the next member, and false when there is none or when the text
// is not JSON, which ok tells apart.
func (o *object) next() (m member, more bool) {
	if m.name, m.value.start, more = o.nextName(); !more {
		return m, false
	}
	m.value.end, more = skipValue(o.b, m.value.start, o.depth)
	return m, o.passed(m.value.end, more)
}

// nextName is next for who reads the value, which begins at the index, himself
// and says by passed where it ends.
func (o *object) nextName() (name span, valueAt int, more bool) {
	o.at = skipSpace(o.b, o.at)
	if o.depth > maxDepth || o.at >= len(o.b) {
		return name, 0, false
	}
	if o.b[o.at] == '}' {
		o.at++
		o.ok = true
		return name, 0, false
	}
	if o.begun {
		if o.b[o.at] != ',' {
			return name, 0, false
		}
		o.at = skipSpace(o.b, o.at+1)
	}
	return readName(o.b, o.at)
}

func (o *object) passed(end int, ok bool) bool {
	if ok {
		o.begun, o.at = true, end
	}
	return ok
}

func skipObject(b []byte, i, depth int) (end int, ok bool) {
	o := openObject(b, i, depth)
	for {
		if _, more := o.next(); !more {
			return o.at, o.ok
		}
	}
}

// readName reads a member's name and colon, and returns where its value begins.
func readName(b []byte, i int) (name span, valueAt int, ok bool) {
	if i >= len(b) || b[i] != '"' {
		return name, 0, false
	}
	name.start = i
	if name.end, ok = skipString(b, i); !ok {
		return name, 0, false
	}
	i = skipSpace(b, name.end)
	if i >= len(b) || b[i] != ':' {
		return name, 0, false
	}
	return name, skipSpace(b, i+1), true
}

func skipArray(b []byte, i, depth int) (end int, ok bool) {
	if depth++; depth > maxDepth {
		return i, false
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1, true
	}
	for {
		if i, ok = skipValue(b, i, depth); !ok {
			return i, false
		}
		i = skipSpace(b, i)
		if i >= len(b) || b[i] != ',' {
			return i + 1, i < len(b) && b[i] == ']'
		}
		i = skipSpace(b, i+1)
	}
}

// plain tells which bytes of a string need no look: all but the quote, the
// backslash and control characters.
var plain = func() (table [256]bool) {
	for ch := ' '; ch < 256; ch++ {
		table[ch] = ch != '"' && ch != '\\'
	}
	return table
}()

// SkipString returns where the JSON string that begins at text[at] ends: behind
// its closing quote. It is false, with where that is seen, when there is none. It
// allows what json.Valid does, bytes that are not UTF-8 among it.
func SkipString(text []byte, at int) (end int, ok bool) {
	if at >= len(text) || text[at] != '"' {
		return at, false
	}
	return skipString(text, at)
}

func skipString(b []byte, i int) (end int, ok bool) {
	for i = skipPlain(b, i+1); i < len(b); i = skipPlain(b, i+1) {
		switch b[i] {
		case '"':
			return i + 1, true
		case '\\':
			if i, ok = skipEscape(b, i); !ok {
				return i, false
			}
		default:
			return i, false
		}
	}
	return i, false
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// skipPlain returns the first byte from i on that is not plain, looking at
// eight at a time. Bytes of 0x80 and more are plain. Most strings are short; of a
// longer one whole blocks are passed at once.
func skipPlain(b []byte, i int) int {
	for near := i + blockSize; i+8 <= len(b); i += 8 {
		if i == near {
			if i = skipBlocks(b, i); i+8 > len(b) {
				break
			}
			near = i + blockSize
		}
		if marks := marks(binary.LittleEndian.Uint64(b[i:])); marks != 0 {
			return i + bits.TrailingZeros64(marks)/8
		}
	}
	for i < len(b) && plain[b[i]] {
		i++
	}
	return i
}

// marks sets the high bit of the first byte of a word that is not plain: a byte
// less a constant borrows into its high bit where it is smaller, and a byte that
// is equal to a constant is zero when the two are combined by exclusive or.
func marks(word uint64) uint64 {
	quote, slash := word^(ones*'"'), word^(ones*'\\')
	return ((quote-ones)&^quote | (slash-ones)&^slash | controls(word)) & highs
}

func controls(word uint64) uint64 { return (word - ones*' ') &^ word }

// blockSize is how many bytes are looked at at once: so many that finding a byte
// among them is worth its call.
const blockSize = 256

// skipBlocks returns the first block from i on that is not known to be plain.
func skipBlocks(b []byte, i int) int {
	for ; i+blockSize <= len(b); i += blockSize {
		block := b[i : i+blockSize]
		if bytes.IndexByte(block, '"') >= 0 || bytes.IndexByte(block, '\\') >= 0 {
			break
		}
		var found uint64
		for words := block; len(words) >= 32; words = words[32:] {
			found |= controls(binary.LittleEndian.Uint64(words)) | controls(binary.LittleEndian.Uint64(words[8:])) |
				controls(binary.LittleEndian.Uint64(words[16:])) | controls(binary.LittleEndian.Uint64(words[24:]))
		}
		if found&highs != 0 {
			break
		}
	}
	return i
}

// skipEscape returns the last byte of the escape that begins at b[i].
func skipEscape(b []byte, i int) (last int, ok bool) {
	if i++; i >= len(b) {
		return i, false
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i, true
	case 'u':
		for n := range 4 {
			if i+1+n >= len(b) || !isHex(b[i+1+n]) {
				return i, false
			}
		}
		return i + 4, true
	}
	return i, false
}

func isHex(ch byte) bool {
	return '0' <= ch && ch <= '9' || 'a' <= ch && ch <= 'f' || 'A' <= ch && ch <= 'F'
}

func skipWord(b []byte, i int, word string) (end int, ok bool) {
	end = i + len(word)
	return end, end <= len(b) && string(b[i:end]) == word
}

func skipNumber(b []byte, i int) (end int, ok bool) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i, ok = skipDigits(b, i); !ok {
		return i, false
	}
	if i < len(b) && b[i] == '.' {
		if i, ok = skipDigits(b, i+1); !ok {
			return i, false
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return skipDigits(b, i)
	}
	return i, true
}

func skipDigits(b []byte, i int) (end int, ok bool) {
	start := i
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i, i > start
}

// openText begins with the object that is the whole of b; whole tells in the
// end whether it was.
func openText(b []byte) object {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		return object{b: b, at: len(b)}
	}
	return openObject(b, i, 0)
}

func (o *object) whole() bool { return o.ok && skipSpace(o.b, o.at) == len(o.b) }

// nameIn returns the text of a quoted name, of the same memory where it has no escape.
func nameIn(quoted []byte) []byte {
	if hasEscape(quoted) {
		return []byte(unquote(quoted))
	}
	return quoted[1 : len(quoted)-1]
}

func hasEscape(b []byte) bool { return bytes.IndexByte(b, '\\') >= 0 }

// unquote returns the text of a valid JSON string.
func unquote(quoted []byte) string {
	if !hasEscape(quoted) {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	// The scanner has seen that it is a string, so there is no error to return.
	_ = json.Unmarshal(quoted, &s)
	return s
}

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string. What is not UTF-8 becomes U+FFFD,
// since a JSON text must be UTF-8.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	start := 0 // s[start:i] can be copied as it is
	for i := range len(s) {
		ch := s[i]
		if plain[ch] {
			continue
		}
		b = append(b, s[start:i]...)
		switch ch {
		case '"', '\\':
			b = append(b, '\\', ch)
		case '\n':
			b = append(b, `\n`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[ch>>4], hexDigits[ch&0xf])
		}
		start = i + 1
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
