package rpc

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// opaqueAny makes messages fit for protojson although they hold an Any whose type
// nobody knows, or whose bytes are not of that type. Such an Any is shown as
// {"@type": …, "value": the bytes in base64}. That is the form of an Any with a
// BytesValue in it, which is therefore put into it under its own type's name.
type opaqueAny struct {
	typeResolver

	urls map[string]bool // of the types that are shown so
}

// opaque returns a copy of m for a resolver that goes with it.
func opaque(m protoreflect.ProtoMessage, types typeResolver) (protoreflect.ProtoMessage, opaqueAny) {
	o := opaqueAny{types, map[string]bool{}}
	o.each(m.ProtoReflect(), o.note)
	m = proto.Clone(m)
	o.each(m.ProtoReflect(), o.wrap)
	return m, o
}

// FindMessageByURL returns BytesValue for what cannot be shown otherwise.
func (o opaqueAny) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	if o.urls[url] {
		return (*wrapperspb.BytesValue)(nil).ProtoReflect().Type(), nil
	}
	return o.typeResolver.FindMessageByURL(url)
}

// each calls f for every Any in m.
func (o opaqueAny) each(m protoreflect.Message, f func(m protoreflect.Message, url string, held []byte)) {
	if m.Descriptor().FullName() == "google.protobuf.Any" {
		fields := m.Descriptor().Fields()
		f(m, m.Get(fields.ByName("type_url")).String(), m.Get(fields.ByName("value")).Bytes())
		return
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			if field.MapValue().Message() == nil {
				break
			}
			value.Map().Range(func(_ protoreflect.MapKey, value protoreflect.Value) bool {
				o.each(value.Message(), f)
				return true
			})
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				o.each(value.List().Get(i).Message(), f)
			}
		default:
			o.each(value.Message(), f)
		}
		return true
	})
}

// inside returns the message in an Any, nil when it cannot be read.
func (o opaqueAny) inside(url string, held []byte) protoreflect.Message {
	found, err := o.typeResolver.FindMessageByURL(url)
	if err != nil {
		return nil
	}
	m := found.New()
	if (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(held, m.Interface()) != nil {
		return nil
	}
	return m
}

func (o opaqueAny) note(_ protoreflect.Message, url string, held []byte) {
	if m := o.inside(url, held); m != nil {
		o.each(m, o.note)
		return
	}
	o.urls[url] = url != ""
}

func (o opaqueAny) wrap(m protoreflect.Message, url string, held []byte) {
	var content protoreflect.ProtoMessage = wrapperspb.Bytes(held)
	if !o.urls[url] {
		inner := o.inside(url, held)
		if inner == nil {
			return
		}
		o.each(inner, o.wrap)
		content = inner.Interface()
	}
	if b, err := (proto.MarshalOptions{AllowPartial: true}).Marshal(content); err == nil {
		m.Set(m.Descriptor().Fields().ByName("value"), protoreflect.ValueOfBytes(b))
	}
}
