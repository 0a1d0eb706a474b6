package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/suokelife/suokectl/pkg/telemetry"
)

// ErrNoReflection says that the server offers neither reflection v1 nor
// v1alpha, so that its descriptors cannot be had from it.
var ErrNoReflection = status.Error(codes.Unimplemented, "the server does not offer server reflection")

// Descriptors are definitions of services: what a server says of its own
// ([Channel.Reflect]), which is fetched when asked for and kept until Close, or
// what files say ([ReadProtoset], [CompileProtos]). They are safe for concurrent
// use.
type Descriptors struct {
	channel *Channel        // nil when all is at hand
	ctx     context.Context //nolint:containedctx // of the reflection stream, which outlives a question
	only    string          // the instance to ask, "" for any
	avoid   string          // the instance not to ask

	mu       sync.Mutex // held during a question
	stream   *reflection
	library  *library
	names    []string          // of the services; nil until they were asked for
	complete bool              // all of them were fetched
	sums     map[string]string // of the files as the server gave them, by path
	instance string            // that answered last
}

// Reflect returns the descriptors of the channel's server. Questions are
// repeated as the channel's retry says. Close them after use; they end with ctx.
func (ch *Channel) Reflect(ctx context.Context) *Descriptors {
	if telemetry.RequestID(ctx) == "" {
		ctx = telemetry.WithRequestID(ctx, "")
	}
	return &Descriptors{channel: ch, ctx: ctx, library: newLibrary(), sums: map[string]string{}}
}

// Close ends the reflection stream.
func (d *Descriptors) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reset()
}

func (d *Descriptors) reset() {
	if d.stream != nil {
		d.stream.cancel()
		d.stream = nil
	}
}

// Services returns the full names of the services, sorted.
func (d *Descriptors) Services() ([]string, error) {
	return question(d, "list its services", d.services)
}

func (d *Descriptors) services() ([]string, error) {
	if d.names == nil {
		if d.stream == nil {
			return nil, nil
		}
		names, err := d.stream.services()
		if err != nil {
			return nil, err
		}
		slices.Sort(names)
		d.names = slices.Compact(names)
	}
	return slices.Clone(d.names), nil
}

// find returns a definition by its full name, [protoregistry.NotFound] when there
// is none.
func (d *Descriptors) find(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	if found, err := d.library.linked.FindDescriptorByName(name); err == nil || d.stream == nil {
		return found, err
	}
	answers, err := d.stream.containing([]string{string(name)})
	if err != nil {
		return nil, err
	}
	if err := answers[0].err; err != nil {
		if isUnknown(err) {
			return nil, protoregistry.NotFound
		}
		return nil, err
	}
	if err := d.take(answers); err != nil {
		return nil, err
	}
	found, err := d.library.linked.FindDescriptorByName(name)
	if err != nil {
		for _, file := range answers[0].files {
			if why := d.library.wrong[file.GetName()]; why != nil {
				return nil, &ImportError{Symbol: string(name), File: file.GetName(), Err: why}
			}
		}
	}
	return found, err
}

// isUnknown reports whether an answer says that there is no such symbol or file.
// Servers have several codes for it.
func isUnknown(err error) bool {
	switch status.Code(err) {
	case codes.NotFound, codes.InvalidArgument, codes.Unknown, codes.Internal:
		return true
	default:
		return false
	}
}

// take adds files, and what they import, each round asked for at once.
func (d *Descriptors) take(answers []found) error {
	asked := map[string]bool{}
	for {
		var missing []string
		for _, answer := range answers {
			for i, file := range answer.files {
				d.sums[file.GetName()] = answer.sums[i]
			}
			missing = append(missing, d.library.add(answer.files)...)
		}
		missing = slices.DeleteFunc(missing, func(path string) bool {
			known := asked[path] || d.library.given[path] != nil
			asked[path] = true
			return known
		})
		if len(missing) == 0 {
			d.library.link()
			return nil
		}
		var err error
		if answers, err = d.stream.named(missing); err != nil {
			return err
		}
	}
}

