package spec

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
