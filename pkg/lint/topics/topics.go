// Package topics lints the names of Kafka topics: against the conventions'
// grammar one by one, and against each other for what only a whole list shows.
package topics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/spec"
)

// Name is the name of the kind.
const Name = "topics"

// Kind returns the linter of lists of topics: text files with one name a line,
// where # begins a comment, that are called topics.txt or end in .topics.
func Kind(c spec.Conventions) lint.Kind {
	return lint.Kind{
		Name:      Name,
		Rules:     rules(),
		Candidate: isList,
		Recognize: func(s *lint.Source) bool { return isList(s.Name) && isText(s.Text) },
		Check: func(ctx context.Context, sources []*lint.Source) (lint.Result, error) {
			var all lint.Result
			for _, s := range sources {
				if err := ctx.Err(); err != nil {
					return all, err
				}
				result := check(c, s)
				all.Findings = append(all.Findings, result.Findings...)
				all.Ignores = append(all.Ignores, result.Ignores...)
			}
			return all, nil
		},
	}
}

func isList(name string) bool {
	base := path.Base(strings.ReplaceAll(name, "\\", "/"))
	return base == "topics.txt" || strings.HasSuffix(base, ".topics")
}

func isText(text []byte) bool { return bytes.IndexByte(text, 0) < 0 }

// topic is one name of a list and where it stands.
type topic struct {
	name string
	at   int
}

func check(c spec.Conventions, s *lint.Source) lint.Result {
	names, ignores := read(s)
	k := checker{c: c, source: s, result: lint.Result{Ignores: ignores}}
	for _, t := range names {
		k.checkName(t)
	}
	k.checkTogether(names)
	return k.result
}

// read returns the names of a list, and its ignores: one in a comment of its
// own is for the next name, one behind a name is for that.
func read(s *lint.Source) (names []topic, ignores []lint.Ignore) {
	var waiting []lint.Ignore
	offset := 0
	for line := range bytes.Lines(s.Text) {
		name := line[:commentStart(line)]
		waiting = append(waiting, lint.FindIgnores(s, offset+len(name), offset+len(line))...)
		if text := bytes.TrimSpace(bytes.TrimPrefix(name, []byte("\ufeff"))); len(text) > 0 {
			at := offset + bytes.Index(line, text)
			names = append(names, topic{string(text), at})
			for _, i := range waiting {
				i.Scope = s.Span(at, at+len(text))
				ignores = append(ignores, i)
			}
			waiting = nil
		}
		offset += len(line)
	}
	return names, append(ignores, waiting...)
}

// commentStart returns where the comment of a line begins: at a # which begins
// the line or follows a space. Any other # is part of a name, and a finding.
func commentStart(line []byte) int {
	for i, ch := range line {
		if ch == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return i
		}
	}
	return len(line)
}

type checker struct {
	c      spec.Conventions
	source *lint.Source
	result lint.Result
}

func (k *checker) add(rule string, at, length int, message, fix string) {
	k.result.Findings = append(k.result.Findings, lint.Finding{
		Rule: rule, File: k.source.Name, Span: k.source.Span(at, at+length), Message: message, Fix: fix,
	})
}

func (k *checker) checkName(t topic) {
	base, suffixed := k.c.BaseTopic(t.name)
	_, err := k.c.ParseTopic(base)
	var topicErr *spec.TopicError
	if !errors.As(err, &topicErr) {
		return
	}
	for _, p := range topicErr.Problems {
		at, length := t.at, len(base)
		if isPart(p.Part) || p.Part == spec.PartCharacters {
			at, length = t.at+p.Offset, len(p.Got)
		}
		k.add(ruleOf(p.Part), at, length, "topic "+p.String(), fix(k.c, topicErr.Suggestion, t.name, suffixed))
	}
}

func isPart(part string) bool {
	return part != spec.PartName && part != spec.PartLength && part != spec.PartCharacters
}

func fix(c spec.Conventions, suggestion, name string, suffixed bool) string {
	switch {
	case suggestion == "":
		return ""
	case suffixed && c.IsDLQTopic(name):
		return "name it " + c.DLQTopic(suggestion)
	case suffixed:
		return "name it " + c.ParkedTopic(suggestion)
	}
	return "name it " + suggestion
}

// checkTogether finds names that collide, and letters whose topic is not there.
func (k *checker) checkTogether(names []topic) {
	byMetric, byName := map[string]topic{}, map[string]bool{}
	for _, t := range names {
		metric := strings.ReplaceAll(t.name, "_", ".")
		switch first, taken := byMetric[metric]; {
		case taken && first.name == t.name:
			k.add(duplicate, t.at, len(t.name), fmt.Sprintf("topic %q is there twice", t.name), "remove one")
		case taken:
			k.add(collision, t.at, len(t.name),
				fmt.Sprintf("topic %q collides with %q: in the names of metrics '.' and '_' are the same", t.name, first.name), "rename one")
		default:
			byMetric[metric] = t
		}
		byName[t.name] = true
	}
	for _, t := range names {
		if base, ok := k.c.BaseTopic(t.name); ok && !byName[base] {
			k.add(orphan, t.at, len(t.name), fmt.Sprintf("there is no topic %q, whose letters this one would hold", base), "add it, or remove this one")
		}
	}
}
