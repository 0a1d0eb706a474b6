package rpc

import (
	"regexp"
	"strings"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// textSeparator stands between messages in protobuf's text form, which has no
// end of its own: the record separator, as grpcurl takes it.
const textSeparator = '\x1e'

// blanks are those after a field's name, which prototext varies from build to
// build.
var blanks = regexp.MustCompile(`(?m)^(\s*[\w.\[\]/]+:?)  +`)

// format returns a message in text form.
func (c codec) format(m protoreflect.ProtoMessage) string {
	text := prototext.MarshalOptions{Multiline: true, AllowPartial: true, EmitUnknown: true, Resolver: c.types}.Format(m)
	return strings.TrimSuffix(blanks.ReplaceAllString(text, "$1 "), "\n")
}

// parse reads text form, or returns a [*FieldError].
func (c codec) parse(md protoreflect.MessageDescriptor, text []byte, m protoreflect.ProtoMessage) error {
	err := prototext.UnmarshalOptions{Resolver: c.types, AllowPartial: true, DiscardUnknown: c.allowUnknown}.Unmarshal(text, m)
	if err == nil {
		return nil
	}
	why := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return &FieldError{Message: string(md.FullName()), Reason: strings.TrimPrefix(why, "proto: "), Text: true}
}
