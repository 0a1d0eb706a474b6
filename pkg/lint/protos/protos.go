// Package protos lints proto files: that they are proto3 in a versioned package
// of the organisation, that names follow the conventions, and that comments say
// something. Rules that buf has too carry buf's ids and agree with it.
//
// Files are parsed and linked by protocompile, without buf and without the
// network. A file that does not parse is one finding; where only an import is
// missing, the rules that need no types are applied all the same.
package protos

import (
	"context"
	"path"

	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/spec"
)

// Name is the name of the kind.
const Name = "protos"

// Kind returns the linter of .proto files.
func Kind(c spec.Conventions) lint.Kind {
	isProto := func(name string) bool { return path.Ext(name) == ".proto" }
	return lint.Kind{
		Name:      Name,
		Rules:     rules(),
		Candidate: isProto,
		Recognize: func(s *lint.Source) bool { return isProto(s.Name) },
		Check: func(ctx context.Context, sources []*lint.Source) (lint.Result, error) {
			return check(ctx, c, sources)
		},
	}
}

func check(ctx context.Context, c spec.Conventions, sources []*lint.Source) (lint.Result, error) {
	var result lint.Result
	var files []*file
	for _, s := range sources {
		f, findings := parse(s)
		result.Findings = append(result.Findings, findings...)
		if f != nil {
			files = append(files, f)
			result.Ignores = append(result.Ignores, f.ignores...)
		}
		if err := ctx.Err(); err != nil {
			return result, err
		}
	}
	placeFiles(files)
	k := checker{org: c.Organization}
	for _, f := range files {
		k.checkFile(f)
	}
	k.checkPackages(files)
	compiled, err := compile(ctx, files)
	result.Findings = append(append(result.Findings, k.findings...), compiled...)
	return result, err
}

// checker gathers the findings of the rules.
type checker struct {
	org      string
	findings []lint.Finding
}

func (k *checker) add(f lint.Finding) { k.findings = append(k.findings, f) }

func (k *checker) checkFile(f *file) {
	k.checkSyntax(f)
	k.checkPackage(f)
	k.checkImports(f)
	for _, e := range f.elements {
		k.checkName(f, e)
		k.checkComment(f, e)
	}
}
