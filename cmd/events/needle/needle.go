// Package needle finds a text in a large one. It is for texts of which there
// are few or none to be found, in such as share their letters: an id among ids.
package needle

import (
	"bytes"
	"encoding/binary"
	"math"
)

const (
	gram     = 4 // bytes that are looked at together
	hashBits = 12
	// shortest is how long a text must be for its grams to be worth more than
	// what package bytes does.
	shortest = 2 * gram
)

// Finder looks for one text. It may be used by several goroutines.
//
// It is the algorithm of Horspool over grams of four bytes, as Wu and Manber
// have it: the gram under the end of the window says how far the window can be
// moved, which is nearly the length of the text where that gram is not in it.
type Finder struct {
	text  []byte
	far   uint8 // the shift of a gram that is not in the text
	shift [1 << hashBits]uint8
}

// New returns a finder for a text, of which there may be 0 bytes.
func New(text []byte) *Finder {
	f := &Finder{text: bytes.Clone(text)}
	if len(text) < shortest {
		return f
	}
	f.far = uint8(min(len(text)-gram+1, math.MaxUint8))
	for i := range f.shift {
		f.shift[i] = f.far
	}
	for i := 0; i+gram <= len(text); i++ {
		f.shift[hash(text[i:])] = uint8(min(len(text)-gram-i, int(f.far)))
	}
	return f
}

func hash(b []byte) uint32 {
	return binary.LittleEndian.Uint32(b) * 0x9E3779B1 >> (32 - hashBits)
}

// In reports whether the text is in another.
func (f *Finder) In(text []byte) bool {
	n := len(f.text)
	if n < shortest {
		return bytes.Contains(text, f.text)
	}
	for at := n - gram; at+gram <= len(text); {
		switch shift := f.shift[hash(text[at:])]; shift {
		case f.far:
			at = f.skip(text, at+int(shift))
		case 0:
			if from := at + gram - n; bytes.Equal(text[from:from+n], f.text) {
				return true
			}
			at++
		default:
			at += int(shift)
		}
	}
	return false
}

// skip passes grams that are not in the text, four at a time: where the next ones
// are does not depend on those before, so that the processor need not wait.
func (f *Finder) skip(text []byte, at int) int {
	far := int(f.far)
	for at+3*far+gram <= len(text) {
		if f.shift[hash(text[at:])] != f.far || f.shift[hash(text[at+far:])] != f.far ||
			f.shift[hash(text[at+2*far:])] != f.far || f.shift[hash(text[at+3*far:])] != f.far {
			break
		}
		at += 4 * far
	}
	return at
}
