package protos

import (
	"strings"

	"github.com/bufbuild/protocompile/ast"

	"github.com/suokelife/suokectl/pkg/lint"
)

// leading returns the comments that document a node: those that end right
// above it, and on from there upward without a blank line; a block comment stands alone.
func (f *file) leading(n ast.Node) []ast.Comment {
	info := f.node.NodeInfo(n)
	all := info.LeadingComments()
	line := info.Start().Line
	first := all.Len()
	for i := all.Len() - 1; i >= 0; i-- {
		c := all.Index(i)
		isBlock := strings.HasPrefix(c.RawText(), "/*")
		if c.End().Line != line-1 || isBlock && i < all.Len()-1 {
			break
		}
		first, line = i, c.Start().Line
		if isBlock {
			break
		}
	}
	var out []ast.Comment
	for i := first; i < all.Len(); i++ {
		out = append(out, all.Index(i))
	}
	return out
}

// text returns what the comments of a node say, without markers and ignores.
func (f *file) text(n ast.Node) string {
	var lines []string
	for _, c := range f.leading(n) {
		for line := range strings.Lines(content(c.RawText())) {
			if line = strings.TrimSpace(line); line != "" && !lint.IsIgnore(line) {
				lines = append(lines, line)
			}
		}
	}
	return strings.Join(lines, " ")
}

// content takes the markers off a comment, with the star that begins the later
// lines of a block.
func content(raw string) string {
	if line, ok := strings.CutPrefix(raw, "//"); ok {
		return line
	}
	lines := strings.Split(strings.TrimSuffix(strings.TrimPrefix(raw, "/*"), "*/"), "\n")
	for i, line := range lines[1:] {
		lines[i+1] = strings.TrimPrefix(strings.TrimLeft(line, " \t"), "*")
	}
	return strings.Join(lines, "\n")
}

// findIgnores gathers the ignores of the whole file. One in the comment of a
// node covers the node; that of the first statement covers the file's own
// findings too. One anywhere else covers nothing, and will be reported.
func (f *file) findIgnores() {
	seen := map[ast.Item]bool{}
	take := func(c ast.Comment, scope lint.Span) {
		if seen[c.AsItem()] {
			return
		}
		seen[c.AsItem()] = true
		start := c.Start().Offset + f.shift
		for _, i := range lint.FindIgnores(f.src, start, start+len(c.RawText())) {
			i.Scope = scope
			f.ignores = append(f.ignores, i)
		}
	}
	for i, n := range f.statements() {
		scope := f.span(n)
		if i == 0 {
			scope.Start = f.src.Position(0)
		}
		for _, c := range f.leading(n) {
			take(c, scope)
		}
	}
	items := f.node.Items()
	for item, ok := items.First(); ok; item, ok = items.Next(item) {
		if _, c := f.node.GetItem(item); c.IsValid() {
			at := f.src.Position(c.Start().Offset + f.shift)
			take(c, lint.Span{Start: at, End: at})
		}
	}
}

// statements returns the nodes that may carry an ignore, in order of the file
// and outer ones first.
func (f *file) statements() []ast.Node {
	var nodes []ast.Node
	if f.node.Syntax != nil {
		nodes = append(nodes, f.node.Syntax)
	}
	if f.node.Edition != nil {
		nodes = append(nodes, f.node.Edition)
	}
	for _, decl := range f.node.Decls {
		switch d := decl.(type) {
		case *ast.PackageNode, *ast.ImportNode, *ast.OptionNode:
			nodes = append(nodes, d)
		}
	}
	for _, e := range f.elements {
		nodes = append(nodes, e.node)
	}
	return nodes
}
