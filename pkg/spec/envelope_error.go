package spec

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// ErrNotJSON is what an [*EnvelopeError] wraps when the value is not a JSON
// object at all, so that it has no envelope: binary, registry-framed, empty or cut short.
var ErrNotJSON = errors.New("not a JSON object")

// FieldProblem is one thing that is wrong with an envelope.
type FieldProblem struct {
	// Field is its path, such as meta.time.
	Field string `json:"field"`
	// Got is what stands there, shortened; empty when the field is missing.
	Got string `json:"got,omitempty"`
	// Want says what would be right.
	Want string `json:"want"`
	// Hint says what probably made it, and what to write instead; may be empty.
	Hint string `json:"hint,omitempty"`
	// Offset is where the field's value, or for a missing one the object that
	// lacks it, begins in the value, in bytes.
	Offset int `json:"offset"`
}

func (p FieldProblem) String() string {
	text := fmt.Sprintf("%s is missing: want %s", p.Field, p.Want)
	if p.Got != "" {
		text = fmt.Sprintf("%s is %s: want %s", p.Field, p.Got, p.Want)
	}
	if p.Hint != "" {
		text += " (" + p.Hint + ")"
	}
	return text
}

// EnvelopeError says everything that is wrong with an envelope.
type EnvelopeError struct {
	Problems []FieldProblem `json:"problems"`
	err      error
}

func (e *EnvelopeError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	return "event envelope: " + strings.Join(texts, "; ")
}

// Unwrap returns [ErrNotJSON] when there was no envelope to look at.
func (e *EnvelopeError) Unwrap() error { return e.err }

// maxGot is how much of a wrong value an error shows, in bytes.
const maxGot = 60

func shorten(b []byte) string {
	if len(b) <= maxGot {
		return string(b)
	}
	return strings.ToValidUTF8(string(b[:maxGot]), "") + "…"
}

// shortenLine keeps to the first line, for values of which any may be written.
func shortenLine(b []byte) string {
	if line, _, more := bytes.Cut(b, []byte("\n")); more {
		return shorten(line) + "…"
	}
	return shorten(b)
}
