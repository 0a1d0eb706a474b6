package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
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
	// Text takes and shows messages in protobuf's text form in place of JSON.
	// Those of the body are separated by the byte 0x1e.
	Text bool
	// Headers are sent along. A request id among them is the call's.
	Headers metadata.MD
	// Descriptors define the method. The default, nil, asks the server.
	Descriptors *Descriptors
	// FreshDescriptors passes over what the descriptor cache has.
	FreshDescriptors bool
	// AllowUnknown drops fields of the request that its message does not have.
	AllowUnknown bool
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
// [*TransportError], [*ImportError]), no such method ([*NotFoundError]), a request
// that does not fit ([*FieldError]).
//
// With a descriptor cache the call is sent at once when the method was called
// before. While it runs the server is asked whether the definition still holds;
// one that does not is forgotten. A request that does not fit the cached
// definition, a response with fields that it does not know, and UNIMPLEMENTED
// have the definition fetched anew at once.
func (ch *Channel) Call(ctx context.Context, r Request) (*Call, error) {
	start := ch.timeline.began()
	ch.Connect() // while the definition is read
	ctx, md := ch.request(ctx, r.Headers)
	server := ch.Reflect(ctx)
	defer server.Close()
	find := &lookup{channel: ch, ctx: ctx, name: r.Method, files: r.Descriptors, server: server}
	method, err := find.first(!r.FreshDescriptors)
	if err != nil {
		return nil, err
	}
	run := &invocation{
		channel: ch, request: r, find: find, input: method, output: method, start: start,
		call: &Call{
			RequestID: telemetry.RequestID(ctx), Target: ch.config.Name,
			Method: fullName(method), Kind: kind(method), RequestHeaders: ch.sent(md),
			Headers: map[string][]string{}, Messages: []json.RawMessage{}, Trailers: map[string][]string{},
			Timings:     Timings{DescriptorsMS: milliseconds(time.Since(start))},
			Descriptors: DescriptorsUsed{Origin: method.origin, AgeS: find.age(method.origin)},
		},
	}
	defer find.revalidate()()
	ctx, state := ch.call(metadata.NewOutgoingContext(ctx, md))
	state.shown, state.method.descriptor = true, method.MethodDescriptor
	run.state = state
	err = run.run(ctx)
	var failed *localError
	if errors.As(err, &failed) {
		return nil, failed.err
	}
	if unknown := run.gone(err); unknown != nil {
		return nil, unknown
	}
	run.call.Attempts = state.list()
	run.call.end(ch, run.codec(run.output), start, err)
	ch.timeline.fill(&run.call.Timings, state, start)
	return run.call, nil
}

// sent shows what goes along with a request.
func (ch *Channel) sent(md metadata.MD) map[string][]string {
	shown := ch.show(md)
	names := ch.config.Headers
	for name, value := range map[string]string{names.ClientVersion: ch.config.ClientVersion, names.APIVersion: ch.config.APIVersion} {
		if value != "" && shown[name] == nil {
			shown[name] = []string{value}
		}
	}
	if ch.config.Credentials != nil {
		shown[names.Authorization] = []string{Redacted}
	}
	return shown
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
	find    *lookup
	input   definition // for who reads the request
	output  definition // for who takes the response
	start   time.Time
	call    *Call
	state   *callState
	settled bool // there is no better definition of the output
}

func (i *invocation) codec(d definition) codec {
	return codec{types: d.types, emitDefaults: i.request.EmitDefaults, allowUnknown: i.request.AllowUnknown, text: i.request.Text}
}

func (i *invocation) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	bodies := i.bodies(ctx)
	if i.output.IsStreamingClient() {
		return i.stream(ctx, cancel, bodies)
	}
	message, err := i.only(ctx, bodies)
	if err != nil {
		return err
	}
	if !i.output.IsStreamingServer() {
		return i.unary(ctx, message)
	}
	once := make(chan body, 1)
	once <- body{message: message}
	close(once)
	return i.stream(ctx, cancel, once)
}

func (i *invocation) unary(ctx context.Context, message *dynamicpb.Message) error {
	reply := dynamicpb.NewMessage(i.output.Output())
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
func (i *invocation) stream(ctx context.Context, cancel context.CancelCauseFunc, bodies <-chan body) error {
	i.state.begin()
	desc := &grpc.StreamDesc{ClientStreams: i.output.IsStreamingClient(), ServerStreams: i.output.IsStreamingServer()}
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
	i.state.end(err)
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
		reply := dynamicpb.NewMessage(i.output.Output())
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
		if !i.output.IsStreamingServer() {
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
	m = i.understood(m)
	text, err := i.codec(i.output).encode(m)
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
