package spec

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"strings"
	"unicode/utf8"
)

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

// plain tells which bytes of a string need no look: all but the quote, the
// backslash and control characters.
var plain = func() (table [256]bool) {
	for ch := ' '; ch < 256; ch++ {
		table[ch] = ch != '"' && ch != '\\'
	}
	return table
}()

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
