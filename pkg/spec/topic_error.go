package spec

import (
	"fmt"
	"strings"
	"unicode"
)

// TopicProblem is one thing that is wrong with a topic name.
type TopicProblem struct {
	// Part is env, service, event, version; or name, length or characters for
	// the name as a whole.
	Part string `json:"part"`
	// Got is what stands there; empty when the part is missing.
	Got string `json:"got"`
	// Want says what would be right.
	Want string `json:"want"`
	// Offset is where Got begins in the name, in bytes.
	Offset int `json:"offset"`
}

func (p TopicProblem) String() string {
	if p.Got == "" {
		return fmt.Sprintf("%s is missing: want %s", p.Part, p.Want)
	}
	return fmt.Sprintf("%s %q: want %s", p.Part, shorten([]byte(p.Got)), p.Want)
}

// TopicError says what is wrong with a topic name, and what would be right.
type TopicError struct {
	Name     string         `json:"name"`
	Problems []TopicProblem `json:"problems"` // at least one, in the order of the name
	// Suggestion is the valid name that is nearest; empty when that is a guess,
	// for instance when the environment is missing.
	Suggestion string `json:"suggestion,omitempty"`
}

func (e *TopicError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	msg := fmt.Sprintf("topic %q: %s", shortenName(e.Name), strings.Join(texts, "; "))
	if e.Suggestion != "" {
		msg += fmt.Sprintf(" (did you mean %q?)", e.Suggestion)
	}
	return msg
}

// shortenName cuts only what no topic name can be.
func shortenName(name string) string {
	if len(name) <= maxKafkaTopic {
		return name
	}
	return shorten([]byte(name))
}

// What a [TopicProblem] names as Part when it concerns the name as a whole.
const (
	PartName       = "name"       // it has not the parts of the format
	PartLength     = "length"     // it is too long
	PartCharacters = "characters" // Kafka does not take it
)

func (c Conventions) diagnose(name string) *TopicError {
	e := &TopicError{Name: name}
	if base, ok := c.BaseTopic(name); ok {
		e.add(PartName, name, fmt.Sprintf("the base topic; this one holds the dead letters of %s", base), 0)
		if _, ok := c.parse(base); ok {
			e.Suggestion = base
		}
		return e
	}
	c.checkWhole(e, name)
	c.checkParts(e, name)
	e.Suggestion = c.suggest(name)
	return e
}

func (e *TopicError) add(part, got, want string, offset int) {
	e.Problems = append(e.Problems, TopicProblem{Part: part, Got: got, Want: want, Offset: offset})
}

// checkWhole finds what Kafka itself would refuse, and names that leave no room for a suffix.
func (c Conventions) checkWhole(e *TopicError, name string) {
	if limit := c.MaxTopicLength(); len(name) > limit {
		e.add(PartLength, fmt.Sprintf("%d characters", len(name)),
			fmt.Sprintf("at most %d, so that %s and %s fit into Kafka's %d",
				limit, c.DeadLetter.Suffix, c.DeadLetter.ParkedSuffix, maxKafkaTopic), 0)
	}
	for i, r := range name {
		if r > unicode.MaxASCII || !legalTopicChar(byte(r)) {
			e.add(PartCharacters, string(r), "only letters, digits, '.', '_' and '-', which is all that Kafka takes", i)
			return
		}
	}
}

func (c Conventions) checkParts(e *TopicError, name string) {
	wants, gots := strings.Split(c.Topic.Format, "."), strings.Split(name, ".")
	if name == "" {
		gots = nil
	}
	if len(gots) != len(wants) {
		e.add(PartName, plural(len(gots), "part"), fmt.Sprintf("%d: %s", len(wants), c.Topic.Format), 0)
		gots = c.align(wants, gots)
		if gots == nil {
			return
		}
	}
	offset := 0
	for i, want := range wants {
		c.checkPart(e, want, gots[i], offset)
		offset += len(gots[i]) + 1
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// align finds which parts of a name that is too short are missing, when only
// one arrangement fits: an environment and a version are known by their looks.
func (c Conventions) align(wants, gots []string) []string {
	if len(gots)+1 != len(wants) || len(gots) == 0 {
		return nil
	}
	last := len(wants) - 1
	switch {
	case wants[0] == "{env}" && !c.looksLikeEnv(gots[0]) && looksLikeVersion(gots[len(gots)-1]):
		return append([]string{""}, gots...)
	case wants[last] == "{version}" && !looksLikeVersion(gots[len(gots)-1]) && c.looksLikeEnv(gots[0]):
		return append(append([]string{}, gots...), "")
	}
	return nil
}

func (c Conventions) checkPart(e *TopicError, want, got string, offset int) {
	part, isPlaceholder := placeholder(want)
	if !isPlaceholder {
		if got != want {
			e.add(PartName, got, fmt.Sprintf("%q", want), offset)
		}
		return
	}
	if !c.validPart(part, got) {
		e.add(part, got, c.wantPart(part), offset)
	}
}

func (c Conventions) wantPart(part string) string {
	switch part {
	case PartEnv:
		return "one of " + strings.Join(c.Topic.Environments, ", ")
	case PartService:
		return "kebab-case such as auth-service"
	case PartEvent:
		return "kebab-case such as user-registered"
	default:
		return "v and a number from 1, such as v1"
	}
}

// diagnoseParts is the diagnosis of a name that was built of parts: a part may
// itself hold a dot, which the name alone would not show.
func (c Conventions) diagnoseParts(name string, t Topic) *TopicError {
	e := &TopicError{Name: name}
	if len(name) > c.MaxTopicLength() {
		c.checkWhole(e, name)
	}
	offset := 0
	for want := range strings.SplitSeq(c.Topic.Format, ".") {
		got := want
		if part, ok := placeholder(want); ok {
			got = *t.part(part)
		}
		c.checkPart(e, want, got, offset)
		offset += len(got) + 1
	}
	e.Suggestion = c.suggest(name)
	return e
}
