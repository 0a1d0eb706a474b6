package schema

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// protoSchema is a compiled Protobuf file. An event is its first message, as in a registry's clients.
type protoSchema struct {
	file  protoreflect.FileDescriptor
	types linker.Resolver
}

// protoName is what the file is called in messages of the compiler.
const protoName = "schema.proto"

func parseProto(d Definition) (*protoSchema, error) {
	compiler := protocompile.Compiler{
		MaxParallelism: 1,
		Resolver: protocompile.WithStandardImports(protocompile.ResolverFunc(func(name string) (protocompile.SearchResult, error) {
			text, found := d.protoSource(name)
			if !found {
				return protocompile.SearchResult{}, &MissingReferenceError{name}
			}
			return protocompile.SearchResult{Source: strings.NewReader(text)}, nil
		})),
	}
	files, err := compiler.Compile(context.Background(), protoName)
	if err != nil {
		return nil, err
	}
	file := files[0]
	if file.Messages().Len() == 0 {
		return nil, errors.New("the file has no message")
	}
	return &protoSchema{file: file, types: files.AsResolver()}, nil
}

func (d Definition) protoSource(name string) (string, bool) {
	if name == protoName {
		return d.Text, true
	}
	for _, i := range d.Imports {
		if sameName(i.Name, name) {
			return i.Text, true
		}
	}
	text, found := confluentFiles()[name]
	return text, found
}

// confluentFiles are those that schemas import without a reference, since Confluent's registry has them built in.
func confluentFiles() map[string]string {
	options := ""
	for _, of := range []string{"File", "Message", "Field", "Enum", "EnumValue"} {
		name := map[string]string{"EnumValue": "enum_value"}[of]
		if name == "" {
			name = strings.ToLower(of)
		}
		options += fmt.Sprintf("extend google.protobuf.%sOptions { Meta %s_meta = 1088; }\n", of, name)
	}
	return map[string]string{
		"confluent/meta.proto": `syntax = "proto3"; package confluent; import "google/protobuf/descriptor.proto";
			message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; repeated Rule rules = 4; }
			message Rule { string name = 1; string doc = 2; string expr = 3; string sql = 4; }
			` + options,
		"confluent/type/decimal.proto": `syntax = "proto3"; package confluent.type;
			message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }`,
	}
}

func (s *protoSchema) root() protoreflect.MessageDescriptor { return s.file.Messages().Get(0) }

func (s *protoSchema) hasField(name string) bool { return fieldNamed(s.root(), name) != nil }

func (s *protoSchema) match(path string, value any) []Problem {
	return protoMatcher{s.types}.message(path, s.root(), value)
}

func (s *protoSchema) encode(text []byte, _ any) ([]byte, error) {
	message := dynamicpb.NewMessage(s.root())
	if err := (protojson.UnmarshalOptions{Resolver: s.types}).Unmarshal(text, message); err != nil {
		return nil, err
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(message)
}

func (s *protoSchema) decode(indexes []int, data []byte) ([]byte, error) {
	found, err := messageAt(s.file, indexes)
	if err != nil {
		return nil, err
	}
	message := dynamicpb.NewMessage(found)
	if err := (proto.UnmarshalOptions{Resolver: s.types}).Unmarshal(data, message); err != nil {
		return nil, err
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true, Resolver: s.types}.Marshal(message)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer // the library spaces its output at random
	err = json.Compact(&b, text)
	return b.Bytes(), err
}

// messageAt follows indexes from the file into nested messages. None is the first.
func messageAt(file protoreflect.FileDescriptor, indexes []int) (protoreflect.MessageDescriptor, error) {
	if len(indexes) == 0 {
		return file.Messages().Get(0), nil
	}
	messages := file.Messages()
	var found protoreflect.MessageDescriptor
	for _, i := range indexes {
		if i < 0 || i >= messages.Len() {
			return nil, fmt.Errorf("the schema has no message at %v", indexes)
		}
		found = messages.Get(i)
		messages = found.Messages()
	}
	return found, nil
}

// fieldNamed finds a field by its name in the file, or the one that it has in JSON.
func fieldNamed(m protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if f := m.Fields().ByName(protoreflect.Name(name)); f != nil {
		return f
	}
	return m.Fields().ByJSONName(name)
}

// localName is a full name without the package of its file.
func localName(d protoreflect.Descriptor) string {
	return strings.TrimPrefix(string(d.FullName()), string(d.ParentFile().Package())+".")
}

// outline has a line for each message, field and value of an enumeration.
func (s *protoSchema) outline() map[string]string {
	out := map[string]string{"package": string(s.file.Package())}
	outlineMessages(out, s.file.Messages())
	outlineEnums(out, s.file.Enums())
	return out
}

func outlineMessages(out map[string]string, messages protoreflect.MessageDescriptors) {
	for i := range messages.Len() {
		m := messages.Get(i)
		if m.IsMapEntry() {
			continue
		}
		out[localName(m)] = "message"
		for k := range m.Fields().Len() {
			f := m.Fields().Get(k)
			out[localName(f)] = describeProtoField(f)
		}
		outlineMessages(out, m.Messages())
		outlineEnums(out, m.Enums())
	}
}

func outlineEnums(out map[string]string, enums protoreflect.EnumDescriptors) {
	for i := range enums.Len() {
		e := enums.Get(i)
		out[localName(e)] = "enum"
		for k := range e.Values().Len() {
			v := e.Values().Get(k)
			out[localName(e)+"."+string(v.Name())] = fmt.Sprintf("= %d", v.Number())
		}
	}
}

func describeProtoField(f protoreflect.FieldDescriptor) string {
	text := fmt.Sprintf("%s = %d", typeOfField(f), f.Number())
	switch {
	case f.IsMap():
	case f.IsList():
		text = "repeated " + text
	case f.Cardinality() == protoreflect.Required:
		text = "required " + text
	case f.HasOptionalKeyword():
		text = "optional " + text
	}
	if oneof := realOneof(f); oneof != nil {
		text += " in oneof " + string(oneof.Name())
	}
	return text
}

func typeOfField(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return "map<" + typeOfField(f.MapKey()) + ", " + typeOfField(f.MapValue()) + ">"
	case f.Message() != nil:
		return localName(f.Message())
	case f.Enum() != nil:
		return localName(f.Enum())
	}
	return f.Kind().String()
}

// realOneof is the oneof that a field was written in.
func realOneof(f protoreflect.FieldDescriptor) protoreflect.OneofDescriptor {
	if oneof := f.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() {
		return oneof
	}
	return nil
}
