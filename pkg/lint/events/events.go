// Package events lints files of events: one JSON object, or one on each line
// of NDJSON, that wears the envelope of the specification.
package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path"
	"strings"

	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/spec"
)

// Name is the name of the kind.
const Name = "events"

// Kind returns the linter of files of events: .json, .ndjson and .jsonl whose
// first object has a meta with at least two of an envelope's fields.
func Kind(c spec.Conventions) lint.Kind {
	return lint.Kind{
		Name:      Name,
		Rules:     rules(),
		Candidate: func(name string) bool { return path.Ext(name) == ".json" || isLines(name) },
		Recognize: func(s *lint.Source) bool { return recognize(c, s) },
		Check: func(ctx context.Context, sources []*lint.Source) (lint.Result, error) {
			var result lint.Result
			for _, s := range sources {
				if err := ctx.Err(); err != nil {
					return result, err
				}
				result.Findings = append(result.Findings, check(c, s)...)
			}
			return result, nil
		},
	}
}

func isLines(name string) bool { return path.Ext(name) == ".ndjson" || path.Ext(name) == ".jsonl" }

func recognize(c spec.Conventions, s *lint.Source) bool {
	if !bytes.Contains(s.Text, []byte(`"`+c.Envelope.Meta+`"`)) {
		return false
	}
	var envelope map[string]json.RawMessage
	if json.NewDecoder(bytes.NewReader(s.Text)).Decode(&envelope) != nil {
		return false
	}
	var meta map[string]json.RawMessage
	if json.Unmarshal(envelope[c.Envelope.Meta], &meta) != nil {
		return false
	}
	known, e := 0, c.Envelope
	for _, name := range []string{e.ID, e.Type, e.Version, e.Source, e.Time, e.CorrelationID} {
		if _, ok := meta[name]; ok {
			known++
		}
	}
	return known >= 2
}

func check(c spec.Conventions, s *lint.Source) []lint.Finding {
	if !isLines(s.Name) {
		return checkEvent(c, s, s.Text, 0)
	}
	var findings []lint.Finding
	offset := 0
	for line := range bytes.Lines(s.Text) {
		if len(bytes.TrimSpace(line)) > 0 {
			findings = append(findings, checkEvent(c, s, bytes.TrimRight(line, "\r\n"), offset)...)
		}
		offset += len(line)
	}
	return findings
}

func checkEvent(c spec.Conventions, s *lint.Source, value []byte, offset int) []lint.Finding {
	_, err := c.ParseEvent(value)
	var envErr *spec.EnvelopeError
	if !errors.As(err, &envErr) {
		return nil
	}
	var findings []lint.Finding
	for _, p := range envErr.Problems {
		at := offset + p.Offset
		end := at + max(1, len(strings.TrimSuffix(p.Got, "…")))
		if errors.Is(err, spec.ErrNotJSON) {
			end = offset + len(value)
		}
		hint := p.Hint
		p.Hint = ""
		findings = append(findings, lint.Finding{
			Rule: rule(c, p, err), File: s.Name, Span: s.Span(at, end), Message: p.String(), Fix: hint,
		})
	}
	return findings
}
