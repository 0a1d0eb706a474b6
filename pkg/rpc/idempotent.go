package rpc

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// method is what is called, as far as it matters for a repetition.
type method struct {
	path       string                        // /package.Service/Method; "" is a question, which does nothing
	descriptor protoreflect.MethodDescriptor // nil unless the caller has it at hand
}

// mayBeDone reports whether the attempt that ended may have done what doing again
// is no repetition of: it was sent, and the method is not defined as idempotent.
func (c *callState) mayBeDone() bool {
	return c.method.path != "" && c.instance() != "" && !c.method.idempotent()
}

// idempotent reports whether the method's definition says that calling it twice is
// as good as once.
func (m method) idempotent() bool {
	descriptor := m.descriptor
	if descriptor == nil {
		name := strings.ReplaceAll(strings.Trim(m.path, "/"), "/", ".")
		linked, _ := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		if descriptor, _ = linked.(protoreflect.MethodDescriptor); descriptor == nil {
			return false
		}
	}
	options, _ := descriptor.Options().(*descriptorpb.MethodOptions)
	return options.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
}
