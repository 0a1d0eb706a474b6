package rpc

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

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