// all sees to it that the files of all services are there. A service whose file
// cannot be had is left out.
func (d *Descriptors) all() ([]string, error) {
	names, err := d.services()
	if err != nil || d.complete || d.stream == nil {
		return names, err
	}
	missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, err := d.library.linked.FindDescriptorByName(protoreflect.FullName(name))
		return err == nil
	})
	if len(missing) > 0 {
		answers, err := d.stream.containing(missing)
		if err != nil {
			return nil, err
		}
		if err := d.take(answers); err != nil {
			return nil, err
		}
	}
	d.complete = true
	return names, nil
}

// Protoset returns the files that define the services, and what they import, as
// an encoded google.protobuf.FileDescriptorSet. With no services it is all of
// them.
func (d *Descriptors) Protoset(services ...string) ([]byte, error) {
	return question(d, "hand out its definitions", func() ([]byte, error) {
		if len(services) == 0 {
			all, err := d.all()
			if err != nil {
				return nil, err
			}
			services = all
		}
		var fds []protoreflect.FileDescriptor
		for _, name := range services {
			sd, err := d.findService(name)
			if err != nil {
				return nil, err
			}
			fds = append(fds, sd.ParentFile())
		}
		return proto.MarshalOptions{Deterministic: true}.Marshal(d.library.files(fds...))
	})
}

// question asks the server, again when it does not answer: each time on a new
// stream, which goes to another instance when there is one.
func question[T any](d *Descriptors, what string, ask func() (T, error)) (T, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.channel == nil {
		answer, err := ask()
		if unknown, ok := errors.AsType[*NotFoundError](err); ok {
			unknown.AtHand = true
		}
		return answer, err
	}
	ctx, call := d.channel.call(d.ctx)
	call.only, call.not = d.only, d.avoid
	answer, err := repeat(ctx, call, func() (T, error) {
		call.begin()
		d.open(ctx)
		inTime := d.channel.timer(d.stream.cancel)
		answer, err := ask()
		switch {
		case !inTime():
			err = status.Errorf(codes.DeadlineExceeded, "no answer within %v", d.channel.retry.AttemptTimeout)
		case err != nil && d.ctx.Err() != nil: // the stream was cancelled with it
			err = status.Error(status.FromContextError(d.ctx.Err()).Code(), context.Cause(d.ctx).Error())
		}
		if code := status.Code(err); code == codes.Unavailable || code == codes.DeadlineExceeded {
			d.reset()
		}
		call.end(err)
		return answer, err
	})
	if instance := call.instance(); instance != "" {
		d.instance = instance
	}
	return answer, d.explain(what, call.list(), err)
}

// open makes a reflection client, unless there is one. Its stream outlives the
// attempt that needs it first, whose values it keeps.
func (d *Descriptors) open(attempt context.Context) {
	if d.stream != nil {
		return
	}
	d.stream = newReflection(context.WithoutCancel(attempt), d.channel.ClientConn, d.channel.config.ReflectHeaders)
	cancel := d.stream.cancel
	stop := context.AfterFunc(d.ctx, cancel)
	d.stream.cancel = func() { stop(); cancel() }
}

// explain says what was asked, unless the error tells more by itself.
func (d *Descriptors) explain(what string, attempts []Attempt, err error) error {
	if err == nil {
		return nil
	}
	if unknown, ok := errors.AsType[*NotFoundError](err); ok {
		return unknown
	}
	if broken, ok := errors.AsType[*ImportError](err); ok {
		return broken
	}
	if errors.Is(lastError(err), ErrNoReflection) {
		return fmt.Errorf("ask %s: %w", d.channel.config.Name, ErrNoReflection)
	}
	var transport *TransportError
	if explained := d.channel.Explain(err); errors.As(explained, &transport) {
		return explained
	}
	cause := lastError(err)
	if _, ok := status.FromError(cause); ok {
		cause = &CallError{Attempts: attempts, Err: err}
	}
	return fmt.Errorf("ask %s to %s: %w", d.channel.config.Name, what, cause)
}
