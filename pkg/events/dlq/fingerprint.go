package dlq

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
)

// maxClass bounds a class, in bytes: what makes two errors differ stands at the beginning.
const maxClass = 240

// Class is the text of an error without what differs from one occurrence to the next: numbers, ids, times and
// addresses become "#", white space one space, and only the first line that has text is kept.
// Class(Class(x)) is Class(x).
func Class(text string) string {
	text = firstLine(strings.ToValidUTF8(text, "\uFFFD"))
	var b strings.Builder
	for i := 0; i < len(text) && b.Len() < maxClass; {
		end := i
		for end < len(text) && isWord(text[end]) {
			end++
		}
		if end > i {
			b.WriteString(classOfRun(text[i:end]))
			i = end
			continue
		}
		b.WriteByte(text[i])
		i++
	}
	return cut(b.String())
}

func firstLine(text string) string {
	for line := range strings.Lines(text) {
		clean := strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, line)
		if fields := strings.Fields(clean); len(fields) > 0 {
			return strings.Join(fields, " ")
		}
	}
	return ""
}

// cut bounds the class, in front of a part that would be cut in two.
func cut(class string) string {
	if len(class) <= maxClass {
		return class
	}
	end := maxClass
	for end > 0 && isPart(class[end-1]) {
		end--
	}
	return strings.TrimRight(strings.ToValidUTF8(class[:end], ""), " ")
}

// isWord: letters, digits, what joins them in ids, times and addresses, and the "#" of an earlier pass.
func isWord(c byte) bool { return isPart(c) || isJoint(c) }

func isPart(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '#'
}

func isJoint(c byte) bool { return c == '-' || c == '.' || c == ':' || c == '+' }

// classOfRun replaces the parts of a run that have a digit or are hexadecimal, and joins neighbours that were replaced.
func classOfRun(run string) string {
	if isUUID(run) {
		return "#"
	}
	var b strings.Builder
	joint := ""       // between the last part and the next
	replaced := false // the last part was
	for i := 0; i < len(run); {
		start := i
		for i < len(run) && isPart(run[i]) {
			i++
		}
		part := run[start:i]
		start = i
		for i < len(run) && isJoint(run[i]) {
			i++
		}
		varies := isVariable(part)
		switch {
		case varies && replaced: // 10.0.0.1 is one thing
		case varies:
			b.WriteString(joint + "#")
		default:
			b.WriteString(joint + part)
		}
		joint, replaced = run[start:i], varies
	}
	return b.String() + joint
}

func isVariable(part string) bool {
	if strings.ContainsAny(part, "0123456789#") {
		return true
	}
	return len(part) >= 8 && isHex(part) || len(part) > 64
}

func isHex(text string) bool {
	return strings.Trim(text, "0123456789abcdefABCDEF") == ""
}

func isUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (text[i] == '-') || !dash && !isHex(text[i:i+1]) {
			return false
		}
	}
	return true
}

// fingerprint is 12 hexadecimal digits over what a letter shares with its like.
func fingerprint(originalTopic, eventType, class string) string {
	sum := sha256.Sum256([]byte(originalTopic + "\x00" + eventType + "\x00" + class))
	return hex.EncodeToString(sum[:6])
}
