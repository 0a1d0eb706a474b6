package registry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/avro"
)

// level is one of the seven compatibility levels.
type level string

var levels = []level{
	"NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE",
}

func parseLevel(text string) (level, error) {
	l := level(strings.ToUpper(text))
	if !slices.Contains(levels, l) {
		return "", invalidLevel(text)
	}
	return l, nil
}

func (l level) transitive() bool { return strings.HasSuffix(string(l), "_TRANSITIVE") }
func (l level) backward() bool   { return strings.HasPrefix(string(l), "BACKWARD") || l.full() }
func (l level) forward() bool    { return strings.HasPrefix(string(l), "FORWARD") || l.full() }
func (l level) full() bool       { return strings.HasPrefix(string(l), "FULL") }

// violations says why candidate may not follow the earlier versions, oldest first, at this level; nothing means that it
// may. Levels that are not transitive look at the last version only.
func (l level) violations(candidate *schema, earlier []*schema) []string {
	if l == "NONE" || len(earlier) == 0 {
		return nil
	}
	if !l.transitive() {
		earlier = earlier[len(earlier)-1:]
	}
	var out []string
	for _, old := range slices.Backward(earlier) {
		if l.backward() {
			out = appendViolation(out, "the new schema cannot read data of the old one", canRead(candidate, old))
		}
		if l.forward() {
			out = appendViolation(out, "the old schema cannot read data of the new one", canRead(old, candidate))
		}
	}
	return out
}

func appendViolation(out []string, what string, err error) []string {
	if err == nil {
		return out
	}
	return append(out, fmt.Sprintf("%s: %v", what, err))
}

func canRead(reader, writer *schema) error {
	if reader.kind != writer.kind {
		return fmt.Errorf("schema type changed from %s to %s", writer.kind, reader.kind)
	}
	if reader.kind == typeAvro {
		return avro.CheckCompatibility(writer.avro, reader.avro)
	}
	return subsumes(reader.json, writer.json)
}
