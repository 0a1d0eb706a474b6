// Package sample has one of each kind of declaration.
package sample

// Limit is exported.
const Limit = 3

const hidden = 4

// ErrA is exported.
var ErrA error

// T has a comment that does not count.
type T struct {
	// A is shown.
	A int

	// Longer has a column of its own.
	Longer string
	b      int
}

// New makes one.
func New() *T { return &T{b: hidden} }

// B is a method.
func (t *T) B() int { return t.b }

func (t *T) c() {}
