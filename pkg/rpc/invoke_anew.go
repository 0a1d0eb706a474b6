package rpc

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

// gone looks whether the server has no such method any more when it says that it
// does not implement what the cache told of.
func (i *invocation) gone(err error) error {
	if status.Code(err) != codes.Unimplemented || i.output.origin != FromCache {
		return nil
	}
	if _, err := i.find.anew(); err != nil {
		if unknown, ok := errors.AsType[*NotFoundError](err); ok {
			i.find.kept.drop()
			return unknown
		}
	}
	return nil
}

// use goes on by the definition by which the request was read.
func (i *invocation) use(method definition) {
	if method.MethodDescriptor == i.output.MethodDescriptor {
		return
	}
	if i.output = method; i.state.only != "" {
		i.call.Descriptors.Note = fmt.Sprintf("the request fits what %s says of the method, and not what %s says; it goes to the former", i.state.only, i.find.server.instance)
	} else if i.call.Descriptors.Origin == FromCache {
		i.call.Descriptors.Note = "the request did not fit the cached definition; the server has a newer one"
	}
	i.call.Descriptors.Origin = method.origin
}

// understood returns a message of the response by a definition that knows all of
// its fields, if there is one: the server's own in place of the cached one, or
// that of the instance that answered.
func (i *invocation) understood(m *dynamicpb.Message) *dynamicpb.Message {
	if i.output.origin == FromFiles || i.settled || !hasUnknown(m) {
		return m
	}
	if i.output.origin == FromCache {
		if fresh, err := i.find.anew(); err == nil {
			i.output = fresh
			i.call.Descriptors.Origin, i.call.Descriptors.Note = FromServer, "the cached definition did not know all fields of the response"
			m = i.again(m)
		}
	}
	instance := i.state.instance()
	if hasUnknown(m) && !i.channel.literal() && instance != "" && instance != i.find.server.instance {
		if own, _, err := i.find.elsewhere(instance); err == nil {
			i.output = own
			i.call.Descriptors.Note = i.find.note(instance)
			m = i.again(m)
		}
	}
	i.settled = true
	return m
}

// again reads a message by another definition.
func (i *invocation) again(m *dynamicpb.Message) *dynamicpb.Message {
	other := dynamicpb.NewMessage(i.output.Output())
	b, err := proto.MarshalOptions{AllowPartial: true}.Marshal(m)
	if err != nil || (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(b, other) != nil {
		return m
	}
	return other
}
