package gateway

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// node is a value of the document: a scalar, a list or a mapping, with its place.
type node struct {
	span  Span
	kind  kind
	text  string // of a scalar, as written
	items []*node
	keys  []string // of a mapping, in order
	pairs map[string]pair
}

type pair struct {
	key   Span
	value *node
}

type kind string

const (
	isNull    kind = "nothing"
	isText    kind = "a text"
	isInteger kind = "a whole number"
	isNumber  kind = "a number"
	isBool    kind = "true or false"
	isList    kind = "a list"
	isMapping kind = "keys and values"
)

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	if n == nil || n.kind != isMapping {
		return nil
	}
	return n.pairs[key].value
}

// tree turns the library's syntax tree into ours.
type tree struct {
	file    *file
	anchors map[string]*node
}

// file places lines in a text.
type file struct {
	name  string
	text  string
	lines []int // where each begins
}

func newFile(name string, text []byte) *file {
	f := &file{name: name, text: string(text), lines: []int{0}}
	for i, c := range text {
		if c == '\n' {
			f.lines = append(f.lines, i+1)
		}
	}
	return f
}

// at is the place of a column that is counted in characters, as the library does.
func (f *file) at(line, column int) Position {
	line = min(max(line, 1), len(f.lines))
	start, end := f.lines[line-1], len(f.text)
	if line < len(f.lines) {
		end = f.lines[line] - 1
	}
	offset := start
	for i := range f.text[start:end] {
		if column <= 1 {
			break
		}
		column, offset = column-1, start+i+1
	}
	for offset < end && f.text[offset]&0xC0 == 0x80 { // inside a character
		offset++
	}
	return Position{Offset: offset, Line: line, Column: offset - start + 1}
}

func (f *file) span(t *token.Token) Span {
	if t == nil || t.Position == nil {
		start := f.at(1, 1)
		return Span{Start: start, End: start}
	}
	start := f.at(t.Position.Line, t.Position.Column)
	size := len(t.Value)
	if t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType {
		size += 2
	}
	end := start
	if rest, _, _ := strings.Cut(f.text[start.Offset:], "\n"); size > len(rest) {
		size = len(rest)
	}
	end.Offset, end.Column = end.Offset+size, end.Column+size
	return Span{Start: start, End: end}
}

// syntaxError is what keeps a text from being read at all.
type syntaxError struct {
	span    Span
	message string
}

func (e *syntaxError) Error() string { return e.message }

func (f *file) wrong(at Span, format string, a ...any) error {
	return &syntaxError{span: at, message: fmt.Sprintf(format, a...)}
}

// parse returns the only document's value, nil when there is none.
func (f *file) parse() (*node, error) {
	parsed, err := parser.ParseBytes([]byte(f.text), 0)
	if err != nil {
		return nil, f.syntax(err)
	}
	var body ast.Node
	for _, document := range parsed.Docs {
		switch {
		case document.Body == nil || document.Body.Type() == ast.CommentType:
		case body != nil:
			return nil, f.wrong(f.span(document.Body.GetToken()), "a second document begins; Kong reads one")
		default:
			body = document.Body
		}
	}
	if body == nil {
		return nil, nil
	}
	return (&tree{file: f, anchors: map[string]*node{}}).convert(body)
}

func (f *file) syntax(err error) error {
	at, message := f.span(nil), err.Error()
	var located yaml.Error
	if errors.As(err, &located) {
		at, message = f.span(located.GetToken()), located.GetMessage()
	}
	if strings.Contains(message, "\t") {
		message = strings.ReplaceAll(message, "\t", `\t`) + "; YAML indents with spaces, not with tabs"
	}
	return f.wrong(at, "it is no YAML: %s", strings.Join(strings.Fields(message), " "))
}

func (t *tree) convert(from ast.Node) (*node, error) {
	span := Span{}
	if from != nil {
		span = t.file.span(from.GetToken())
	}
	switch n := from.(type) {
	case *ast.AnchorNode:
		value, err := t.convert(n.Value)
		if err == nil && n.Name != nil {
			t.anchors[n.Name.String()] = value
		}
		return value, err
	case *ast.AliasNode:
		if n.Value != nil && t.anchors[n.Value.String()] != nil {
			return t.anchors[n.Value.String()], nil
		}
		return nil, t.file.wrong(span, "no anchor of that name stands before it")
	case *ast.TagNode:
		return t.convert(n.Value)
	case *ast.MappingNode:
		return t.mapping(n.Values, span)
	case *ast.MappingValueNode:
		return t.mapping([]*ast.MappingValueNode{n}, span)
	case *ast.SequenceNode:
		return t.list(n, span)
	case *ast.StringNode:
		return &node{span: span, kind: isText, text: n.Value}, nil
	case *ast.LiteralNode:
		return &node{span: span, kind: isText, text: n.Value.Value}, nil
	case *ast.IntegerNode:
		return &node{span: span, kind: isInteger, text: n.GetToken().Value}, nil
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return &node{span: span, kind: isNumber, text: from.GetToken().Value}, nil
	case *ast.BoolNode:
		return &node{span: span, kind: isBool, text: n.GetToken().Value}, nil
	}
	return &node{span: span, kind: isNull}, nil
}

func (t *tree) list(from *ast.SequenceNode, span Span) (*node, error) {
	out := &node{span: span, kind: isList}
	for _, value := range from.Values {
		item, err := t.convert(value)
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, item)
	}
	return out, nil
}

func (t *tree) mapping(from []*ast.MappingValueNode, span Span) (*node, error) {
	out := &node{span: span, kind: isMapping, pairs: map[string]pair{}}
	var merged []*node
	for i, entry := range from {
		key, err := t.key(entry)
		if err != nil {
			return nil, err
		}
		value, err := t.convert(entry.Value)
		switch {
		case err != nil:
			return nil, err
		case entry.Key.IsMergeKey():
			merged = append(merged, value)
			continue
		}
		if _, twice := out.pairs[key.text]; twice {
			return nil, t.file.wrong(key.span, "the key %q is there twice", key.text)
		}
		if i == 0 {
			out.span = key.span // the mapping's own token is the first colon
		}
		out.put(key.text, pair{key.span, value})
	}
	for _, m := range merged {
		out.merge(m)
	}
	return out, nil
}

func (t *tree) key(entry *ast.MappingValueNode) (*node, error) {
	if entry.Key == nil {
		return nil, t.file.wrong(t.file.span(entry.GetToken()), "a key is missing")
	}
	key, err := t.convert(entry.Key)
	if err == nil && !entry.Key.IsMergeKey() && (key.kind == isList || key.kind == isMapping) {
		err = t.file.wrong(key.span, "a key is a text, not %s", key.kind)
	}
	return key, err
}

func (n *node) put(key string, value pair) {
	n.keys, n.pairs[key] = append(n.keys, key), value
}

// merge adds what a merge key brings and is not said already.
func (n *node) merge(from *node) {
	for _, item := range from.items {
		n.merge(item)
	}
	for _, key := range from.keys {
		if _, known := n.pairs[key]; !known {
			n.put(key, from.pairs[key])
		}
	}
}
