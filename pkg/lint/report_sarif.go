package lint

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/url"
	"slices"
	"strings"
)

// This file holds the part of SARIF 2.1.0 (OASIS, sarif-v2.1.0) that findings
// need; a whole library for it would cost every start of the program.

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool       sarifTool     `json:"tool"`
	ColumnKind string        `json:"columnKind"`
	Results    []sarifResult `json:"results"` // always there: its absence means that nothing was run
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID               string      `json:"id"`
	ShortDescription sarifText   `json:"shortDescription"`
	FullDescription  sarifText   `json:"fullDescription"`
	Help             sarifText   `json:"help"`
	Default          sarifConfig `json:"defaultConfiguration"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifConfig struct {
	Level Severity `json:"level"`
}

type sarifResult struct {
	RuleID       string            `json:"ruleId"`
	RuleIndex    int               `json:"ruleIndex"`
	Level        Severity          `json:"level"`
	Message      sarifText         `json:"message"`
	Locations    []sarifLocation   `json:"locations"`
	Fingerprints map[string]string `json:"partialFingerprints"`
}

type sarifLocation struct {
	Physical sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine   int `json:"startLine"`
	StartColumn int `json:"startColumn"`
	EndLine     int `json:"endLine"`
	EndColumn   int `json:"endColumn"`
}

// WriteSARIF writes the report as one SARIF 2.1.0 run, with the rules that
// found something. Fingerprints are made of the rule, the file, the message and
// the count of such, not of the line, so that they outlive edits elsewhere.
func (r *Report) WriteSARIF(w io.Writer) error {
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: "suokectl", InformationURI: "https://github.com/suokelife/suokectl", Rules: []sarifRule{}}},
		ColumnKind: "utf16CodeUnits",
		Results:    []sarifResult{},
	}
	seen := map[string]int{}
	for _, f := range r.Findings {
		run.Results = append(run.Results, r.sarifResult(f, run.Tool.Driver.index(r.rules[f.Rule]), seen))
	}
	return writeIndented(w, sarifLog{
		Schema:  "https://json.schemastore.org/sarif-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{run},
	})
}

// index returns the place of a rule among the driver's, where it is put at need.
func (d *sarifDriver) index(rule Rule) int {
	if i := slices.IndexFunc(d.Rules, func(r sarifRule) bool { return r.ID == rule.ID }); i >= 0 {
		return i
	}
	d.Rules = append(d.Rules, sarifRule{
		ID:               rule.ID,
		ShortDescription: sarifText{rule.Summary},
		FullDescription:  sarifText{rule.Why},
		Help:             sarifText{rule.Why + "\n\nGood:\n" + rule.Good + "\n\nBad:\n" + rule.Bad},
		Default:          sarifConfig{rule.Severity},
	})
	return len(d.Rules) - 1
}

func (r *Report) sarifResult(f Finding, rule int, seen map[string]int) sarifResult {
	text := f.Message
	if f.Fix != "" {
		text += "\nFix: " + f.Fix
	}
	identity := strings.Join([]string{f.Rule, f.File, f.Message}, "\x00")
	seen[identity]++
	sum := sha256.Sum256([]byte(identity + strings.Repeat("\x00", seen[identity])))
	return sarifResult{
		RuleID: f.Rule, RuleIndex: rule, Level: f.Severity, Message: sarifText{text},
		Locations:    []sarifLocation{{sarifPhysical{sarifArtifact{(&url.URL{Path: f.File}).String()}, r.region(f)}}},
		Fingerprints: map[string]string{"suokectl/v1": hex.EncodeToString(sum[:16])},
	}
}

func (r *Report) region(f Finding) *sarifRegion {
	source := r.sources[f.File]
	if source == nil || f.Span.Start.Line == 0 {
		return nil
	}
	return &sarifRegion{
		StartLine: f.Span.Start.Line, StartColumn: source.utf16Column(f.Span.Start),
		EndLine: f.Span.End.Line, EndColumn: source.utf16Column(f.Span.End),
	}
}
