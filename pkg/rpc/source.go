package rpc

import (
	"context"
	"slices"
	"strings"

	"github.com/jhump/protoreflect/desc"
	"github.com/jhump/protoreflect/desc/protoprint"
	"github.com/jhump/protoreflect/grpcreflect"
	"google.golang.org/grpc"
)

// source is a reflection stream to one server. It stands on the library that
// grpcurl stands on: grpcurl's own packages would add nothing to it but a link to
// xDS, which every command would pay for at its start.
type source struct{ client *grpcreflect.Client }

// newSource returns a source that speaks reflection v1, or v1alpha when the
// server does not know v1.
func newSource(ctx context.Context, conn grpc.ClientConnInterface) *source {
	return &source{grpcreflect.NewClientAuto(ctx, conn)}
}

func (s *source) close() { s.client.Reset() }

// services returns the full names of all services, sorted.
func (s *source) services() ([]string, error) {
	names, err := s.client.ListServices()
	slices.Sort(names)
	return names, err
}

// find returns what a full name stands for.
func (s *source) find(name string) (desc.Descriptor, error) {
	file, err := s.client.FileContainingSymbol(name)
	if err != nil {
		return nil, err
	}
	if found := file.FindSymbol(name); found != nil {
		return found, nil
	}
	return nil, notFound("symbol", name, nil)
}

func isNotFound(err error) bool { return err != nil && grpcreflect.IsElementNotFoundError(err) }

// symbols lists services, their methods, and the types in the files that define
// them or are imported there. A service whose file cannot be had is left out.
func (s *source) symbols() ([]string, error) {
	services, err := s.services()
	if err != nil {
		return nil, err
	}
	files := map[string]*desc.FileDescriptor{}
	for _, name := range services {
		if file, err := s.client.FileContainingSymbol(name); err == nil {
			addFile(files, file)
		}
	}
	var names []string
	for _, file := range files {
		names = append(names, symbolsOf(file)...)
	}
	slices.Sort(names)
	return names, nil
}

func addFile(files map[string]*desc.FileDescriptor, file *desc.FileDescriptor) {
	if files[file.GetName()] != nil {
		return
	}
	files[file.GetName()] = file
	for _, imported := range file.GetDependencies() {
		addFile(files, imported)
	}
}

func symbolsOf(file *desc.FileDescriptor) []string {
	var names []string
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
	return names
}

// sourceText prints a definition as proto source.
func sourceText(d desc.Descriptor) (string, error) {
	printer := protoprint.Printer{Compact: true, OmitComments: protoprint.CommentsNonDoc, ForceFullyQualifiedNames: true}
	text, err := printer.PrintProtoToString(d)
	return strings.TrimSuffix(text, "\n"), err
}
