package rpc

import (
	"context"
	"encoding/json"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer/roundrobin"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// bareOptions undo those of a channel by which it takes part in calls.
func bareOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultServiceConfig(fmt.Sprintf(`{"loadBalancingConfig":[{%q:{}}]}`, roundrobin.Name)),
		grpc.WithUnaryInterceptor(nil),
		grpc.WithStreamInterceptor(nil),
	}
}

// Headers returns what the channel would send with a call, beside credentials:
// the outgoing metadata of ctx, its request id or a new one, versions and trace. A
// bare channel's caller may send them with all calls of a run, which then are one
// request in logs and traces.
func (ch *Channel) Headers(ctx context.Context) metadata.MD {
	ctx, call := ch.call(ctx)
	md, _ := metadata.FromOutgoingContext(ch.outgoing(ctx, call))
	return md
}

// Encode returns the wire form of a message in JSON, or a [*FieldError].
func (d *Descriptors) Encode(md protoreflect.MessageDescriptor, text json.RawMessage) ([]byte, error) {
	message, err := codec{types: typeResolver{d}}.decode(md, text)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(message)
}
