package rpc

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// ImportError says that a definition cannot be used because of a file that it
// imports. Others beside it can.
type ImportError struct {
	// Symbol is the service or message that was wanted.
	Symbol string
	// File is the path of the import.
	File string
	// Err says what is wrong with the file; nil when nobody has it.
	Err error
}

func (e *ImportError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s cannot be used: it imports %s, which is missing", e.Symbol, e.File)
	}
	return fmt.Sprintf("%s cannot be used: it needs %s: %v", e.Symbol, e.File, e.Err)
}

// Unwrap returns what is wrong with the file.
func (e *ImportError) Unwrap() error { return e.Err }

// library is a growing set of definitions. What a file imports and nobody has is
// held open, so that all that does not need it can be used.
type library struct {
	given  map[string]*descriptorpb.FileDescriptorProto
	linked *protoregistry.Files
	wrong  map[string]error // why a file is not linked; nil when nobody has it
}

func newLibrary() *library {
	return &library{given: map[string]*descriptorpb.FileDescriptorProto{}, linked: new(protoregistry.Files), wrong: map[string]error{}}
}

// add takes files in and returns the paths that they import and the library lacks.
func (l *library) add(files []*descriptorpb.FileDescriptorProto) (missing []string) {
	for _, file := range files {
		if l.given[file.GetName()] == nil {
			l.given[file.GetName()] = file
		}
	}
	for _, file := range files {
		for _, path := range file.GetDependency() {
			if l.given[path] == nil && !slices.Contains(missing, path) {
				missing = append(missing, path)
			}
		}
	}
	return missing
}

// link makes descriptors of all files that have been given.
func (l *library) link() {
	for path := range l.given {
		l.linkFile(path)
	}
}

// linkFile links a file after those that it imports.
func (l *library) linkFile(path string) {
	if _, seen := l.wrong[path]; seen {
		return
	}
	if _, err := l.linked.FindFileByPath(path); err == nil {
		return
	}
	file := l.given[path]
	if file == nil {
		l.borrow(path)
		return
	}
	l.wrong[path] = errors.New("it imports itself")
	for _, dependency := range file.GetDependency() {
		l.linkFile(dependency)
	}
	delete(l.wrong, path)
	fd, err := protodesc.FileOptions{AllowUnresolvable: true}.New(file, l.linked)
	if err == nil {
		err = l.linked.RegisterFile(fd)
	}
	if err != nil {
		l.wrong[path] = err
	}
}

// borrow takes a file that this program has linked in, such as
// google/protobuf/timestamp.proto, which not every server hands out.
func (l *library) borrow(path string) {
	fd, err := protoregistry.GlobalFiles.FindFileByPath(path)
	if err != nil || !isGoogle(fd.Package()) {
		l.wrong[path] = nil
		return
	}
	for i := range fd.Imports().Len() {
		l.linkFile(fd.Imports().Get(i).Path())
	}
	l.wrong[path] = l.linked.RegisterFile(fd)
	if l.wrong[path] == nil {
		delete(l.wrong, path)
	}
}

func isGoogle(name protoreflect.FullName) bool {
	return name == "google.protobuf" || name == "google.rpc" || name == "google.api"
}

// check returns an [*ImportError] when a type that md needs, by any way, is not
// there.
func (l *library) check(symbol string, messages ...protoreflect.MessageDescriptor) error {
	seen := map[protoreflect.FullName]bool{}
	for len(messages) > 0 {
		md := messages[len(messages)-1]
		messages = messages[:len(messages)-1]
		if seen[md.FullName()] {
			continue
		}
		seen[md.FullName()] = true
		if md.IsPlaceholder() {
			return l.blame(symbol, md.FullName())
		}
		for i := range md.Fields().Len() {
			field := md.Fields().Get(i)
			if enum := field.Enum(); enum != nil && enum.IsPlaceholder() {
				return l.blame(symbol, enum.FullName())
			}
			if field.Message() != nil {
				messages = append(messages, field.Message())
			}
		}
	}
	return nil
}

// blame finds the file for which a type is missing.
func (l *library) blame(symbol string, missing protoreflect.FullName) error {
	var lacking, broken []string
	for path, why := range l.wrong {
		if why == nil {
			lacking = append(lacking, path)
			continue
		}
		broken = append(broken, path)
	}
	slices.Sort(lacking)
	slices.Sort(broken)
	for _, path := range broken {
		if defines(l.given[path], missing) {
			return &ImportError{Symbol: symbol, File: path, Err: l.wrong[path]}
		}
	}
	if len(lacking) > 0 {
		return &ImportError{Symbol: symbol, File: nearest(lacking, missing)}
	}
	return &ImportError{Symbol: symbol, File: "the file of " + string(missing)}
}

func defines(file *descriptorpb.FileDescriptorProto, name protoreflect.FullName) bool {
	for _, m := range file.GetMessageType() {
		if protoreflect.FullName(file.GetPackage()).Append(protoreflect.Name(m.GetName())) == name {
			return true
		}
	}
	for _, e := range file.GetEnumType() {
		if protoreflect.FullName(file.GetPackage()).Append(protoreflect.Name(e.GetName())) == name {
			return true
		}
	}
	return false
}

// nearest is the path that shares most with the name of a type, as far as paths
// follow packages.
func nearest(paths []string, name protoreflect.FullName) string {
	best, most := paths[0], -1
	for _, path := range paths {
		n := 0
		for i := 0; i < len(path) && i < len(name); i++ {
			if path[i] != name[i] && (path[i] != '/' || name[i] != '.') {
				break
			}
			n++
		}
		if n > most {
			best, most = path, n
		}
	}
	return best
}

// files returns the files and what they import, imports first, as they were given.
func (l *library) files(fds ...protoreflect.FileDescriptor) *descriptorpb.FileDescriptorSet {
	set := new(descriptorpb.FileDescriptorSet)
	seen := map[string]bool{}
	var walk func(protoreflect.FileDescriptor)
	walk = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] || fd.IsPlaceholder() {
			return
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			walk(fd.Imports().Get(i).FileDescriptor)
		}
		file := l.given[fd.Path()]
		if file == nil {
			file = protodesc.ToFileDescriptorProto(fd)
		}
		set.File = append(set.File, file)
	}
	for _, fd := range fds {
		walk(fd)
	}
	return set
}
