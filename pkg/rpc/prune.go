package rpc

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// prune returns the least files that define a method: its service with no other
// method, and the types that its messages need, without comments.
func prune(m protoreflect.MethodDescriptor, l *library) *descriptorpb.FileDescriptorSet {
	p := pruning{needed: map[protoreflect.FullName]bool{}, imports: map[string][]string{}}
	p.file(m.ParentFile())
	p.need(m.ParentFile(), m.Input())
	p.need(m.ParentFile(), m.Output())
	set := new(descriptorpb.FileDescriptorSet)
	for _, fd := range p.files {
		given := l.given[fd.Path()]
		if given == nil {
			given = protodesc.ToFileDescriptorProto(fd)
		}
		file := p.cut(given, fd)
		if fd == m.ParentFile() {
			service := descriptorpb.ServiceDescriptorProto{Name: proto.String(string(m.Parent().Name()))}
			service.Method = append(service.Method, protodesc.ToMethodDescriptorProto(m))
			file.Service = append(file.Service, &service)
		}
		set.File = append(set.File, file)
	}
	return set
}

type pruning struct {
	needed  map[protoreflect.FullName]bool // types outside of others
	files   []protoreflect.FileDescriptor
	imports map[string][]string // by path, what a file needs of others
}

func (p *pruning) file(fd protoreflect.FileDescriptor) {
	if !slices.Contains(p.files, fd) {
		p.files = append(p.files, fd)
	}
}

// need takes in a type that is used in a file, together with all that it is
// defined within, and what that needs.
func (p *pruning) need(from protoreflect.FileDescriptor, d protoreflect.Descriptor) {
	if d.IsPlaceholder() {
		return
	}
	fd := d.ParentFile()
	p.file(fd)
	if fd != from && !slices.Contains(p.imports[from.Path()], fd.Path()) {
		p.imports[from.Path()] = append(p.imports[from.Path()], fd.Path())
	}
	for d.Parent() != fd {
		d = d.Parent()
	}
	if p.needed[d.FullName()] {
		return
	}
	p.needed[d.FullName()] = true
	if md, ok := d.(protoreflect.MessageDescriptor); ok {
		p.fields(fd, md)
	}
}

func (p *pruning) fields(fd protoreflect.FileDescriptor, md protoreflect.MessageDescriptor) {
	for i := range md.Fields().Len() {
		field := md.Fields().Get(i)
		if field.Message() != nil {
			p.need(fd, field.Message())
		}
		if field.Enum() != nil {
			p.need(fd, field.Enum())
		}
	}
	for i := range md.Messages().Len() {
		p.fields(fd, md.Messages().Get(i))
	}
}

// cut copies of a file what is needed.
func (p *pruning) cut(file *descriptorpb.FileDescriptorProto, fd protoreflect.FileDescriptor) *descriptorpb.FileDescriptorProto {
	cut := &descriptorpb.FileDescriptorProto{
		Name: file.Name, Package: file.Package, Syntax: file.Syntax, Edition: file.Edition,
		Options: file.Options, Dependency: p.imports[fd.Path()],
	}
	for _, m := range file.GetMessageType() {
		if p.needed[fd.Package().Append(protoreflect.Name(m.GetName()))] {
			bare := proto.CloneOf(m)
			withoutExtensions(bare)
			cut.MessageType = append(cut.MessageType, bare)
		}
	}
	for _, e := range file.GetEnumType() {
		if p.needed[fd.Package().Append(protoreflect.Name(e.GetName()))] {
			cut.EnumType = append(cut.EnumType, e)
		}
	}
	return cut
}

// withoutExtensions drops extensions that are declared in a message, whose types
// are not taken in.
func withoutExtensions(m *descriptorpb.DescriptorProto) {
	m.Extension = nil
	for _, nested := range m.GetNestedType() {
		withoutExtensions(nested)
	}
}
