package secure

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// FieldError says that a field of a JSON text cannot be mapped.
type FieldError struct {
	// Path is where in the text, such as items[3].ssn.
	Path   string
	Reason string
}

func (e *FieldError) Error() string {
	if e.Path == "" {
		return e.Reason
	}
	return fmt.Sprintf("the field %s: %s", e.Path, e.Reason)
}

// MapFields replaces the strings at path in a JSON text by what f makes of them,
// such as their ciphertexts. All else stays byte for byte: blanks, order,
// numbers and escapes. A path is names and indices, as in
//
//	user.phone
//	items[*].ssn      of every element
//	items[0].ssn
//	"first.name"      a name with a dot or a bracket in it, as a JSON string
//
// A field that is missing, in one element even, or that is no string, is a
// [*FieldError] and leaves nothing replaced: a secret must not stay in clear for a
// spelling mistake. So is a string whose escapes are no Unicode text, for it could
// not be restored, and a result that is not UTF-8.
func MapFields(text []byte, path string, f func(string) (string, error)) ([]byte, error) {
	steps, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	if !json.Valid(text) {
		return nil, &FieldError{Reason: "the text is not JSON"}
	}
	w := fieldWalker{text: text, decoder: json.NewDecoder(bytes.NewReader(text))}
	if err := w.walk(steps, ""); err != nil {
		return nil, err
	}
	mapped := make([]byte, 0, len(text))
	done := 0
	for _, found := range w.found {
		value, err := f(found.value)
		if err != nil {
			return nil, fmt.Errorf("the field %s: %w", found.path, err)
		}
		if !utf8.ValidString(value) {
			return nil, &FieldError{Path: found.path, Reason: "what it became is no text, and JSON holds nothing else"}
		}
		mapped = append(mapped, text[done:found.start]...)
		mapped = appendString(mapped, value)
		done = found.end
	}
	return append(mapped, text[done:]...), nil
}

func appendString(b []byte, value string) []byte {
	var quoted bytes.Buffer
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // a string always can be
	return append(b, bytes.TrimSpace(quoted.Bytes())...)
}

// step is a name, an index, or every element.
type step struct {
	name  string
	index int // -1 for every element
	array bool
}

func parsePath(path string) ([]step, error) {
	bad := func(reason string) ([]step, error) {
		return nil, &FieldError{Reason: fmt.Sprintf("%q is no path of a field: %s", path, reason)}
	}
	var steps []step
	for rest := path; rest != "" || len(steps) == 0; {
		var s step
		var ok bool
		if strings.HasPrefix(rest, "[") {
			s, rest, ok = cutIndex(rest)
		} else if name, dotted := strings.CutPrefix(rest, "."); dotted == (len(steps) > 0) {
			s, rest, ok = cutName(name)
		}
		if !ok {
			return bad("use user.phone, items[*].ssn or items[0].ssn")
		}
		steps = append(steps, s)
	}
	return steps, nil
}

func cutIndex(text string) (s step, rest string, ok bool) {
	inner, rest, ok := strings.Cut(text[1:], "]")
	if inner == "*" {
		return step{array: true, index: -1}, rest, ok
	}
	n, err := strconv.ParseUint(inner, 10, 31)
	return step{array: true, index: int(n)}, rest, ok && err == nil
}

func cutName(text string) (s step, rest string, ok bool) {
	if strings.HasPrefix(text, `"`) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil || json.Unmarshal([]byte(quoted), &s.name) != nil {
			return s, "", false
		}
		return s, text[len(quoted):], true
	}
	end := strings.IndexAny(text, ".[")
	if end < 0 {
		end = len(text)
	}
	return step{name: text[:end]}, text[end:], end > 0 && !strings.ContainsAny(text[:end], `"]`)
}

// fieldWalker finds the strings at a path. Its text is valid JSON.
type fieldWalker struct {
	text    []byte
	decoder *json.Decoder
	found   []foundField
}

type foundField struct {
	path       string
	value      string
	start, end int
}

// walk reads the next value, in which steps lead on.
func (w *fieldWalker) walk(steps []step, path string) error {
	if len(steps) == 0 {
		return w.take(path)
	}
	opening, err := w.decoder.Token()
	if err != nil {
		return &FieldError{Path: path, Reason: "it cannot be read"}
	}
	if steps[0].array {
		return w.elements(opening, steps, path)
	}
	return w.members(opening, steps, path)
}

func (w *fieldWalker) members(opening json.Token, steps []step, path string) error {
	inner := join(path, steps[0].name)
	if opening != json.Delim('{') {
		return &FieldError{Path: inner, Reason: "it is missing: what should hold it is no object"}
	}
	there := false
	for w.decoder.More() {
		name, err := w.decoder.Token()
		if err != nil {
			return &FieldError{Path: path, Reason: "it cannot be read"}
		}
		if name != steps[0].name {
			err = w.skip(path)
		} else {
			there = true // and perhaps again: all of that name are meant
			err = w.walk(steps[1:], inner)
		}
		if err != nil {
			return err
		}
	}
	if !there {
		return &FieldError{Path: inner, Reason: "it is missing"}
	}
	return w.end(path)
}

func (w *fieldWalker) elements(opening json.Token, steps []step, path string) error {
	if opening != json.Delim('[') {
		return &FieldError{Path: path, Reason: "it is no array"}
	}
	wanted, n := steps[0].index, 0
	for ; w.decoder.More(); n++ {
		var err error
		if wanted >= 0 && n != wanted {
			err = w.skip(path)
		} else {
			err = w.walk(steps[1:], fmt.Sprintf("%s[%d]", path, n))
		}
		if err != nil {
			return err
		}
	}
	if wanted >= n {
		return &FieldError{Path: fmt.Sprintf("%s[%d]", path, wanted), Reason: fmt.Sprintf("it is missing: the array has %d elements", n)}
	}
	return w.end(path)
}

func (w *fieldWalker) skip(path string) error {
	var value json.RawMessage
	if err := w.decoder.Decode(&value); err != nil {
		return &FieldError{Path: path, Reason: "it cannot be read"}
	}
	return nil
}

// end reads the closing bracket.
func (w *fieldWalker) end(path string) error {
	if _, err := w.decoder.Token(); err != nil {
		return &FieldError{Path: path, Reason: "it cannot be read"}
	}
	return nil
}

// take notes where the next value is, which must be a string.
func (w *fieldWalker) take(path string) error {
	start := int(w.decoder.InputOffset())
	start += bytes.IndexFunc(w.text[start:], func(r rune) bool { return !strings.ContainsRune(" \t\r\n:,", r) })
	token, err := w.decoder.Token()
	value, isString := token.(string)
	if err != nil || !isString {
		return &FieldError{Path: path, Reason: "it is no string"}
	}
	end := int(w.decoder.InputOffset())
	if replaced(w.text[start:end], value) {
		return &FieldError{Path: path, Reason: "it is no Unicode text, and could not be restored"}
	}
	w.found = append(w.found, foundField{path, value, start, end})
	return nil
}

// replaced reports whether decoding put U+FFFD in the place of something else.
func replaced(quoted []byte, value string) bool {
	const mark = "\ufffd"
	written := bytes.Count(quoted, []byte(mark)) + bytes.Count(bytes.ToLower(quoted), []byte(`\ufffd`))
	return strings.Count(value, mark) > written
}

func join(path, name string) string {
	if strings.ContainsAny(name, `.[]"`) || name == "" {
		name = strconv.Quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}
