package rpc

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
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
	start := time.Now()
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

// body is one message of the request, or why there is none.
type body struct {
	message *dynamicpb.Message
	method  definition // by which it was read
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
		read := readJSON(reader)
		if i.request.Text {
			read = readText(reader)
		}
		for n := 1; ; n++ {
			next, end := i.next(read, n)
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

func readJSON(r io.Reader) func() ([]byte, error) {
	decoder := json.NewDecoder(r)
	return func() ([]byte, error) {
		var text json.RawMessage
		err := decoder.Decode(&text)
		return text, err
	}
}

func readText(r io.Reader) func() ([]byte, error) {
	reader := bufio.NewReader(r)
	return func() ([]byte, error) {
		text, err := reader.ReadBytes(textSeparator)
		if len(bytes.TrimSpace(text)) > 0 && errors.Is(err, io.EOF) {
			err = nil
		}
		return bytes.TrimSuffix(text, []byte{textSeparator}), err
	}
}

func (i *invocation) next(read func() ([]byte, error), number int) (next body, end bool) {
	text, err := read()
	switch {
	case errors.Is(err, io.EOF):
		return body{}, true
	case err != nil:
		return body{err: &localError{fmt.Errorf("read message %d of the request: %w", number, err)}}, false
	}
	message, err := i.decode(text)
	if err != nil {
		if i.input.IsStreamingClient() {
			err = fmt.Errorf("message %d: %w", number, err)
		}
		return body{err: &localError{err}}, false
	}
	return body{message: message, method: i.input}, false
}

// decode reads a message by the definition at hand. What does not fit one from
// the cache is offered to the server's own; what does not fit that of one
// instance, to that of another.
func (i *invocation) decode(text []byte) (*dynamicpb.Message, error) {
	message, err := i.codec(i.input).decode(i.input.Input(), text)
	if err != nil && i.input.origin == FromCache {
		if fresh, asked := i.find.anew(); asked == nil {
			i.input = fresh
			message, err = i.codec(fresh).decode(fresh.Input(), text)
		}
	}
	if err != nil && i.input.origin == FromServer && !i.channel.literal() && !i.input.IsStreamingClient() {
		other, instance, asked := i.find.elsewhere("")
		if asked != nil || instance == i.find.server.instance {
			return message, err
		}
		if fits, misfit := i.codec(other).decode(other.Input(), text); misfit == nil {
			i.input = other
			i.state.only = instance // read when the message has been handed on
			return fits, nil
		}
	}
	return message, err
}

// only returns the message of a request that has exactly one, an empty one when
// none is given.
func (i *invocation) only(ctx context.Context, bodies <-chan body) (*dynamicpb.Message, error) {
	first, err := receive(ctx, bodies)
	if err != nil || first.err != nil {
		return nil, cmp.Or(err, first.err)
	}
	if first.message == nil {
		return dynamicpb.NewMessage(i.output.Input()), nil
	}
	i.use(first.method)
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
