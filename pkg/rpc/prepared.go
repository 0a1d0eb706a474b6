package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/suokelife/suokectl/pkg/telemetry"
)

// Prepared is a method of a channel's server whose descriptors are at hand, for
// many calls. It is safe for concurrent use.
type Prepared struct {
	channel *Channel
	method  protoreflect.MethodDescriptor
	request Request
	codec   codec
	name    string
	kind    string
}

// Prepare finds the method of r, whose headers go with every call; its Body,
// Text and hooks are not used. Descriptors are asked now, and later only for what is in an
// Any: close them after the last call. A definition in the channel's descriptor cache
// is used when the server says, in one round trip, that it holds. The errors are
// those of [Descriptors.Method].
func (ch *Channel) Prepare(d *Descriptors, r Request) (*Prepared, error) {
	find := &lookup{channel: ch, ctx: d.ctx, name: r.Method, server: d}
	if d.channel == nil {
		find.files = d
	}
	method, err := find.confirmed(!r.FreshDescriptors)
	if err != nil {
		return nil, err
	}
	r.Body, r.OnHeaders, r.OnMessage = nil, nil, nil
	return &Prepared{
		channel: ch, method: method.MethodDescriptor, request: r, name: fullName(method), kind: kind(method),
		codec: codec{types: method.types, emitDefaults: r.EmitDefaults, allowUnknown: r.AllowUnknown},
	}, nil
}

// Method returns the method's full name, package.Service/Method.
func (p *Prepared) Method() string { return p.name }

// Call makes a call. The data is a message in JSON, or, where the method takes a
// stream, also an array of messages; nothing is an empty message, or no message of
// a stream. What is returned is as for [Channel.Call], save that the response's
// headers and trailers are left out.
func (p *Prepared) Call(ctx context.Context, data json.RawMessage, headers metadata.MD, options ...grpc.CallOption) (*Call, error) {
	start := time.Now()
	messages, err := p.decode(data)
	if err != nil {
		return nil, err
	}
	ctx = p.outgoing(ctx, headers)
	ctx, state := p.channel.call(ctx)
	state.shown, state.method.descriptor = true, p.method
	call := &Call{RequestID: state.requestID(), Target: p.channel.config.Name, Method: p.name, Kind: p.kind}
	if p.kind == kindUnary {
		err = p.unary(ctx, call, messages[0], options)
	} else {
		err = p.stream(ctx, call, state, messages, options)
	}
	if failed, ok := err.(*localError); ok { //nolint:errorlint // made here, never wrapped
		return nil, failed.err
	}
	call.Attempts = state.list()
	call.end(p.channel, p.codec, start, err)
	return call, nil
}

const kindUnary = "unary"

// outgoing puts the headers of all calls and those of this one into the context.
func (p *Prepared) outgoing(ctx context.Context, headers metadata.MD) context.Context {
	if len(headers) == 0 && len(p.request.Headers) == 0 {
		return ctx
	}
	md := metadata.Join(p.request.Headers)
	for name, values := range headers {
		md.Set(name, values...)
	}
	if id := md.Get(p.channel.config.Headers.RequestID); len(id) > 0 {
		ctx = telemetry.WithRequestID(ctx, id[0])
	}
	return metadata.NewOutgoingContext(ctx, md)
}

// decode returns the messages of a request; exactly one where no stream is taken.
func (p *Prepared) decode(data json.RawMessage) ([]*dynamicpb.Message, error) {
	texts := []json.RawMessage{data}
	data = bytes.TrimSpace(data)
	stream := p.method.IsStreamingClient()
	switch {
	case stream && len(data) == 0:
		return nil, nil
	case stream && data[0] == '[':
		if err := json.Unmarshal(data, &texts); err != nil {
			return nil, fmt.Errorf("read the request: %w", err)
		}
	case len(data) == 0:
		return []*dynamicpb.Message{dynamicpb.NewMessage(p.method.Input())}, nil
	}
	messages := make([]*dynamicpb.Message, len(texts))
	for i, text := range texts {
		var err error
		if messages[i], err = p.codec.decode(p.method.Input(), text); err != nil && stream {
			return nil, fmt.Errorf("message %d: %w", i+1, err)
		} else if err != nil {
			return nil, err
		}
	}
	return messages, nil
}

func (p *Prepared) unary(ctx context.Context, call *Call, message *dynamicpb.Message, options []grpc.CallOption) error {
	reply := dynamicpb.NewMessage(p.method.Output())
	if err := p.channel.Invoke(ctx, "/"+p.name, message, reply, options...); err != nil {
		return err
	}
	return p.take(call, reply)
}

// stream sends all messages and receives meanwhile. The sender ends with the
// stream.
func (p *Prepared) stream(ctx context.Context, call *Call, state *callState, messages []*dynamicpb.Message, options []grpc.CallOption) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	state.begin()
	desc := &grpc.StreamDesc{ClientStreams: p.method.IsStreamingClient(), ServerStreams: p.method.IsStreamingServer()}
	stream, err := p.channel.NewStream(ctx, desc, "/"+p.name, options...)
	if err == nil {
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			sendAll(stream, messages)
		}()
		err = p.receive(stream, call)
		cancel()
		<-sent
	}
	state.end(err)
	return err
}

// sendAll sends until there is no more or the stream has ended, which the
// receiver learns.
func sendAll(stream grpc.ClientStream, messages []*dynamicpb.Message) {
	for _, message := range messages {
		if stream.SendMsg(message) != nil {
			return
		}
	}
	_ = stream.CloseSend() // always nil
}

func (p *Prepared) receive(stream grpc.ClientStream, call *Call) error {
	for {
		reply := dynamicpb.NewMessage(p.method.Output())
		switch err := stream.RecvMsg(reply); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := p.take(call, reply); err != nil {
			return err
		}
		if !p.method.IsStreamingServer() {
			return nil // the end was checked with the message
		}
	}
}

// take keeps a message of the response.
func (p *Prepared) take(call *Call, m *dynamicpb.Message) error {
	text, err := p.codec.encode(m)
	if err != nil {
		return &localError{err}
	}
	call.Messages = append(call.Messages, text)
	return nil
}
