package events

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/itchyny/gojq"

	"github.com/suokelife/suokectl/cmd/events/needle"
)

// clause is a condition on the bytes of a record without which it cannot match:
// one of the texts is in there. Looking for bytes is many times faster than
// decoding them.
type clause struct {
	texts   []string
	needles []*needle.Finder // of the texts
	// json says that the texts are strings in JSON, which can be spelled with
	// \u escapes as well.
	json bool
}

func newClause(json bool, texts ...string) clause {
	c := clause{texts: texts, json: json}
	for _, text := range texts {
		c.needles = append(c.needles, needle.New([]byte(text)))
	}
	return c
}

func (c *clause) mayHold(records []byte) bool {
	for _, n := range c.needles {
		if n.In(records) {
			return true
		}
	}
	return c.json && bytes.Contains(records, []byte(`\u`))
}

// weakest is the length of the shortest text, which occurs by chance most often.
func (c *clause) weakest() int {
	n := len(c.texts[0])
	for _, text := range c.texts {
		n = min(n, len(text))
	}
	return n
}

// clauses are those that follow from the flags but for the expression.
func (o *filterFlags) clauses() (all []clause) {
	for _, exact := range []string{o.Contains, o.Key} {
		if exact != "" {
			all = append(all, newClause(false, exact))
		}
	}
	for _, text := range []string{o.CorrelationID, o.Type} {
		if text != "" && isSpelledOneWay(text) {
			all = append(all, newClause(true, text))
		}
	}
	return all
}

// isSpelledOneWay reports that a string in JSON is either as it is, or has \u
// in it.
func isSpelledOneWay(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' || r == '"' || r == '\\' || r == '/' || r == utf8.RuneError
	})
}

// clausesOf finds clauses in an expression over a record's ndjson form: those
// that compare what is in the value, or the key, with a literal, joined by and
// and or. Of what it does not know it says nothing.
func clausesOf(q *gojq.Query) []clause {
	switch {
	case q == nil || len(q.FuncDefs) > 0:
		return nil
	case q.Op == gojq.OpAnd:
		return append(clausesOf(q.Left), clausesOf(q.Right)...)
	case q.Op == gojq.OpOr:
		left, right := strongest(clausesOf(q.Left)), strongest(clausesOf(q.Right))
		if left == nil || right == nil {
			return nil
		}
		return []clause{newClause(true, append(left.texts, right.texts...)...)}
	case q.Op == gojq.OpEq:
		if c := clauseOf(q.Left, q.Right); c != nil {
			return c
		}
		return clauseOf(q.Right, q.Left)
	case q.Term != nil && q.Term.Type == gojq.TermTypeQuery && len(q.Term.SuffixList) == 0:
		return clausesOf(q.Term.Query)
	}
	return nil
}

func strongest(all []clause) *clause {
	var best *clause
	for i := range all {
		if best == nil || all[i].weakest() > best.weakest() {
			best = &all[i]
		}
	}
	return best
}

// clauseOf knows path == "text".
func clauseOf(path, literal *gojq.Query) []clause {
	text, ok := literalOf(literal)
	if !ok || !isSpelledOneWay(text) || path == nil || path.Term == nil || path.Term.Type != gojq.TermTypeIndex {
		return nil
	}
	switch deep := len(path.Term.SuffixList) > 0; {
	case path.Term.Index.Name == "value" && deep && isPath(path.Term.SuffixList):
	case path.Term.Index.Name == "key" && !deep && !isBinary(text):
	default:
		return nil
	}
	return []clause{newClause(true, text)}
}

func literalOf(q *gojq.Query) (string, bool) {
	if q == nil || q.Term == nil || q.Term.Type != gojq.TermTypeString || len(q.Term.SuffixList) > 0 || len(q.Term.Str.Queries) > 0 {
		return "", false
	}
	return q.Term.Str.Str, true
}

// isPath reports that steps lead to a part of a value, and begin with one that
// a string, which a value that is no JSON is shown as, does not have.
func isPath(steps []*gojq.Suffix) bool {
	for _, step := range steps {
		plain := step.Iter || step.Optional || step.Index != nil && step.Index.Name != ""
		if !plain {
			return false
		}
	}
	return true
}

// isBinary reports that a text may be how a key that is not UTF-8 is shown.
func isBinary(text string) bool {
	raw, err := base64.StdEncoding.DecodeString(text)
	return err == nil && !utf8.Valid(raw)
}
