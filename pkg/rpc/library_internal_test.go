package rpc

import (
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	healthv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/health/v1"
)

// lists are file descriptor sets, whole and with something wrong in each.
func lists(t testing.TB) [][]byte {
	whole := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(healthv1.File_suokelife_health_v1_health_proto),
	}}
	spoil := []func(*descriptorpb.FileDescriptorProto){
		func(*descriptorpb.FileDescriptorProto) {},
		func(f *descriptorpb.FileDescriptorProto) { f.Dependency = append(f.Dependency, f.GetName()) },
		func(f *descriptorpb.FileDescriptorProto) { f.MessageType = f.MessageType[1:] },
		func(f *descriptorpb.FileDescriptorProto) { f.Package = proto.String("..") },
		func(f *descriptorpb.FileDescriptorProto) { f.MessageType[0].Field[0].Number = proto.Int32(-1) },
		func(f *descriptorpb.FileDescriptorProto) { f.Service[0].Method[0].InputType = proto.String("") },
		func(f *descriptorpb.FileDescriptorProto) { f.Service = append(f.Service, f.Service[0]) },
	}
	var all [][]byte
	for _, f := range spoil {
		set := proto.CloneOf(whole)
		f(set.File[0])
		b, err := proto.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// FuzzDefinitions takes what a server may say of itself through all that is done
// with it: what is accepted can be shown, filled in, pruned and read again.
func FuzzDefinitions(f *testing.F) {
	for _, b := range lists(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var set descriptorpb.FileDescriptorSet
		if proto.Unmarshal(b, &set) != nil {
			return
		}
		d := ofFiles(set.GetFile())
		for _, name := range d.names {
			_, _ = d.Describe(name)
			methods, err := d.Methods(name)
			if err != nil {
				continue
			}
			for _, method := range methods {
				m, err := d.Method(method.FullName)
				if err != nil {
					continue
				}
				pruned := newLibrary()
				pruned.add(prune(m, d.library).GetFile())
				pruned.link()
				if _, err := (&kept{Method: fullName(m), library: pruned}).method(); err != nil {
					t.Fatalf("%s does not survive: %v", method.FullName, err)
				}
				if template, err := d.Template(method.FullName); err == nil && !json.Valid(template.JSON) {
					t.Fatalf("the template is no JSON: %s", template.JSON)
				}
			}
		}
	})
}
