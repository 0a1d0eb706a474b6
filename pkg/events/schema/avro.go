package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/avro"
)

// avroSchema is an Avro schema as a tree in which a named type is defined once and then referred to by its name.
type avroSchema struct {
	schema *avro.Schema
	root   *avro.SchemaNode
	named  map[string]*avro.SchemaNode // by full name
	codec  func() (*avro.Schema, error)
}

func parseAvro(d Definition) (*avroSchema, error) {
	s := &avroSchema{named: map[string]*avro.SchemaNode{}}
	cache := &avro.SchemaCache{}
	for _, i := range d.Imports {
		parsed, err := cache.Parse(i.Text)
		if err != nil {
			return nil, fmt.Errorf("reference %s: %w", i.Name, err)
		}
		s.collect(parsed.Root())
	}
	var err error
	if s.schema, err = cache.Parse(d.Text); err != nil {
		return nil, avroError(err)
	}
	s.root = s.schema.Root()
	s.collect(s.root)
	s.codec = sync.OnceValues(d.avroCodec)
	return s, nil
}

// avroError finds the name that the library does not know in its text: it has no type for that.
func avroError(err error) error {
	_, name, _ := strings.Cut(err.Error(), "unknown type ")
	quoted, _ := strconv.QuotedPrefix(name)
	if name, _ = strconv.Unquote(quoted); name == "" {
		return err
	}
	return &MissingReferenceError{name}
}

// avroCodec parses the schema without its logical types: a value in JSON is the plain one that they are laid upon, as a
// number of milliseconds is for a time.
func (d Definition) avroCodec() (*avro.Schema, error) {
	cache := &avro.SchemaCache{}
	for _, i := range d.Imports {
		if _, err := cache.Parse(withoutLogicalTypes(i.Text)); err != nil {
			return nil, err
		}
	}
	return cache.Parse(withoutLogicalTypes(d.Text))
}

func withoutLogicalTypes(text string) string {
	value, err := decode([]byte(text))
	if err != nil {
		return text // a primitive without quotes
	}
	dropLogicalTypes(value)
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(value) != nil {
		return text
	}
	return b.String()
}

func dropLogicalTypes(value any) {
	switch value := value.(type) {
	case map[string]any:
		delete(value, "logicalType")
		for name, member := range value {
			if name != "default" {
				dropLogicalTypes(member)
			}
		}
	case []any:
		for _, item := range value {
			dropLogicalTypes(item)
		}
	}
}

func (s *avroSchema) collect(n *avro.SchemaNode) {
	if n == nil {
		return
	}
	if n.Name != "" {
		s.named[fullName(n)] = n
	}
	for i := range n.Fields {
		s.collect(&n.Fields[i].Type)
	}
	for i := range n.Branches {
		s.collect(&n.Branches[i])
	}
	s.collect(n.Items)
	s.collect(n.Values)
}

func fullName(n *avro.SchemaNode) string {
	if n.Namespace == "" || strings.Contains(n.Name, ".") {
		return n.Name
	}
	return n.Namespace + "." + n.Name
}

// resolve follows a reference to a named type. A node with an error's type is a record.
func (s *avroSchema) resolve(n *avro.SchemaNode) *avro.SchemaNode {
	if named, ok := s.named[n.Type]; ok && n.Name == "" {
		return named
	}
	return n
}

func (s *avroSchema) hasField(name string) bool {
	return slices.ContainsFunc(s.resolve(s.root).Fields, func(f avro.SchemaField) bool { return f.Name == name })
}

func (s *avroSchema) match(path string, value any) []Problem { return s.fits(path, s.root, value) }

func (s *avroSchema) fits(path string, n *avro.SchemaNode, value any) []Problem {
	return (&avroMatch{avroSchema: s}).value(path, n, value)
}

// outline has a line for each field, type of items and the like.
func (s *avroSchema) outline() map[string]string {
	out := map[string]string{}
	s.outlineNode(out, "", s.root, "", map[string]bool{})
	return out
}

func (s *avroSchema) outlineNode(out map[string]string, path string, n *avro.SchemaNode, note string, within map[string]bool) {
	out[orRoot(path)] = s.describeType(n) + note
	n = s.resolve(n)
	if n.Name != "" {
		if within[fullName(n)] {
			return
		}
		within[fullName(n)] = true
		defer delete(within, fullName(n))
	}
	for i := range n.Fields {
		f := &n.Fields[i]
		s.outlineNode(out, join(path, f.Name), &f.Type, describeField(f), within)
	}
	for i := range n.Branches {
		if branch := s.resolve(&n.Branches[i]); branch.Name != "" || branch.Items != nil || branch.Values != nil {
			s.outlineNode(out, path+"<"+branchName(branch)+">", branch, "", within)
		}
	}
	if n.Items != nil {
		s.outlineNode(out, path+"[]", n.Items, "", within)
	}
	if n.Values != nil {
		s.outlineNode(out, path+"{}", n.Values, "", within)
	}
}

func describeField(f *avro.SchemaField) string {
	var out string
	if f.HasDefault {
		text, err := json.Marshal(f.Default)
		if err != nil {
			text = []byte(fmt.Sprint(f.Default))
		}
		out = " = " + string(text)
	}
	if len(f.Aliases) > 0 {
		out += ", alias " + strings.Join(f.Aliases, ", ")
	}
	return out
}

// describeType names a type in a few words.
func (s *avroSchema) describeType(n *avro.SchemaNode) string {
	n = s.resolve(n)
	switch n.Type {
	case "union":
		names := make([]string, len(n.Branches))
		for i := range n.Branches {
			names[i] = s.describeType(&n.Branches[i])
		}
		return strings.Join(names, " | ")
	case "enum":
		text := "enum " + fullName(n) + " (" + strings.Join(n.Symbols, ", ") + ")"
		if n.HasEnumDefault {
			text += " = " + n.EnumDefault
		}
		return text
	case "fixed":
		return fmt.Sprintf("fixed %s (%d bytes)%s", fullName(n), n.Size, describeLogical(n))
	case "record", "error":
		return "record " + fullName(n)
	}
	return n.Type + describeLogical(n)
}

func describeLogical(n *avro.SchemaNode) string {
	switch n.LogicalType {
	case "":
		return ""
	case "decimal":
		return fmt.Sprintf(" as decimal(%d,%d)", n.Precision, n.Scale)
	}
	return " as " + n.LogicalType
}
