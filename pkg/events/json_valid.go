package events

import (
	"unicode/utf8"

	"github.com/suokelife/suokectl/pkg/spec"
)

// maxDepth is how deeply arrays and objects may be nested; what is deeper is
// treated as binary. encoding/json has the same limit.
const maxDepth = 10_000

// validJSON reports whether text is one JSON value (RFC 8259) in valid UTF-8.
// It is several times faster than json.Valid, since it is the dearest step of
// passing a record through, and takes the same texts, but for invalid UTF-8.
func validJSON(text []byte) bool {
	v := validator{text: text}
	return v.value() && v.atEnd() && utf8.Valid(text)
}

// validator walks over a text once, without recursion.
type validator struct {
	text []byte
	pos  int
	// The closing brackets that are missing, innermost last: so many, the first
	// of them near, where they cost no allocation.
	open int
	near [32]byte
	far  []byte
}

func (v *validator) push(closing byte) {
	if v.open < len(v.near) {
		v.near[v.open] = closing
	} else {
		v.far = append(v.far, closing)
	}
	v.open++
}

func (v *validator) pop() {
	v.open--
	if v.open >= len(v.near) {
		v.far = v.far[:len(v.far)-1]
	}
}

func (v *validator) innermost() byte {
	if v.open <= len(v.near) {
		return v.near[v.open-1]
	}
	return v.far[len(v.far)-1]
}

func (v *validator) atEnd() bool {
	v.space()
	return v.pos == len(v.text)
}

// value walks over one value and everything in it.
func (v *validator) value() bool {
	for {
		if !v.begin() {
			return false
		}
		for { // a value is complete: go on in what it is part of
			if v.open == 0 {
				return true
			}
			v.space()
			closing := v.innermost()
			switch c := v.take(); {
			case c == closing:
				v.pop()
				continue
			case c != ',' || closing == '}' && !v.name():
				return false
			}
			break
		}
	}
}

// begin walks to the end of a scalar or an empty array or object, opening the
// arrays and objects that it is in.
func (v *validator) begin() bool {
	for {
		v.space()
		switch c := v.take(); c {
		case '{', '[':
			closing := c + 2 // } and ] stand two behind { and [ in ASCII
			v.space()
			if v.peek() == closing {
				v.pos++
				return true
			}
			if v.open == maxDepth {
				return false
			}
			v.push(closing)
			if c == '{' && !v.name() {
				return false
			}
		case '"':
			return v.rest()
		case 't':
			return v.literal("rue")
		case 'f':
			return v.literal("alse")
		case 'n':
			return v.literal("ull")
		default:
			return v.number(c)
		}
	}
}

// name walks over a member's name and its colon.
func (v *validator) name() bool {
	v.space()
	if v.take() != '"' || !v.rest() {
		return false
	}
	v.space()
	return v.take() == ':'
}

// rest walks over a string behind its opening quote.
func (v *validator) rest() (ok bool) {
	v.pos, ok = spec.SkipString(v.text, v.pos-1)
	return ok
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (v *validator) literal(rest string) bool {
	end := v.pos + len(rest)
	if end > len(v.text) || string(v.text[v.pos:end]) != rest {
		return false
	}
	v.pos = end
	return true
}

// number walks over a number whose first character is c.
func (v *validator) number(c byte) bool {
	if c == '-' {
		c = v.take()
	}
	switch {
	case c == '0':
	case isDigit(c):
		v.digits()
	default:
		return false
	}
	if v.peek() == '.' {
		v.pos++
		if !v.digits() {
			return false
		}
	}
	if v.peek()|0x20 == 'e' {
		v.pos++
		if s := v.peek(); s == '+' || s == '-' {
			v.pos++
		}
		return v.digits()
	}
	return true
}

// digits walks over digits and reports whether there were any.
func (v *validator) digits() bool {
	from := v.pos
	for isDigit(v.peek()) {
		v.pos++
	}
	return v.pos > from
}

func (v *validator) space() {
	if v.pos < len(v.text) && v.text[v.pos] > ' ' {
		return // mostly there is none
	}
	v.skipSpace()
}

func (v *validator) skipSpace() {
	for v.pos < len(v.text) {
		switch v.text[v.pos] {
		case ' ', '\t', '\n', '\r':
			v.pos++
		default:
			return
		}
	}
}

// peek returns the next byte, 0 at the end. A 0 in the text is valid nowhere.
func (v *validator) peek() byte {
	if v.pos < len(v.text) {
		return v.text[v.pos]
	}
	return 0
}

func (v *validator) take() byte {
	c := v.peek()
	v.pos++
	return c
}
