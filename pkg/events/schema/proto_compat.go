package schema

import (
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// unreadable lists where a message that was written is misread: by the wire format, and, as registries do, where
// a message, a package or a member of a oneof is gone. Fields may come and go; enumerations are numbers.
func (s *protoSchema) unreadable(writer language) []Violation {
	w := writer.(*protoSchema)
	c := protoComparison{seen: map[[2]protoreflect.MessageDescriptor]bool{}}
	if w.file.Package() != s.file.Package() {
		c.report("package", "package %q was written, and %q is read", w.file.Package(), s.file.Package())
	}
	c.messages(w.file.Messages(), s.file.Messages())
	return c.found
}

type protoComparison struct {
	seen  map[[2]protoreflect.MessageDescriptor]bool // pairs that were compared, or are
	found []Violation
}

func (c *protoComparison) report(path, format string, args ...any) {
	c.found = append(c.found, Violation{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (c *protoComparison) messages(w, r protoreflect.MessageDescriptors) {
	for i := range w.Len() {
		written := w.Get(i)
		if written.IsMapEntry() {
			continue
		}
		read := r.ByName(written.Name())
		if read == nil || read.IsMapEntry() {
			c.report(localName(written), "the message is gone")
			continue
		}
		c.message(written, read)
		c.messages(written.Messages(), read.Messages())
	}
}

func (c *protoComparison) message(w, r protoreflect.MessageDescriptor) {
	pair := [2]protoreflect.MessageDescriptor{w, r}
	if c.seen[pair] {
		return
	}
	c.seen[pair] = true
	c.oneofs(w, r)
	for _, number := range numbersOf(w, r) {
		written, read := w.Fields().ByNumber(number), r.Fields().ByNumber(number)
		switch {
		case read == nil:
			c.removed(written, r)
		case written == nil:
			if read.Cardinality() == protoreflect.Required {
				c.report(localName(read), "the field is new and required")
			}
		default:
			c.field(localName(read), written, read)
		}
	}
}

func numbersOf(messages ...protoreflect.MessageDescriptor) []protoreflect.FieldNumber {
	var out []protoreflect.FieldNumber
	for _, m := range messages {
		for i := range m.Fields().Len() {
			out = append(out, m.Fields().Get(i).Number())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// removed: a field is gone. That is harmless, unless it was required, or others of its oneof are still there: then it
// cannot be told any more which one was set.
func (c *protoComparison) removed(written protoreflect.FieldDescriptor, r protoreflect.MessageDescriptor) {
	oneof := realOneof(written)
	switch {
	case written.Cardinality() == protoreflect.Required:
		c.report(localName(written), "the field was required, and is gone")
	case oneof != nil && (hasOneof(r, oneof.Name()) || anyLeft(oneof, r)):
		c.report(localName(written), "the field is gone from oneof %s, of which others are left", oneof.Name())
	}
}

func hasOneof(m protoreflect.MessageDescriptor, name protoreflect.Name) bool {
	oneof := m.Oneofs().ByName(name)
	return oneof != nil && !oneof.IsSynthetic()
}

func anyLeft(oneof protoreflect.OneofDescriptor, m protoreflect.MessageDescriptor) bool {
	for i := range oneof.Fields().Len() {
		if m.Fields().ByNumber(oneof.Fields().Get(i).Number()) != nil {
			return true
		}
	}
	return false
}

// oneofs: fields that could be set together must not exclude one another now.
func (c *protoComparison) oneofs(w, r protoreflect.MessageDescriptor) {
	for i := range r.Oneofs().Len() {
		oneof := r.Oneofs().Get(i)
		groups := map[string]bool{} // of fields that excluded one another before
		for k := range oneof.Fields().Len() {
			written := w.Fields().ByNumber(oneof.Fields().Get(k).Number())
			if written == nil {
				continue
			}
			if before := realOneof(written); before != nil {
				groups["oneof "+string(before.Name())] = true
			} else {
				groups[strconv.Itoa(int(written.Number()))] = true
			}
		}
		if len(groups) > 1 {
			c.report(localName(oneof), "fields that could be set together exclude one another in this oneof")
		}
	}
}

func (c *protoComparison) field(path string, w, r protoreflect.FieldDescriptor) {
	if w.Cardinality() != protoreflect.Required && r.Cardinality() == protoreflect.Required {
		c.report(path, "the field is required, and could be missing")
		return
	}
	written, read := wireOf(w), wireOf(r)
	switch {
	case written != read:
		c.report(path, "%s was written, and %s is read", typeOfField(w), typeOfField(r))
	case w.IsMap():
		c.field(path+"{key}", w.MapKey(), r.MapKey())
		c.field(path+"{}", w.MapValue(), r.MapValue())
	case w.Message() != nil:
		c.messageTypes(path, w.Message(), r.Message())
	case written != wireText && labelChanged(w, r):
		c.report(path, "%s was written, and %s is read", describeProtoField(w), describeProtoField(r))
	}
}

// labelChanged: a number that becomes a list, or a list that becomes a number, is written in another way. Registries
// refuse it too that a required one becomes optional.
func labelChanged(w, r protoreflect.FieldDescriptor) bool {
	return w.IsList() != r.IsList() || w.Cardinality() == protoreflect.Required && r.Cardinality() != protoreflect.Required
}

func (c *protoComparison) messageTypes(path string, w, r protoreflect.MessageDescriptor) {
	if localName(w) != localName(r) {
		c.report(path, "message %s was written, and %s is read", localName(w), localName(r))
		return
	}
	c.message(w, r)
}

// wire is a group of types that are written alike.
type wire string

const wireText wire = "text or bytes"

func wireOf(f protoreflect.FieldDescriptor) wire {
	if f.IsMap() {
		return "map"
	}
	switch f.Kind() {
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.BoolKind, protoreflect.EnumKind:
		return "number"
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return "signed number"
	case protoreflect.StringKind, protoreflect.BytesKind:
		return wireText
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return "4 bytes"
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return "8 bytes"
	}
	return wire(f.Kind().String()) // float, double, message, group
}
