package spec

import (
	"slices"
	"strings"
)

const maxKafkaTopic = 249 // Kafka's own limit, org.apache.kafka.common.internals.Topic

// Topic is a parsed topic name (K1).
type Topic struct {
	Env     string `json:"env"`     // one of the conventions' environments
	Service string `json:"service"` // kebab-case, such as auth-service
	Event   string `json:"event"`   // kebab-case, such as user-registered
	Version string `json:"version"` // v1, v2, …
}

// String returns the name in the specification's form,
// env.service.event.version. Use [Conventions.BuildTopic] where conventions may differ.
func (t Topic) String() string {
	return t.Env + "." + t.Service + "." + t.Event + "." + t.Version
}

// The parts of a topic name, as a [TopicProblem] and a format's placeholders name them.
const (
	PartEnv     = "env"
	PartService = "service"
	PartEvent   = "event"
	PartVersion = "version"
)

func (t *Topic) part(name string) *string {
	switch name {
	case PartEnv:
		return &t.Env
	case PartService:
		return &t.Service
	case PartEvent:
		return &t.Event
	case PartVersion:
		return &t.Version
	}
	return nil
}

// MaxTopicLength is the greatest length of a topic name: Kafka's 249 characters
// less room for the longest suffix, 242 by default.
func (c Conventions) MaxTopicLength() int {
	return maxKafkaTopic - max(len(c.DeadLetter.Suffix), len(c.DeadLetter.ParkedSuffix))
}

// ParseTopic takes a topic name apart. When the name does not follow the
// conventions the error is a [*TopicError] with everything that is wrong with
// it. The names of dead-letter and parked topics are refused too: see [Conventions.BaseTopic].
func (c Conventions) ParseTopic(name string) (Topic, error) {
	if t, ok := c.parse(name); ok {
		return t, nil
	}
	return Topic{}, c.diagnose(name)
}

// parse is the quick way, without a diagnosis and without an allocation.
func (c Conventions) parse(name string) (t Topic, ok bool) {
	if len(name) > c.MaxTopicLength() {
		return Topic{}, false
	}
	format, rest := c.Topic.Format, name
	for {
		want, formatLeft, formatMore := strings.Cut(format, ".")
		got, nameLeft, nameMore := strings.Cut(rest, ".")
		if !c.setPart(&t, want, got) || formatMore != nameMore {
			return Topic{}, false
		}
		if !formatMore {
			return t, true
		}
		format, rest = formatLeft, nameLeft
	}
}

func (c Conventions) setPart(t *Topic, want, got string) bool {
	part, isPlaceholder := placeholder(want)
	if !isPlaceholder {
		return got == want
	}
	if !c.validPart(part, got) {
		return false
	}
	*t.part(part) = got
	return true
}

func (c Conventions) validPart(part, value string) bool {
	switch part {
	case PartEnv:
		return slices.Contains(c.Topic.Environments, value)
	case PartVersion:
		return isTopicVersion(value)
	default:
		return isKebab(value)
	}
}

// BuildTopic makes the name of a topic. The error is a [*TopicError] when a part is not valid.
func (c Conventions) BuildTopic(t Topic) (string, error) {
	var b strings.Builder
	for i, want := range strings.Split(c.Topic.Format, ".") {
		if i > 0 {
			b.WriteByte('.')
		}
		if part, ok := placeholder(want); ok {
			b.WriteString(*t.part(part))
		} else {
			b.WriteString(want)
		}
	}
	name := b.String()
	if back, ok := c.parse(name); !ok || back != c.known(t) {
		return "", c.diagnoseParts(name, t)
	}
	return name, nil
}

// known drops the parts which the format does not have.
func (c Conventions) known(t Topic) Topic {
	var out Topic
	for want := range strings.SplitSeq(c.Topic.Format, ".") {
		if part, ok := placeholder(want); ok {
			*out.part(part) = *t.part(part)
		}
	}
	return out
}

// DLQTopic returns the dead-letter topic of a topic. A dead-letter topic is its
// own, and so is that of a parked one its base's: letters never get a second suffix.
func (c Conventions) DLQTopic(name string) string {
	base, _ := c.BaseTopic(name)
	return base + c.DeadLetter.Suffix
}

// ParkedTopic returns the topic for the letters of a topic that are given up.
func (c Conventions) ParkedTopic(name string) string {
	base, _ := c.BaseTopic(name)
	return base + c.DeadLetter.ParkedSuffix
}

// BaseTopic returns the topic whose dead letters, or parked letters, are in
// name. When name is neither kind of topic it returns name and false.
func (c Conventions) BaseTopic(name string) (string, bool) {
	for _, suffix := range []string{c.DeadLetter.Suffix, c.DeadLetter.ParkedSuffix} {
		if base, ok := strings.CutSuffix(name, suffix); ok && base != "" {
			return base, true
		}
	}
	return name, false
}

// IsDLQTopic reports whether name is the dead-letter topic of some topic.
func (c Conventions) IsDLQTopic(name string) bool {
	return len(name) > len(c.DeadLetter.Suffix) && strings.HasSuffix(name, c.DeadLetter.Suffix)
}

// IsParkedTopic reports whether name is the parked topic of some topic.
func (c Conventions) IsParkedTopic(name string) bool {
	return len(name) > len(c.DeadLetter.ParkedSuffix) && strings.HasSuffix(name, c.DeadLetter.ParkedSuffix)
}

// placeholder returns env for {env}, and false for literal text.
func placeholder(s string) (string, bool) {
	if len(s) > 2 && s[0] == '{' && s[len(s)-1] == '}' {
		return s[1 : len(s)-1], true
	}
	return "", false
}

// isKebab holds for words of lower-case letters and digits joined by single
// dashes, of which the first begins with a letter.
func isKebab(s string) bool {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		switch ch := s[i]; {
		case 'a' <= ch && ch <= 'z', '0' <= ch && ch <= '9':
		case ch == '-' && s[i-1] != '-' && i+1 < len(s):
		default:
			return false
		}
	}
	return true
}

func isTopicVersion(s string) bool {
	return len(s) > 1 && s[0] == 'v' && s[1] != '0' && isDigits(s[1:])
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func legalTopicChars(s string) bool {
	for i := range len(s) {
		if !legalTopicChar(s[i]) {
			return false
		}
	}
	return true
}

func legalTopicChar(ch byte) bool {
	return 'a' <= ch && ch <= 'z' || 'A' <= ch && ch <= 'Z' || '0' <= ch && ch <= '9' ||
		ch == '.' || ch == '_' || ch == '-'
}
