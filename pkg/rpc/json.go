package rpc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// FieldError says that JSON does not fit the message of a method.
type FieldError struct {
	// Message is the full name of the message type.
	Message string
	// Path leads to the value, such as vitals.heart_rate or items[2].name. It is
	// empty when the text as a whole is at fault.
	Path string
	// Reason is what is wrong there.
	Reason string
	// Similar is the field that may have been meant, or "".
	Similar string
	// Text says that it was protobuf's text form in place of JSON.
	Text bool
}

func (e *FieldError) Error() string {
	form := "JSON"
	if e.Text {
		form = "text"
	}
	text := fmt.Sprintf("the %s does not fit %s", form, e.Message)
	if e.Path != "" {
		text += " at " + e.Path
	}
	text += ": " + e.Reason
	if e.Similar != "" {
		text += fmt.Sprintf("; did you mean %q?", e.Similar)
	}
	return text
}

// codec converts between text and messages whose types the server described.
type codec struct {
	types        typeResolver
	emitDefaults bool
	allowUnknown bool
	text         bool // protobuf's text form in place of JSON
}

// typeResolver finds the types inside of Any: those that are linked in, such as
// google.rpc's error details, else those of the first descriptors that know them.
type typeResolver []*Descriptors

func (r typeResolver) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	if known, err := protoregistry.GlobalTypes.FindMessageByName(name); err == nil {
		return known, nil
	}
	for _, descriptors := range r {
		if md, err := descriptors.message(name); err == nil {
			return dynamicpb.NewMessageType(md), nil
		}
	}
	return nil, protoregistry.NotFound
}

func (r typeResolver) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	return r.FindMessageByName(protoreflect.FullName(url[strings.LastIndexByte(url, '/')+1:]))
}

func (typeResolver) FindExtensionByName(protoreflect.FullName) (protoreflect.ExtensionType, error) {
	return nil, protoregistry.NotFound
}

func (typeResolver) FindExtensionByNumber(protoreflect.FullName, protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	return nil, protoregistry.NotFound
}

