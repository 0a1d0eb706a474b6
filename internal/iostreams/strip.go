package iostreams

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// Strip removes what network text could use to deceive a terminal: escape
// sequences whole, other control characters, and the characters that change
// the direction of text (Trojan Source, CVE-2021-42574). Newlines and tabs
// stay.
func Strip(text string) string {
	if isPlain(text) {
		return text
	}
	return strings.Map(dropUnsafe, ansi.Strip(text))
}

func isPlain(text string) bool {
	for i := 0; i < len(text); i++ {
		if c := text[i]; c >= 0x7f || (c < 0x20 && c != '\n' && c != '\t') {
			return false
		}
	}
	return true
}

func dropUnsafe(r rune) rune {
	switch {
	case r == '\n' || r == '\t':
		return r
	case unicode.IsControl(r), isDirectional(r):
		return -1
	default:
		return r
	}
}

func isDirectional(r rune) bool {
	return r == 0x061c || r == 0x200e || r == 0x200f ||
		(r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069)
}
