package discover

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"
)

func (c Cause) sentence(of Instance) string { return oneLine(c.words(of)) }

// words is the cause as a sentence about the instance, with whatever came over the network still in it.
func (c Cause) words(of Instance) string {
	switch c.Kind {
	case VersionMismatch:
		return fmt.Sprintf("version is %s, not %s", c.Has, c.Wanted) + unless(c.Near == "", "; versions are compared as they are written")
	case VersionMissing:
		return fmt.Sprintf("it has no version in its metadata, so it is not %s", c.Wanted) + unless(c.Near == "", "; its "+c.Near+" does not count")
	case TagMissing:
		return fmt.Sprintf("tag %s is missing; it has %s", c.Wanted, listOr(of.Tags, "none")) + unless(c.Near == "" || len(of.Tags) == 1, "; is "+c.Near+" meant?")
	case MetaMissing:
		key, value, _ := strings.Cut(c.Wanted, "=")
		return fmt.Sprintf("it has no %s in its metadata, so it is not %s", key, value) + unless(c.Near == "", "; its "+c.Near+" does not count")
	case MetaMismatch:
		key, value, _ := strings.Cut(c.Wanted, "=")
		return fmt.Sprintf("%s in its metadata is %s, not %s", key, orNothing(c.Has), value) + unless(c.Near == "", "; values are compared as they are written")
	case FilterMismatch:
		return "it does not match the filter " + c.Wanted
	case OtherDatacenter:
		return fmt.Sprintf("it is in datacenter %s, not %s", c.Has, cmp.Or(c.Wanted, "the agent's own"))
	case NotInCatalogue:
		return "the agent knows it, and the catalogue does not: nobody else can find it"
	case HiddenByACL:
		return fmt.Sprintf("the agent knows it, and ACLs hide it in the catalogue: the token lacks node:read of node %s", of.Node)
	case ProbeFailed:
		return fmt.Sprintf("a probe from here fails: %s", c.Has)
	}
	return c.checkWords(of)
}

// checkWords are the words for a cause that is a check.
func (c Cause) checkWords(of Instance) string {
	name := fmt.Sprintf("check %q", c.Check.Name)
	if c.Check.OnNode {
		name = fmt.Sprintf("its node's check %q", c.Check.Name)
	}
	switch {
	case c.Kind == Draining && c.Check.state() == Maintenance:
		return "it is draining: it put itself in maintenance to shut down"
	case c.Kind == Draining:
		return fmt.Sprintf("it is draining: %s is critical, as it reported: %s", name, c.Check.said())
	case c.Kind == NodeDown:
		return fmt.Sprintf("its node %s is down: %s", of.Node, c.Check.said())
	case c.Kind == InMaintenance && c.Check.OnNode:
		return fmt.Sprintf("its node is in maintenance: %s", c.Check.reason())
	case c.Kind == InMaintenance:
		return fmt.Sprintf("it is in maintenance: %s", c.Check.reason())
	case c.Kind == CheckNotRun && c.Check.Kind == "ttl":
		return fmt.Sprintf("%s is critical: nothing has been reported to it yet", name)
	case c.Kind == CheckNotRun:
		return fmt.Sprintf("%s is critical: it has not run yet", name)
	}
	return fmt.Sprintf("%s is %s: %s", name, c.Check.Status, c.Check.said())
}

// reason is what a maintenance was begun for.
func (c Check) reason() string {
	if strings.HasSuffix(c.Notes, "This is a default message.") {
		return "no reason was given"
	}
	return orNothing(c.Notes)
}

// said is a check's output without what wraps it.
func (c Check) said() string {
	output := strings.TrimSpace(c.Output)
	if last, ok := strings.CutPrefix(output, ttlExpired+" (last output before timeout follows): "); ok {
		return ttlExpired + ": no report came in time; the last one said: " + last
	}
	switch output {
	case "":
		return "it has not said why (it may not have run yet)"
	case ttlExpired:
		return ttlExpired + ": no report came in time"
	}
	if answer := httpAnswer.FindString(output); answer != "" {
		status, body, _ := strings.Cut(output, " Output: ")
		return strings.TrimSuffix(strings.TrimSpace(status), " Output:") + unless(strings.TrimSpace(body) == "", ": "+shortened(body))
	}
	if _, inner, ok := strings.Cut(output, `transport: Error while dialing: `); ok {
		return strings.TrimSuffix(inner, `"`)
	}
	return output
}

func orNothing(text string) string {
	if strings.TrimSpace(text) == "" {
		return "empty"
	}
	return text
}

func unless(not bool, text string) string {
	if not {
		return ""
	}
	return text
}

// shownBody is how much of an HTTP answer's body is told, in characters: it can be a web page.
const shownBody = 100

// shortened is text on one line, cut when it is long.
func shortened(text string) string {
	text = oneLine(text)
	if out := []rune(text); len(out) > shownBody {
		return strings.TrimSpace(string(out[:shownBody-1])) + "…"
	}
	return text
}

// maxSentence is how long a sentence may be, in characters: a check may say pages.
const maxSentence = 300

// oneLine makes a sentence of words: no line ends, no characters that could deceive a terminal, and not too long.
func oneLine(words string) string {
	words = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, words)
	out := []rune(strings.Join(strings.Fields(words), " "))
	if len(out) > maxSentence {
		return strings.TrimSpace(string(out[:maxSentence-1])) + "…"
	}
	return string(out)
}
