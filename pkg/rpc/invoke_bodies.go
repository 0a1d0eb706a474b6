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

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"
)

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
	case err == nil:
		message, wrong := i.decode(text)
		if wrong == nil {
			return body{message: message, method: i.input}, false
		}
		err = wrong
	case notJSON(err) != "":
		err = &FieldError{Message: string(i.input.Input().FullName()), Reason: notJSON(err)}
	default:
		return body{err: &localError{fmt.Errorf("read message %d of the request: %w", number, err)}}, false
	}
	if number > 1 || i.input.IsStreamingClient() {
		err = fmt.Errorf("message %d: %w", number, err)
	}
	return body{err: &localError{err}}, false
}

// notJSON says what is wrong with a text that cannot be read as JSON, "" for any
// other error of reading it.
func notJSON(err error) string {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("it is not JSON: %v, at byte %d", syntax, syntax.Offset)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "it is not JSON: it ends within a value"
	}
	return ""
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