// encode returns a message as JSON in one line: in text form as a string.
func (c codec) encode(m protoreflect.ProtoMessage) (json.RawMessage, error) {
	if c.text {
		return json.Marshal(c.format(m))
	}
	options := protojson.MarshalOptions{Resolver: c.types, EmitDefaultValues: c.emitDefaults, AllowPartial: true}
	text, err := options.Marshal(m)
	if err != nil {
		copied, resolver := opaque(m, c.types)
		options.Resolver = resolver
		text, err = options.Marshal(copied)
	}
	if err != nil {
		return nil, fmt.Errorf("show a %s as JSON: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	var line bytes.Buffer // protojson varies its blanks from build to build
	err = json.Compact(&line, text)
	return line.Bytes(), err
}

// decode makes a message from JSON, or returns a [*FieldError].
func (c codec) decode(md protoreflect.MessageDescriptor, text json.RawMessage) (*dynamicpb.Message, error) {
	m := dynamicpb.NewMessage(md)
	if c.text {
		return m, c.parse(md, text, m)
	}
	if err := c.unmarshal(text, m); err != nil {
		return nil, c.locate(md, text, "", err)
	}
	return m, nil
}

func (c codec) unmarshal(text []byte, m protoreflect.ProtoMessage) error {
	return protojson.UnmarshalOptions{Resolver: c.types, AllowPartial: true, DiscardUnknown: c.allowUnknown}.Unmarshal(text, m)
}

// locate finds the innermost value that protojson refuses: it offers it the
// fields one by one, then the parts of the field that is refused.
func (c codec) locate(md protoreflect.MessageDescriptor, text json.RawMessage, path string, err error) *FieldError {
	found := &FieldError{Message: string(md.FullName()), Path: path, Reason: reason(err)}
	var object map[string]json.RawMessage
	if isWellKnown(md) || json.Unmarshal(text, &object) != nil {
		return found
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		err := c.tryField(md, name, object[name])
		if err == nil {
			continue
		}
		field := findField(md, name)
		if field == nil {
			return unknownField(md, name, join(path, name))
		}
		return c.locateIn(field, name, object[name], join(path, name), err)
	}
	return found
}

func (c codec) tryField(md protoreflect.MessageDescriptor, name string, value json.RawMessage) error {
	alone, err := json.Marshal(map[string]json.RawMessage{name: value})
	if err != nil {
		return err
	}
	return c.unmarshal(alone, dynamicpb.NewMessage(md))
}

// locateIn looks into the elements of a list, the values of a map or the fields
// of a message.
func (c codec) locateIn(field protoreflect.FieldDescriptor, name string, value json.RawMessage, path string, err error) *FieldError {
	md := field.ContainingMessage()
	found := &FieldError{Message: string(md.FullName()), Path: path, Reason: reason(err)}
	switch {
	case field.IsMap():
		var entries map[string]json.RawMessage
		if json.Unmarshal(value, &entries) != nil {
			return found
		}
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			one, _ := json.Marshal(map[string]json.RawMessage{key: entries[key]})
			if err := c.tryField(md, name, one); err != nil {
				return c.inside(field.MapValue(), entries[key], fmt.Sprintf("%s[%q]", path, key), err, found)
			}
		}
	case field.IsList():
		var elements []json.RawMessage
		if json.Unmarshal(value, &elements) != nil {
			return found
		}
		for i, element := range elements {
			one, _ := json.Marshal([]json.RawMessage{element})
			if err := c.tryField(md, name, one); err != nil {
				return c.inside(field, element, fmt.Sprintf("%s[%d]", path, i), err, found)
			}
		}
	default:
		return c.inside(field, value, path, err, found)
	}
	return found
}

// inside goes on in a message; a scalar is the end of the way.
func (c codec) inside(of protoreflect.FieldDescriptor, value json.RawMessage, path string, err error, found *FieldError) *FieldError {
	if md := of.Message(); md != nil {
		return c.locate(md, value, path, err)
	}
	found.Path, found.Reason = path, reason(err)+choice(of.Enum())
	return found
}

// choice names the values of an enum, of a long one the first.
func choice(enum protoreflect.EnumDescriptor) string {
	if enum == nil {
		return ""
	}
	const most = 12
	var names []string
	for i := range min(enum.Values().Len(), most) {
		names = append(names, string(enum.Values().Get(i).Name()))
	}
	if enum.Values().Len() > most {
		names = append(names, "…")
	}
	return "; it is one of " + strings.Join(names, ", ")
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func findField(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if field := md.Fields().ByJSONName(name); field != nil {
		return field
	}
	return md.Fields().ByTextName(name)
}

func unknownField(md protoreflect.MessageDescriptor, name, path string) *FieldError {
	var names []string
	for i := range md.Fields().Len() {
		names = append(names, string(md.Fields().Get(i).Name()))
	}
	e := &FieldError{Message: string(md.FullName()), Path: path, Reason: "there is no such field"}
	if similar := notFound("field", name, names).Similar; len(similar) > 0 {
		e.Similar = similar[0]
	}
	return e
}

// isWellKnown reports whether a message has a JSON form of its own.
func isWellKnown(md protoreflect.MessageDescriptor) bool {
	switch md.FullName() {
	case "google.protobuf.Any", "google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask",
		"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue",
		"google.protobuf.BoolValue", "google.protobuf.StringValue", "google.protobuf.BytesValue",
		"google.protobuf.Int32Value", "google.protobuf.Int64Value", "google.protobuf.UInt32Value",
		"google.protobuf.UInt64Value", "google.protobuf.FloatValue", "google.protobuf.DoubleValue":
		return true
	default:
		return false
	}
}

// reason is protojson's error without the position, which is one in the part
// that it was offered.
func reason(err error) string {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ") // protojson varies its blanks here too
	text = strings.TrimPrefix(strings.TrimPrefix(text, "proto: "), "syntax error ")
	if strings.HasPrefix(text, "(line ") {
		_, text, _ = strings.Cut(text, "): ")
	}
	return text
}
