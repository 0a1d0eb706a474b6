package schema

import (
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"github.com/twmb/avro"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// FieldTypes tells which types of JSON the fields of the root take, or those of a field of the root when within names
// one: null, boolean, integer, number, string, array and object. A field that may be anything has none. It is nil when
// there is nothing of that name.
func (p *Parsed) FieldTypes(within string) map[string][]string { return p.fieldTypes(within) }

func (s *avroSchema) fieldTypes(within string) map[string][]string {
	n := s.resolve(s.root)
	if within != "" {
		at := slices.IndexFunc(n.Fields, func(f avro.SchemaField) bool { return f.Name == within })
		if at < 0 {
			return nil
		}
		n = s.resolve(&n.Fields[at].Type)
	}
	out := map[string][]string{}
	for i := range n.Fields {
		out[n.Fields[i].Name] = s.jsonTypes(&n.Fields[i].Type)
	}
	return out
}

func (s *avroSchema) jsonTypes(n *avro.SchemaNode) []string {
	n = s.resolve(n)
	switch n.Type {
	case "union":
		var out []string
		for i := range n.Branches {
			out = append(out, s.jsonTypes(&n.Branches[i])...)
		}
		return out
	case "int", "long":
		return []string{"integer"}
	case "float", "double":
		return []string{"number"}
	case "bytes", "fixed", "enum":
		return []string{"string"}
	case "record", "error", "map":
		return []string{"object"}
	}
	return []string{n.Type}
}

func (s *jsonSchema) fieldTypes(within string) map[string][]string {
	n := referred(s.root)
	if within != "" {
		if n = referred(n.Properties[within]); n == nil {
			return nil
		}
	}
	out := map[string][]string{}
	for name, property := range n.Properties {
		out[name] = referred(property).Types
	}
	return out
}

// referred follows references.
func referred(s *jsonschema.Schema) *jsonschema.Schema {
	for range 8 {
		if s == nil || s.Ref == nil {
			break
		}
		s = s.Ref
	}
	return s
}

func (s *protoSchema) fieldTypes(within string) map[string][]string {
	m := s.root()
	if within != "" {
		f := fieldNamed(m, within)
		if f == nil {
			return nil
		}
		if m = f.Message(); m == nil {
			return map[string][]string{}
		}
	}
	out := map[string][]string{}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		out[string(f.Name())] = []string{jsonTypeOf(f)}
	}
	return out
}

func jsonTypeOf(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return "object"
	case f.IsList():
		return "array"
	}
	switch f.Kind() {
	case protoreflect.BoolKind:
		return "boolean"
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return "number"
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.EnumKind:
		return "string"
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return "object"
	}
	return "integer"
}
