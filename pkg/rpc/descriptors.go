package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/fullstorydev/grpcurl"
	"github.com/jhump/protoreflect/desc"
	"github.com/jhump/protoreflect/grpcreflect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

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

// Descriptors are what a server says about its services. They are fetched when
// asked for and kept until Close. They are safe for concurrent use.
type Descriptors struct {
	channel *Channel
	ctx     context.Context //nolint:containedctx // of the reflection stream, which outlives a question

	mu     sync.Mutex // held during a question
	cancel context.CancelFunc
	client *grpcreflect.Client
	source grpcurl.DescriptorSource
}

// Reflect returns the descriptors of the channel's server. Questions are
// repeated as the channel's retry says. Close them after use; they end with ctx.
func (ch *Channel) Reflect(ctx context.Context) *Descriptors {
	if telemetry.RequestID(ctx) == "" {
		ctx = telemetry.WithRequestID(ctx, "")
	}
	return &Descriptors{channel: ch, ctx: ctx}
}

// Close ends the reflection stream.
func (d *Descriptors) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reset()
}

func (d *Descriptors) reset() {
	if d.client != nil {
		d.client.Reset()
		d.cancel()
		d.client = nil
	}
}

// Services returns the full names of the server's services, sorted.
func (d *Descriptors) Services() ([]string, error) {
	return question(d, "list its services", grpcurl.ListServices)
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
// proto source text. The name may be short as for [Descriptors.Methods].
func (d *Descriptors) Describe(symbol string) (string, error) {
	return question(d, "describe "+symbol, func(source grpcurl.DescriptorSource) (string, error) {
		found, err := source.FindSymbol(symbol)
		if isNotFound(err) {
			found, err = d.describeShort(source, symbol)
		}
		if err != nil {
			return "", err
		}
		return grpcurl.GetDescriptorText(found, source)
	})
}

// describeShort finds a symbol by the end of its name.
func (d *Descriptors) describeShort(source grpcurl.DescriptorSource, symbol string) (desc.Descriptor, error) {
	names, err := symbols(source)
	if err != nil {
		return nil, err
	}
	full, err := complete("symbol", strings.ReplaceAll(symbol, "/", "."), names)
	if err != nil {
		return nil, err
	}
	return source.FindSymbol(full)
}

// symbols lists services, their methods, and the types in the files that define
// them.
func symbols(source grpcurl.DescriptorSource) ([]string, error) {
	files, err := grpcurl.GetAllFiles(source)
	if len(files) == 0 && err != nil {
		return nil, err
	}
	var names []string
	for _, file := range files {
		for _, s := range file.GetServices() {
			names = append(names, s.GetFullyQualifiedName())
			for _, m := range s.GetMethods() {
				names = append(names, m.GetFullyQualifiedName())
			}
		}
		for _, m := range file.GetMessageTypes() {
			names = append(names, m.GetFullyQualifiedName())
		}
		for _, e := range file.GetEnumTypes() {
			names = append(names, e.GetFullyQualifiedName())
		}
	}
	return names, nil
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
	return question(d, "find service "+name, func(source grpcurl.DescriptorSource) (protoreflect.ServiceDescriptor, error) {
		found, err := source.FindSymbol(name)
		if isNotFound(err) {
			names, listErr := source.ListServices()
			if listErr != nil {
				return nil, listErr
			}
			full, notFound := complete("service", name, names)
			if notFound != nil {
				return nil, notFound
			}
			found, err = source.FindSymbol(full)
		}
		if err != nil {
			return nil, err
		}
		sd, ok := found.(*desc.ServiceDescriptor)
		if !ok {
			return nil, fmt.Errorf("%s is not a service", name)
		}
		return sd.UnwrapService(), nil
	})
}

// Method finds a method by package.Service/Method, package.Service.Method or an
// unambiguous end of one, such as Service/Method or Method. A [*NotFoundError]
// says what may have been meant.
func (d *Descriptors) Method(name string) (protoreflect.MethodDescriptor, error) {
	name = strings.TrimPrefix(name, "/")
	at := strings.LastIndexAny(name, "/.")
	if at < 0 {
		return d.methodOfAnyService(name)
	}
	sd, err := d.service(name[:at])
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
	services, err := d.Services()
	if err != nil {
		return nil, err
	}
	var fits []protoreflect.MethodDescriptor
	var names, all []string
	for _, service := range services {
		sd, err := d.service(service)
		if err != nil {
			return nil, err
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

// message finds a message type, for the contents of an Any.
func (d *Descriptors) message(name protoreflect.FullName) (protoreflect.MessageDescriptor, error) {
	return question(d, "find "+string(name), func(source grpcurl.DescriptorSource) (protoreflect.MessageDescriptor, error) {
		found, err := source.FindSymbol(string(name))
		if err != nil {
			return nil, err
		}
		md, ok := found.(*desc.MessageDescriptor)
		if !ok {
			return nil, fmt.Errorf("%s is not a message", name)
		}
		return md.UnwrapMessage(), nil
	})
}

func isNotFound(err error) bool { return err != nil && grpcreflect.IsElementNotFoundError(err) }

// question asks the server, again when it does not answer: each time on a new
// stream, which goes to another instance when there is one.
func question[T any](d *Descriptors, what string, ask func(grpcurl.DescriptorSource) (T, error)) (T, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx, call := d.channel.call(d.ctx)
	answer, err := repeat(ctx, call, func() (T, error) {
		call.begin()
		d.open(ctx)
		inTime := d.channel.timer(d.cancel)
		answer, err := ask(d.source)
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
	return answer, d.explain(what, call.list(), err)
}

// open begins a reflection stream, unless there is one. It outlives the attempt
// that needs it first, whose values it keeps.
func (d *Descriptors) open(attempt context.Context) {
	if d.client != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(attempt))
	stop := context.AfterFunc(d.ctx, cancel)
	d.cancel = func() { stop(); cancel() }
	d.client = grpcreflect.NewClientAuto(ctx, d.channel.ClientConn)
	d.source = grpcurl.DescriptorSourceFromServer(ctx, d.client)
}

// explain says what was asked, unless the error tells more by itself.
func (d *Descriptors) explain(what string, attempts []Attempt, err error) error {
	var unknown *NotFoundError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &unknown):
		return unknown
	case errors.Is(err, grpcurl.ErrReflectionNotSupported):
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
