package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jhump/protoreflect/v2/protoprint"
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

// Method describes a method of a service.
type Method struct {
	// Name is the method's own name, such as Login.
	Name string `json:"name"`
	// FullName is service/method, as [Channel.Call] and the wire want it.
	FullName string `json:"full_name"`
	// Kind is unary, client_stream, server_stream or bidi_stream.
	Kind string `json:"kind"`
	// Input and Output are the full names of the messages.
	Input  string `json:"input"`
	Output string `json:"output"`
}

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

// Methods returns the methods of a service in the order of its definition. The
// name may be short when it is unambiguous.
func (d *Descriptors) Methods(service string) ([]Method, error) {
	sd, err := d.service(service)
	if err != nil {
		return nil, err
	}
	methods := make([]Method, sd.Methods().Len())
	for i := range methods {
		methods[i] = describeMethod(sd.Methods().Get(i))
	}
	return methods, nil
}

func describeMethod(m protoreflect.MethodDescriptor) Method {
	return Method{
		Name: string(m.Name()), FullName: fullName(m), Kind: kind(m),
		Input: string(m.Input().FullName()), Output: string(m.Output().FullName()),
	}
}

func fullName(m protoreflect.MethodDescriptor) string {
	return string(m.Parent().FullName()) + "/" + string(m.Name())
}

func kind(m protoreflect.MethodDescriptor) string {
	switch {
	case m.IsStreamingClient() && m.IsStreamingServer():
		return "bidi_stream"
	case m.IsStreamingClient():
		return "client_stream"
	case m.IsStreamingServer():
		return "server_stream"
	default:
		return "unary"
	}
}

// Describe returns the definition of a service, method, message or enum as
// proto source text, with its comments where they are known, which they are from
// files and seldom from a server. The name may be short as for
// [Descriptors.Methods].
func (d *Descriptors) Describe(symbol string) (string, error) {
	return question(d, "describe "+symbol, func() (string, error) {
		found, err := d.symbol(symbol)
		if err != nil {
			return "", err
		}
		printer := protoprint.Printer{
			Compact: true, SortElements: true, ForceFullyQualifiedNames: true,
			OmitComments: protoprint.CommentsNonDoc,
		}
		text, err := printer.PrintProtoToString(found)
		return strings.TrimRight(text, "\n"), err
	})
}

// symbol finds any definition by its full name, or by the end of its name.
func (d *Descriptors) symbol(name string) (protoreflect.Descriptor, error) {
	name = strings.ReplaceAll(strings.Trim(name, "./"), "/", ".")
	if protoreflect.FullName(name).IsValid() && strings.Contains(name, ".") {
		found, err := d.find(protoreflect.FullName(name))
		if err == nil {
			return found, nil
		}
		if !errors.Is(err, protoregistry.NotFound) {
			return nil, err
		}
	}
	if _, err := d.all(); err != nil {
		return nil, err
	}
	full, err := complete("symbol", name, d.library.symbols())
	if err != nil {
		return nil, err
	}
	return d.library.linked.FindDescriptorByName(protoreflect.FullName(full))
}

// Symbols returns the full names of services, methods, and types outside of others.
func (d *Descriptors) Symbols() ([]string, error) {
	return question(d, "list its symbols", func() ([]string, error) {
		_, err := d.all()
		return d.library.symbols(), err
	})
}

// symbols lists services, their methods, and the types outside of others.
func (l *library) symbols() []string {
	var names []string
	l.linked.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			names = append(names, string(service.FullName()))
			for j := range service.Methods().Len() {
				names = append(names, string(service.Methods().Get(j).FullName()))
			}
		}
		for i := range file.Messages().Len() {
			names = append(names, string(file.Messages().Get(i).FullName()))
		}
		for i := range file.Enums().Len() {
			names = append(names, string(file.Enums().Get(i).FullName()))
		}
		return true
	})
	slices.Sort(names)
	return names
}

