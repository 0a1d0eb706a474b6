package lint

import (
	"bytes"
	"strings"
)

const (
	bufMarker = "buf:lint:ignore"
	ownMarker = "suokectl:ignore"
)

// FindIgnores returns the ignores that a comment holds, each with the place of
// its rule; the caller sets their scope. The comment is the bytes [start, end)
// of a source, with its markers. Two forms are known, each to the end of its line:
//
//	buf:lint:ignore RULE
//	suokectl:ignore RULE[,RULE…] [reason]
func FindIgnores(s *Source, start, end int) []Ignore {
	var out []Ignore
	for start < end {
		line, rest := s.Text[start:end], end
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line, rest = line[:i], start+i+1
		}
		if offset, ids, ok := ignoreLine(line); ok {
			isBuf := bytes.Contains(line[:offset], []byte(bufMarker))
			for id := range strings.SplitSeq(ids, ",") {
				if at := start + offset; id != "" {
					out = append(out, Ignore{Rule: id, File: s.Name, Comment: s.Span(at, at+len(id)), buf: isBuf})
				}
				offset += len(id) + 1
			}
		}
		start = rest
	}
	return out
}

// IsIgnore reports whether a line of a comment is an ignore, and so documents nothing.
func IsIgnore(line string) bool {
	_, _, ok := ignoreLine([]byte(line))
	return ok
}

func ignoreLine(line []byte) (offset int, ids string, ok bool) {
	text := bytes.TrimLeft(line, " \t/*#")
	for _, marker := range []string{bufMarker, ownMarker} {
		rest, found := bytes.CutPrefix(text, []byte(marker))
		word := bytes.TrimLeft(rest, " \t")
		if !found || len(word) == len(rest) || len(word) == 0 {
			continue
		}
		id, _, _ := strings.Cut(strings.Fields(string(word))[0], "*/")
		return len(line) - len(word), id, strings.Trim(id, ",") != ""
	}
	return 0, "", false
}
