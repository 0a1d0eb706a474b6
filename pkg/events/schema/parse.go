package schema

import (
	"fmt"
	"strings"
)

// Bounds on a schema's text, since parsers follow its nesting on their stack.
const (
	maxText    = 4 << 20 // bytes, imports included
	maxNesting = 200     // brackets within one another
)

// Parsed is a schema that was understood. It is safe for concurrent use.
type Parsed struct {
	Definition
	language
}

// language is what the three types of schema have in common.
type language interface {
	// match holds a decoded JSON value to the schema; path is where it stands in the event.
	match(path string, value any) []Problem
	// hasField reports a field of the root.
	hasField(name string) bool
	// encode returns the bytes of a JSON text. The value is its decoded form, and it matches.
	encode(text []byte, value any) ([]byte, error)
	// decode returns the JSON text of encoded bytes. Indexes name the message in Protobuf.
	decode(indexes []int, data []byte) ([]byte, error)
	// unreadable says why this schema may not read what the writer, a schema of the same type, wrote.
	unreadable(writer language) []Violation
	// fieldTypes are those of [Parsed.FieldTypes].
	fieldTypes(within string) map[string][]string
	// outline lists what the schema says, by the path at which it does.
	outline() map[string]string
}

// Parse understands a schema. The error wraps [ErrInvalidSchema].
func Parse(d Definition) (*Parsed, error) {
	p := &Parsed{Definition: d}
	err := d.checkSize()
	if err == nil {
		switch d.Type {
		case Avro:
			p.language, err = parseAvro(d)
		case JSON:
			p.language, err = parseJSONSchema(d)
		case Protobuf:
			p.language, err = parseProto(d)
		default:
			err = fmt.Errorf("type %q is none of AVRO, JSON and PROTOBUF", d.Type)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidSchema, err)
	}
	return p, nil
}

func (d Definition) checkSize() error {
	size, deepest := len(d.Text), nesting(d.Text)
	for _, i := range d.Imports {
		size += len(i.Text)
		deepest = max(deepest, nesting(i.Text))
	}
	switch {
	case size > maxText:
		return fmt.Errorf("more than %d MiB", maxText>>20)
	case deepest > maxNesting:
		return fmt.Errorf("nested more than %d levels deep", maxNesting)
	case strings.TrimSpace(d.Text) == "":
		return fmt.Errorf("there is no text")
	}
	return nil
}

// nesting is how deep brackets stand in one another. Those in texts count too, which is rare and on the safe side.
func nesting(text string) int {
	depth, deepest := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '{', '[', '(', '<':
			depth++
			deepest = max(deepest, depth)
		case '}', ']', ')', '>':
			depth = max(depth-1, 0)
		}
	}
	return deepest
}