// complete returns the one of names that is name, or ends with it.
func complete(kind, name string, names []string) (string, error) {
	var fits []string
	for _, candidate := range names {
		if candidate == name {
			return candidate, nil
		}
		if strings.HasSuffix(candidate, "."+name) && !slices.Contains(fits, candidate) {
			fits = append(fits, candidate)
		}
	}
	switch len(fits) {
	case 0:
		return "", notFound(kind, name, names)
	case 1:
		return fits[0], nil
	default:
		return "", &NotFoundError{Kind: kind, Name: name, Similar: fits, Ambiguous: true}
	}
}

func (d *Descriptors) service(name string) (protoreflect.ServiceDescriptor, error) {
	return question(d, "find service "+name, func() (protoreflect.ServiceDescriptor, error) {
		return d.findService(name)
	})
}

func (d *Descriptors) findService(name string) (protoreflect.ServiceDescriptor, error) {
	found, err := d.find(protoreflect.FullName(name))
	if errors.Is(err, protoregistry.NotFound) {
		names, listErr := d.services()
		if listErr != nil {
			return nil, listErr
		}
		full, unknown := complete("service", name, names)
		if unknown != nil {
			return nil, unknown
		}
		if found, err = d.find(protoreflect.FullName(full)); errors.Is(err, protoregistry.NotFound) {
			return nil, fmt.Errorf("%s is listed, but its definition is not there", full)
		}
	}
	if err != nil {
		return nil, err
	}
	sd, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is not a service", name)
	}
	return sd, nil
}

// Method finds a method by package.Service/Method, package.Service.Method or an
// unambiguous end of one, such as Service/Method or Method. A [*NotFoundError]
// says what may have been meant, an [*ImportError] that its messages are not all
// defined.
func (d *Descriptors) Method(name string) (protoreflect.MethodDescriptor, error) {
	return question(d, "find method "+name, func() (protoreflect.MethodDescriptor, error) {
		m, err := d.findMethod(strings.TrimPrefix(name, "/"))
		if err != nil {
			return nil, err
		}
		return m, d.library.check(fullName(m), m.Input(), m.Output())
	})
}

func (d *Descriptors) findMethod(name string) (protoreflect.MethodDescriptor, error) {
	at := strings.LastIndexAny(name, "/.")
	if at < 0 {
		return d.methodOfAnyService(name)
	}
	sd, err := d.findService(name[:at])
	if err != nil {
		return nil, err
	}
	if m := sd.Methods().ByName(protoreflect.Name(name[at+1:])); m != nil {
		return m, nil
	}
	var names []string
	for i := range sd.Methods().Len() {
		names = append(names, fullName(sd.Methods().Get(i)))
	}
	return nil, notFound("method", name, names)
}

func (d *Descriptors) methodOfAnyService(name string) (protoreflect.MethodDescriptor, error) {
	services, err := d.all()
	if err != nil {
		return nil, err
	}
	var fits []protoreflect.MethodDescriptor
	var names, all []string
	for _, service := range services {
		sd, err := d.library.service(service)
		if err != nil {
			continue // of another service's broken definition a call need not fail
		}
		for i := range sd.Methods().Len() {
			m := sd.Methods().Get(i)
			all = append(all, fullName(m))
			if string(m.Name()) == name {
				fits, names = append(fits, m), append(names, fullName(m))
			}
		}
	}
	switch len(fits) {
	case 0:
		return nil, notFound("method", name, all)
	case 1:
		return fits[0], nil
	default:
		return nil, &NotFoundError{Kind: "method", Name: name, Similar: names, Ambiguous: true}
	}
}

func (l *library) service(name string) (protoreflect.ServiceDescriptor, error) {
	found, err := l.linked.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil, err
	}
	sd, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, protoregistry.NotFound
	}
	return sd, nil
}

// message finds a message type, for the contents of an Any.
func (d *Descriptors) message(name protoreflect.FullName) (protoreflect.MessageDescriptor, error) {
	return question(d, "find "+string(name), func() (protoreflect.MessageDescriptor, error) {
		found, err := d.find(name)
		if err != nil {
			return nil, err
		}
		md, ok := found.(protoreflect.MessageDescriptor)
		if !ok {
			return nil, fmt.Errorf("%s is not a message", name)
		}
		return md, d.library.check(string(name), md)
	})
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
