package rpc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/suokelife/suokectl/pkg/telemetry"
)

// Request is a call to be made from JSON.
type Request struct {
	// Method is a name as [Descriptors.Method] takes it.
	Method string
	// Body holds the request's messages, JSON values one after the other. Nil,
	// or nothing in it, is one empty message, or none for a stream. It is read
	// while the call runs; a reader that never ends is left behind in its Read
	// when the call ends.
	Body io.Reader
	// Headers are sent along. A request id among them is the call's.
	Headers metadata.MD
	// EmitDefaults shows fields in the response that have their default value.
	EmitDefaults bool
	// OnHeaders and OnMessage are told of what arrives, when it arrives, on the
	// caller's goroutine. An error of OnMessage ends the call and is that of Call.
	OnHeaders func(map[string][]string)
	OnMessage func(json.RawMessage) error
}

// Call makes a call of any of the four kinds. Whatever status it ends with,
// the result says what happened, and [Call.Err] why it failed. An error is
// returned when there is nothing to tell of: no descriptors ([ErrNoReflection],
// [*TransportError]), no such method ([*NotFoundError]), a request that does not
// fit ([*FieldError]).
func (ch *Channel) Call(ctx context.Context, r Request) (*Call, error) {
	start := time.Now()
	ctx, md := ch.request(ctx, r.Headers)
	descriptors := ch.Reflect(ctx)
	defer descriptors.Close()
	method, err := descriptors.Method(r.Method)
	if err != nil {
		return nil, err
	}
	run := &invocation{
		channel: ch, request: r, method: method, start: start,
		codec: codec{types: typeResolver{descriptors}, emitDefaults: r.EmitDefaults},
		call: &Call{
			RequestID: telemetry.RequestID(ctx), Target: ch.config.Name,
			Method: fullName(method), Kind: kind(method),
			Headers: map[string][]string{}, Messages: []json.RawMessage{}, Trailers: map[string][]string{},
			Timings: Timings{DescriptorsMS: milliseconds(time.Since(start))},
		},
	}
	ctx, state := ch.call(metadata.NewOutgoingContext(ctx, md))
	state.shown = true
	err = run.run(ctx, state)
	var failed *localError
	if errors.As(err, &failed) {
		return nil, failed.err
	}
	run.call.Attempts = state.list()
	run.call.end(ch, run.codec, start, err)
	return run.call, nil
}

// request returns the headers of a call with a good request id among them, which
// the context gets too.
func (ch *Channel) request(ctx context.Context, headers metadata.MD) (context.Context, metadata.MD) {
	md := metadata.Join(headers)
	id := telemetry.RequestID(ctx)
	if given := md.Get(ch.config.Headers.RequestID); len(given) > 0 {
		id = given[0]
	}
	ctx = telemetry.WithRequestID(ctx, id)
	md.Set(ch.config.Headers.RequestID, telemetry.RequestID(ctx))
	return ctx, md
}

// localError is one of ours and not the call's status.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// invocation is one call under way.
type invocation struct {
	channel *Channel
	request Request
	method  protoreflect.MethodDescriptor
	codec   codec
	start   time.Time
	call    *Call
}

func (i *invocation) run(ctx context.Context, state *callState) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	bodies := i.bodies(ctx)
	if i.method.IsStreamingClient() {
		return i.stream(ctx, cancel, state, bodies)
	}
	message, err := i.only(ctx, bodies)
	if err != nil {
		return err
	}
	if !i.method.IsStreamingServer() {
		return i.unary(ctx, message)
	}
	once := make(chan body, 1)
	once <- body{message: message}
	close(once)
	return i.stream(ctx, cancel, state, once)
}

// body is one message of the request, or why there is none.
type body struct {
	message *dynamicpb.Message
	err     error
}

// bodies reads the request's messages. The channel is closed at their end.
func (i *invocation) bodies(ctx context.Context) <-chan body {
	out := make(chan body)
	reader := i.request.Body
	if reader == nil {
		reader = strings.NewReader("")
	}
	go func() {
		defer close(out)
		decoder := json.NewDecoder(reader)
		for n := 1; ; n++ {
			next, end := i.next(decoder, n)
			if end {
				return
			}
			select {
			case out <- next:
			case <-ctx.Done():
				return
			}
			if next.err != nil {
				return
			}
		}
	}()
	return out
}

