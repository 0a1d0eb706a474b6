package rpc

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/fullstorydev/grpcurl"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// ReadProtoset reads definitions from files with an encoded
// google.protobuf.FileDescriptorSet each, as protoc --descriptor_set_out and buf
// build write them. What is in several of them is taken from the first.
func ReadProtoset(paths ...string) (*Descriptors, error) {
	var list []*descriptorpb.FileDescriptorProto
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the protoset: %w", err)
		}
		var set descriptorpb.FileDescriptorSet
		if err := proto.Unmarshal(b, &set); err != nil || len(set.GetFile()) == 0 {
			return nil, fmt.Errorf("read the protoset %s: it is no encoded google.protobuf.FileDescriptorSet; `protoc --include_imports --descriptor_set_out` and `buf build -o FILE.binpb` make one", path)
		}
		list = append(list, set.GetFile()...)
	}
	return ofFiles(list), nil
}

// CompileProtos compiles proto sources. Paths, and what they import, are looked
// for in the folders importPaths; with none of these in the working folder and
// beside the files. Errors name file, line and column. The compiler is that of
// grpcurl, which takes what that command takes.
func CompileProtos(importPaths []string, paths ...string) (*Descriptors, error) {
	folders := importPaths
	if len(folders) == 0 {
		folders = []string{"."}
		for _, path := range paths {
			folders = append(folders, filepath.Dir(path))
		}
	}
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = within(path, folders)
	}
	source, err := grpcurl.DescriptorSourceFromProtoFiles(folders, names...)
	if err != nil {
		return nil, fmt.Errorf("compile the protos: %w", err)
	}
	files, err := grpcurl.GetAllFiles(source)
	if err != nil {
		return nil, fmt.Errorf("compile the protos: %w", err)
	}
	list := make([]*descriptorpb.FileDescriptorProto, len(files))
	for i, file := range files {
		list[i] = file.AsFileDescriptorProto()
	}
	return ofFiles(list), nil
}

// within returns a path as the files of the folders name it.
func within(path string, folders []string) string {
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, path)); err == nil && !filepath.IsAbs(path) {
			return filepath.ToSlash(path)
		}
		if below, err := filepath.Rel(folder, path); err == nil && filepath.IsLocal(below) {
			return filepath.ToSlash(below)
		}
	}
	return filepath.ToSlash(path)
}

func ofFiles(list []*descriptorpb.FileDescriptorProto) *Descriptors {
	d := &Descriptors{library: newLibrary(), names: []string{}, complete: true}
	d.library.add(list)
	d.library.link()
	for _, file := range list {
		for _, service := range file.GetService() {
			d.names = append(d.names, string(protoreflect.FullName(file.GetPackage()).Append(protoreflect.Name(service.GetName()))))
		}
	}
	slices.Sort(d.names)
	d.names = slices.Compact(d.names)
	return d
}
