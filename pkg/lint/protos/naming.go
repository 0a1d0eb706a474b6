package protos

import (
	"regexp"
	"strings"
	"unicode"
)

var (
	lowerSnake = regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`)
	upperSnake = regexp.MustCompile(`^[A-Z0-9]+(_[A-Z0-9]+)*$`)
	pascal     = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)
	// packageVersion is what buf takes for a version at the end of a package:
	// v1, v1beta, v1beta1, v1p2alpha1, v1test and so on.
	packageVersion = regexp.MustCompile(`^v0*[1-9][0-9]*(test.*|(p[1-9][0-9]*)?(alpha|beta)([1-9][0-9]*)?)?$`)
)

// snake divides a name into words by '_', as buf does: before a capital that
// follows a small letter, and before the last capital of a row of them.
func snake(name string) string {
	runes := []rune(strings.Trim(name, "_-. "))
	var b strings.Builder
	for i, r := range runes {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			if !strings.HasSuffix(b.String(), "_") {
				b.WriteByte('_')
			}
			continue
		}
		if i > 0 && unicode.IsUpper(r) && !strings.HasSuffix(b.String(), "_") &&
			(unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func toLowerSnake(name string) string { return strings.ToLower(snake(name)) }
func toUpperSnake(name string) string { return strings.ToUpper(snake(name)) }

func toPascal(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(snake(name), "_") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}
