package schema

import (
	"fmt"
	"slices"
	"strings"
)

// Mode is a subject's compatibility mode (K6). What "read" means here is in the package's documentation.
type Mode string

// The modes of a registry. Those that are not transitive look at the newest version only.
const (
	ModeNone               Mode = "NONE"     // anything may follow
	ModeBackward           Mode = "BACKWARD" // the new schema reads what the earlier one wrote
	ModeBackwardTransitive Mode = "BACKWARD_TRANSITIVE"
	ModeForward            Mode = "FORWARD" // the earlier schema reads what the new one writes
	ModeForwardTransitive  Mode = "FORWARD_TRANSITIVE"
	ModeFull               Mode = "FULL" // both
	ModeFullTransitive     Mode = "FULL_TRANSITIVE"
)

// Modes are all modes, the most lenient first.
func Modes() []Mode {
	return []Mode{ModeNone, ModeBackward, ModeBackwardTransitive, ModeForward, ModeForwardTransitive, ModeFull, ModeFullTransitive}
}

// ParseMode reads a mode, in capitals or not.
func ParseMode(text string) (Mode, error) {
	m := Mode(strings.ToUpper(strings.ReplaceAll(text, "-", "_")))
	if !slices.Contains(Modes(), m) {
		return "", fmt.Errorf("%q is no compatibility mode: use one of %s", text, modeNames(Modes()))
	}
	return m, nil
}

func modeNames(modes []Mode) string {
	names := make([]string, len(modes))
	for i, m := range modes {
		names[i] = string(m)
	}
	return strings.Join(names, ", ")
}

func (m Mode) transitive() bool { return strings.HasSuffix(string(m), "_TRANSITIVE") }
func (m Mode) backward() bool {
	return strings.HasPrefix(string(m), "BACKWARD") || strings.HasPrefix(string(m), "FULL")
}

func (m Mode) forward() bool {
	return strings.HasPrefix(string(m), "FORWARD") || strings.HasPrefix(string(m), "FULL")
}

// Violation is a place at which one schema keeps the data of another from being read.
type Violation struct {
	// Path is where: fields joined by dots in Avro and Protobuf, a JSON pointer in JSON Schema.
	Path    string `json:"path"`
	Message string `json:"message"`
}

func (v Violation) String() string { return v.Path + ": " + v.Message }

// The directions in which a schema can be incompatible.
const (
	Backward = "backward" // the new schema cannot read the data of the earlier one
	Forward  = "forward"  // the earlier schema cannot read the data of the new one
)

// Conflict is a violation of a mode.
type Conflict struct {
	Direction string `json:"direction"` // Backward or Forward
	// Earlier is the index of the earlier schema that is violated.
	Earlier int `json:"-"`
	// Version is its version in the registry, where it comes from there.
	Version int `json:"version,omitempty"`
	Violation
}

func (c Conflict) String() string {
	if c.Direction == Backward {
		return fmt.Sprintf("the new schema cannot read data of the old one: %s", c.Violation)
	}
	return fmt.Sprintf("the old schema cannot read data of the new one: %s", c.Violation)
}

// Unreadable says why the reader may fail to read what was written by the writer; nothing means that it can.
func Unreadable(reader, writer *Parsed) []Violation {
	if reader.Type != writer.Type {
		return []Violation{{Path: "$", Message: fmt.Sprintf("the type of schema changed from %s to %s", writer.Type, reader.Type)}}
	}
	return reader.unreadable(writer.language)
}

// Incompatible says why the candidate may not follow the earlier versions, given oldest first; nothing means that it
// may. Conflicts with newer versions come first.
func Incompatible(mode Mode, candidate *Parsed, earlier ...*Parsed) []Conflict {
	first := 0
	if !mode.transitive() {
		first = max(0, len(earlier)-1)
	}
	var out []Conflict
	for i := len(earlier) - 1; i >= first; i-- {
		if mode.backward() {
			out = appendConflicts(out, Backward, i, Unreadable(candidate, earlier[i]))
		}
		if mode.forward() {
			out = appendConflicts(out, Forward, i, Unreadable(earlier[i], candidate))
		}
	}
	return out
}

func appendConflicts(out []Conflict, direction string, earlier int, violations []Violation) []Conflict {
	for _, v := range violations {
		out = append(out, Conflict{Direction: direction, Earlier: earlier, Violation: v})
	}
	return out
}
