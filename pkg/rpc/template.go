package rpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Template is a request to fill in.
type Template struct {
	// Message is the full name of the message.
	Message string `json:"message"`
	// JSON has all fields of the message, with values that it may have as they
	// are. Of a oneof it has the first field; a message inside of itself is empty.
	JSON json.RawMessage `json:"template"`
	// Fields explain those of JSON, in its order.
	Fields []TemplateField `json:"fields"`
}

// TemplateField explains a field of a template.
type TemplateField struct {
	// Path leads to it, such as vitals.heartRate or items[].name.
	Path string `json:"path"`
	// Type is that of proto source, such as repeated int32 or map<string, Money>.
	Type string `json:"type"`
	// Values are those of an enum.
	Values []string `json:"values,omitempty"`
	// OneOf are the fields of which only one can be set.
	OneOf []string `json:"one_of,omitempty"`
	// Comment is the one in the source, when it is known.
	Comment string `json:"comment,omitempty"`
}

// maxTemplate bounds the fields of a template. Messages beyond are empty.
const maxTemplate = 500

// Template returns a request of a method, or a message, to fill in. Names may be
// short as for [Descriptors.Method] and [Descriptors.Describe].
func (d *Descriptors) Template(symbol string) (Template, error) {
	return question(d, "describe "+symbol, func() (Template, error) {
		md, err := d.templateOf(symbol)
		if err != nil {
			return Template{}, err
		}
		if err := d.library.check(symbol, md); err != nil {
			return Template{}, err
		}
		b := &templateBuilder{within: map[protoreflect.FullName]bool{}}
		text := b.message(md, "")
		return Template{Message: string(md.FullName()), JSON: json.RawMessage(text), Fields: b.fields}, nil
	})
}

func (d *Descriptors) templateOf(symbol string) (protoreflect.MessageDescriptor, error) {
	found, err := d.symbol(symbol)
	if err != nil {
		var unknown *NotFoundError
		m, err2 := d.findMethod(strings.TrimPrefix(symbol, "/"))
		if errors.As(err, &unknown) && err2 == nil {
			return m.Input(), nil
		}
		return nil, err
	}
	switch found := found.(type) {
	case protoreflect.MethodDescriptor:
		return found.Input(), nil
	case protoreflect.MessageDescriptor:
		return found, nil
	default:
		return nil, fmt.Errorf("%s is no method and no message, so there is nothing to fill in", found.FullName())
	}
}

type templateBuilder struct {
	within map[protoreflect.FullName]bool // messages that are being written
	fields []TemplateField
}

// message returns the JSON of a message.
func (b *templateBuilder) message(md protoreflect.MessageDescriptor, path string) string {
	if text, known := wellKnownTemplate(md.FullName()); known {
		return text
	}
	if b.within[md.FullName()] || len(b.fields) >= maxTemplate {
		return "{}"
	}
	b.within[md.FullName()] = true
	defer delete(b.within, md.FullName())
	var parts []string
	for i := range md.Fields().Len() {
		field := md.Fields().Get(i)
		if oneof := field.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() && oneof.Fields().Get(0) != field {
			continue
		}
		name, _ := json.Marshal(field.JSONName())
		parts = append(parts, string(name)+":"+b.field(field, join(path, field.JSONName())))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func (b *templateBuilder) field(field protoreflect.FieldDescriptor, path string) string {
	b.explain(field, path)
	switch {
	case field.IsMap():
		key := `"key"`
		switch field.MapKey().Kind() {
		case protoreflect.StringKind:
		case protoreflect.BoolKind:
			key = `"true"`
		default:
			key = `"0"`
		}
		return "{" + key + ":" + b.value(field.MapValue(), path+"[]") + "}"
	case field.IsList():
		if field.Message() != nil && b.within[field.Message().FullName()] {
			return "[]"
		}
		return "[" + b.value(field, path+"[]") + "]"
	default:
		return b.value(field, path)
	}
}

func (b *templateBuilder) value(field protoreflect.FieldDescriptor, path string) string {
	switch field.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return b.message(field.Message(), path)
	case protoreflect.EnumKind:
		return enumTemplate(field.Enum())
	case protoreflect.BoolKind:
		return "false"
	case protoreflect.StringKind, protoreflect.BytesKind:
		return `""`
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return `"0"`
	default:
		return "0"
	}
}

// enumTemplate is the first value that says something.
func enumTemplate(enum protoreflect.EnumDescriptor) string {
	if enum.FullName() == "google.protobuf.NullValue" {
		return "null"
	}
	values := enum.Values()
	name, _ := json.Marshal(string(values.Get(min(1, values.Len()-1)).Name()))
	return string(name)
}

// wellKnownTemplate is a message whose JSON has a form of its own.
func wellKnownTemplate(name protoreflect.FullName) (string, bool) {
	switch name {
	case "google.protobuf.Any":
		return `{"@type":"type.googleapis.com/google.protobuf.StringValue","value":""}`, true
	case "google.protobuf.Timestamp":
		return `"2026-01-31T12:00:00Z"`, true
	case "google.protobuf.Duration":
		return `"1.5s"`, true
	case "google.protobuf.FieldMask":
		return `""`, true
	case "google.protobuf.Struct":
		return `{}`, true
	case "google.protobuf.ListValue":
		return `[]`, true
	case "google.protobuf.Value":
		return `null`, true
	case "google.protobuf.BoolValue":
		return `false`, true
	case "google.protobuf.StringValue", "google.protobuf.BytesValue":
		return `""`, true
	case "google.protobuf.Int64Value", "google.protobuf.UInt64Value":
		return `"0"`, true
	case "google.protobuf.Int32Value", "google.protobuf.UInt32Value", "google.protobuf.FloatValue", "google.protobuf.DoubleValue":
		return `0`, true
	default:
		return "", false
	}
}

func (b *templateBuilder) explain(field protoreflect.FieldDescriptor, path string) {
	f := TemplateField{Path: path, Type: typeName(field), Comment: comment(field)}
	element := field
	if field.IsMap() {
		element = field.MapValue()
	}
	if enum := element.Enum(); enum != nil {
		for i := range enum.Values().Len() {
			f.Values = append(f.Values, string(enum.Values().Get(i).Name()))
		}
	}
	if oneof := field.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() {
		for i := range oneof.Fields().Len() {
			f.OneOf = append(f.OneOf, oneof.Fields().Get(i).JSONName())
		}
	}
	b.fields = append(b.fields, f)
}

func typeName(field protoreflect.FieldDescriptor) string {
	switch {
	case field.IsMap():
		return "map<" + typeName(field.MapKey()) + ", " + typeName(field.MapValue()) + ">"
	case field.IsList():
		return "repeated " + elementName(field)
	default:
		return elementName(field)
	}
}

func elementName(field protoreflect.FieldDescriptor) string {
	switch {
	case field.Message() != nil:
		return string(field.Message().FullName())
	case field.Enum() != nil:
		return string(field.Enum().FullName())
	default:
		return field.Kind().String()
	}
}

// comment returns the one above a field, else the one beside it.
func comment(field protoreflect.FieldDescriptor) string {
	where := field.ParentFile().SourceLocations().ByDescriptor(field)
	text := where.LeadingComments
	if text == "" {
		text = where.TrailingComments
	}
	return strings.Join(strings.Fields(text), " ")
}
