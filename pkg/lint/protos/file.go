package protos

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"

	"github.com/suokelife/suokectl/pkg/lint"
)

// file is one parsed proto.
type file struct {
	src   *lint.Source
	node  *ast.FileNode
	shift int // the bytes of a byte order mark, which positions of the AST leave out

	root string // the folder that import paths are relative to
	path string // the import path
	dir  string // the folder of path, "." at the root

	pkg      string
	pkgNode  *ast.PackageNode
	imports  []*ast.ImportNode
	options  map[string]*ast.OptionNode // of the file itself
	elements []element
	ignores  []lint.Ignore
}

type elementKind int

const (
	message elementKind = iota
	field
	enum
	enumValue
	oneof
	service
	method
)

// element is a declaration that has a name.
type element struct {
	kind   elementKind
	node   ast.Node
	name   *ast.IdentNode
	parent string // the name of the enum or service it is in
	first  bool   // it is the first value of its enum
}

// parse reads one source. Syntax errors are findings; then the file is nil,
// since what the parser makes of the rest is a guess.
func parse(s *lint.Source) (*file, []lint.Finding) {
	f := &file{src: s, options: map[string]*ast.OptionNode{}}
	if bytes.HasPrefix(s.Text, []byte("\ufeff")) {
		f.shift = len("\ufeff")
	}
	if at := tooDeep(s.Text); at >= 0 {
		return nil, []lint.Finding{{Rule: compileRule, File: s.Name, Span: s.Span(at, at+1),
			Message: fmt.Sprintf("braces are nested deeper than %d", maxNesting), Fix: "protoc allows 32 levels of messages"}}
	}
	var findings []lint.Finding
	handler := reporter.NewHandler(reporter.NewReporter(func(err reporter.ErrorWithPos) error {
		found := f.compileFinding(err)
		if n := len(findings); n == 0 || findings[n-1].Span.Start != found.Span.Start { // else it follows from the last
			findings = append(findings, found)
		}
		return nil
	}, nil))
	node, err := parser.Parse(s.Name, bytes.NewReader(s.Text), handler)
	if len(findings) > 0 || err != nil || node == nil {
		return nil, findings
	}
	f.node = node
	for _, decl := range node.Decls {
		f.declare(decl)
	}
	f.findIgnores()
	return f, nil
}

// maxNesting bounds what the compiler, whose work and stack grow with it, is given.
const maxNesting = 500

// tooDeep returns where braces are nested too deep, or -1. Those in comments
// and strings are counted too, which no real file has that many of.
func tooDeep(text []byte) int {
	depth := 0
	for i, ch := range text {
		switch ch {
		case '{', '[', '(', '<':
			depth++
		case '}', ']', ')', '>':
			depth = max(0, depth-1)
		}
		if depth > maxNesting {
			return i
		}
	}
	return -1
}

func (f *file) declare(decl ast.FileElement) {
	switch d := decl.(type) {
	case *ast.PackageNode:
		f.pkg, f.pkgNode = string(d.Name.AsIdentifier()), d
	case *ast.ImportNode:
		f.imports = append(f.imports, d)
	case *ast.OptionNode:
		if name := optionName(d); name != "" {
			f.options[name] = d
		}
	case *ast.MessageNode:
		f.addMessage(d, d.Name, d.Decls)
	case *ast.EnumNode:
		f.addEnum(d)
	case *ast.ServiceNode:
		f.addService(d)
	case *ast.ExtendNode:
		for _, e := range d.Decls {
			f.addMember(e)
		}
	}
}

func (f *file) add(kind elementKind, node ast.Node, name *ast.IdentNode, parent string) {
	f.elements = append(f.elements, element{kind: kind, node: node, name: name, parent: parent})
}

func (f *file) addMessage(node ast.Node, name *ast.IdentNode, decls []ast.MessageElement) {
	f.add(message, node, name, "")
	for _, decl := range decls {
		switch d := decl.(type) {
		case *ast.MessageNode:
			f.addMessage(d, d.Name, d.Decls)
		case *ast.EnumNode:
			f.addEnum(d)
		case *ast.OneofNode:
			f.add(oneof, d, d.Name, "")
			for _, e := range d.Decls {
				f.addMember(e)
			}
		case *ast.ExtendNode:
			for _, e := range d.Decls {
				f.addMember(e)
			}
		default:
			f.addMember(d)
		}
	}
}

// addMember adds a field. A group is a message and a field at once; its field's
// name is made of the message's, so only that is held to the rules.
func (f *file) addMember(node ast.Node) {
	switch n := node.(type) {
	case *ast.FieldNode:
		f.add(field, n, n.Name, "")
	case *ast.MapFieldNode:
		f.add(field, n, n.Name, "")
	case *ast.GroupNode:
		f.addMessage(n, n.Name, n.Decls)
	}
}

func (f *file) addEnum(n *ast.EnumNode) {
	f.add(enum, n, n.Name, "")
	first := true
	for _, decl := range n.Decls {
		if v, ok := decl.(*ast.EnumValueNode); ok {
			f.elements = append(f.elements, element{kind: enumValue, node: v, name: v.Name, parent: n.Name.Val, first: first})
			first = false
		}
	}
}

func (f *file) addService(n *ast.ServiceNode) {
	f.add(service, n, n.Name, "")
	for _, decl := range n.Decls {
		if m, ok := decl.(*ast.RPCNode); ok {
			f.add(method, m, m.Name, n.Name.Val)
		}
	}
}

// optionName returns the name of an option that is not an extension.
func optionName(o *ast.OptionNode) string {
	if len(o.Name.Parts) != 1 || o.Name.Parts[0].IsExtension() {
		return ""
	}
	return string(o.Name.Parts[0].Name.AsIdentifier())
}

// span returns where a node is in the source. The AST's end has the column
// behind the last character, but the offset of it.
func (f *file) span(n ast.Node) lint.Span {
	info := f.node.NodeInfo(n)
	return f.src.Span(info.Start().Offset+f.shift, info.End().Offset+f.shift+1)
}

func (f *file) finding(rule string, n ast.Node, message, fix string) lint.Finding {
	return lint.Finding{Rule: rule, File: f.src.Name, Span: f.span(n), Message: message, Fix: fix}
}

// whole is a finding about the file itself.
func (f *file) whole(rule, message, fix string) lint.Finding {
	return lint.Finding{Rule: rule, File: f.src.Name, Span: f.src.Span(0, 0), Message: message, Fix: fix}
}

// compileFinding makes a finding of what the compiler says.
func (f *file) compileFinding(err reporter.ErrorWithPos) lint.Finding {
	start := err.GetPosition().Offset + f.shift
	end := start
	for end < len(f.src.Text) && !bytes.ContainsRune([]byte(" \t\r\n;{}()[]=<>,"), rune(f.src.Text[end])) {
		end++
	}
	return lint.Finding{
		Rule: compileRule, File: f.src.Name, Span: f.src.Span(start, max(end, start+1)),
		Message: strings.ReplaceAll(err.Unwrap().Error(), "$end", "the end of the file"),
		Fix:     "mend it: the rest of the file cannot be trusted until it compiles",
	}
}
