package rpc

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

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