func (i *invocation) next(decoder *json.Decoder, number int) (next body, end bool) {
	var text json.RawMessage
	err := decoder.Decode(&text)
	switch {
	case errors.Is(err, io.EOF):
		return body{}, true
	case err != nil:
		return body{err: &localError{fmt.Errorf("read message %d of the request: %w", number, err)}}, false
	}
	message, err := i.codec.decode(i.method.Input(), text)
	if err != nil {
		if i.method.IsStreamingClient() {
			err = fmt.Errorf("message %d: %w", number, err)
		}
		return body{err: &localError{err}}, false
	}
	return body{message: message}, false
}

// only returns the message of a request that has exactly one, an empty one when
// none is given.
func (i *invocation) only(ctx context.Context, bodies <-chan body) (*dynamicpb.Message, error) {
	first, err := receive(ctx, bodies)
	if err != nil || first.err != nil {
		return nil, cmp.Or(err, first.err)
	}
	if first.message == nil {
		return dynamicpb.NewMessage(i.method.Input()), nil
	}
	second, err := receive(ctx, bodies)
	if second.message != nil {
		return nil, &localError{fmt.Errorf("%s takes one message, and the request has more", i.call.Method)}
	}
	return first.message, cmp.Or(err, second.err)
}

// receive returns the next message, the zero body at their end.
func receive(ctx context.Context, bodies <-chan body) (body, error) {
	select {
	case next := <-bodies:
		return next, nil
	case <-ctx.Done():
		return body{}, status.FromContextError(ctx.Err()).Err()
	}
}

func (i *invocation) unary(ctx context.Context, message *dynamicpb.Message) error {
	reply := dynamicpb.NewMessage(i.method.Output())
	var header, trailer metadata.MD
	err := i.channel.Invoke(ctx, "/"+i.call.Method, message, reply, grpc.Header(&header), grpc.Trailer(&trailer))
	i.headers(header)
	i.call.Trailers = i.channel.show(trailer)
	if err != nil {
		return err
	}
	return i.message(reply)
}

// stream sends what bodies has and receives meanwhile. The sender ends with the
// stream.
func (i *invocation) stream(ctx context.Context, cancel context.CancelCauseFunc, state *callState, bodies <-chan body) error {
	state.begin()
	desc := &grpc.StreamDesc{ClientStreams: i.method.IsStreamingClient(), ServerStreams: i.method.IsStreamingServer()}
	stream, err := i.channel.NewStream(ctx, desc, "/"+i.call.Method)
	if err == nil {
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			if err := send(stream, bodies); err != nil {
				cancel(err)
			}
		}()
		err = i.receiveAll(ctx, stream)
		cancel(nil)
		<-sent
	}
	state.end(err)
	return err
}

// send sends until there is no more, or the stream has ended. Its error is one
// of the request.
func send(stream grpc.ClientStream, bodies <-chan body) error {
	for {
		next, err := receive(stream.Context(), bodies)
		switch {
		case err != nil:
			return nil // the receiver knows why
		case next.err != nil:
			return next.err
		case next.message == nil:
			_ = stream.CloseSend() // always nil
			return nil
		}
		if stream.SendMsg(next.message) != nil {
			return nil // the receiver knows why
		}
	}
}

func (i *invocation) receiveAll(ctx context.Context, stream grpc.ClientStream) error {
	header, _ := stream.Header() // its error is Recv's too
	i.headers(header)
	defer func() { i.call.Trailers = i.channel.show(stream.Trailer()) }()
	for {
		reply := dynamicpb.NewMessage(i.method.Output())
		err := stream.RecvMsg(reply)
		var ours *localError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && errors.As(context.Cause(ctx), &ours):
			return ours
		case err != nil:
			return err
		}
		if err := i.message(reply); err != nil {
			return err
		}
		if !i.method.IsStreamingServer() {
			return nil // the end was checked with the message
		}
	}
}

func (i *invocation) headers(md metadata.MD) {
	i.call.Headers = i.channel.show(md)
	if i.request.OnHeaders != nil {
		i.request.OnHeaders(i.call.Headers)
	}
}

// message takes one message of the response.
func (i *invocation) message(m *dynamicpb.Message) error {
	if i.call.Timings.FirstMessageMS == 0 {
		i.call.Timings.FirstMessageMS = milliseconds(time.Since(i.start))
	}
	text, err := i.codec.encode(m)
	if err != nil {
		return &localError{err}
	}
	if i.request.OnMessage == nil {
		i.call.Messages = append(i.call.Messages, text)
		return nil
	}
	if err := i.request.OnMessage(text); err != nil {
		return &localError{err}
	}
	return nil
}
