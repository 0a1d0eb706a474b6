package rpc_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// defined is a server whose services are defined by proto source, which may
// change while it runs. Its reflection hands out one file in each answer, as
// that of many languages does.
type defined struct {
	// reflection are the versions that it has; nil is v1 alone.
	reflection []string
	// without are files that it does not hand out.
	without []string
	// answer handles unary calls; nil returns the request as the answer.
	answer func(method string, request *dynamicpb.Message) (json string, err error)
	// patience is how many questions its reflection waits for before it answers any.
	patience int
	// pause is how long its reflection takes over each answer.
	pause time.Duration

	mu     sync.Mutex
	files  []protoreflect.FileDescriptor
	asked  int // by reflection
	called int
}

// define replaces the definitions.
func (d *defined) define(t *testing.T, sources map[string]string) {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(sources),
	})}
	linked, err := compiler.Compile(context.Background(), slices.Sorted(maps.Keys(sources))...)
	if err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files = nil
	for _, file := range linked {
		d.files = append(d.files, file)
	}
}

func (d *defined) counts() (asked, called int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked, d.called
}

func (d *defined) start(t *testing.T, sources map[string]string, options ...grpc.ServerOption) string {
	t.Helper()
	d.define(t, sources)
	return serve(t, func(*grpc.Server) {}, append(options, grpc.UnknownServiceHandler(d.handle))...)
}

func (d *defined) handle(_ any, stream grpc.ServerStream) error {
	name, _ := grpc.MethodFromServerStream(stream)
	versions := d.reflection
	if versions == nil {
		versions = []string{"v1"}
	}
	for _, version := range versions {
		if name == "/grpc.reflection."+version+".ServerReflection/ServerReflectionInfo" {
			return d.reflect(stream)
		}
	}
	return d.call(name, stream)
}

func (d *defined) call(name string, stream grpc.ServerStream) error {
	found := d.find(strings.ReplaceAll(strings.Trim(name, "/"), "/", "."))
	method, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return status.Errorf(codes.Unimplemented, "unknown method %s", name)
	}
	d.mu.Lock()
	d.called++
	d.mu.Unlock()
	request, reply := dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output())
	if err := stream.RecvMsg(request); err != nil {
		return err
	}
	if d.answer == nil {
		return stream.SendMsg(request)
	}
	text, err := d.answer(string(method.Name()), request)
	if err != nil {
		return err
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal([]byte(text), reply); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return stream.SendMsg(reply)
}

// find looks for a symbol, or for a file when it ends in .proto.
func (d *defined) find(name string) protoreflect.Descriptor {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, file := range d.files {
		if file.Path() == name {
			return file
		}
		if found := within(file, protoreflect.FullName(name)); found != nil {
			return found
		}
	}
	return nil
}

func within(file protoreflect.FileDescriptor, name protoreflect.FullName) protoreflect.Descriptor {
	for i := range file.Services().Len() {
		service := file.Services().Get(i)
		if service.FullName() == name {
			return service
		}
		if m := service.Methods().ByName(name.Name()); m != nil && service.FullName() == name.Parent() {
			return m
		}
	}
	if name.Parent() != file.Package() {
		return nil
	}
	if m := file.Messages().ByName(name.Name()); m != nil {
		return m
	}
	if e := file.Enums().ByName(name.Name()); e != nil {
		return e
	}
	return nil
}

func (d *defined) reflect(stream grpc.ServerStream) error {
	var held []*reflectionv1.ServerReflectionResponse
	for {
		question, answer := new(reflectionv1.ServerReflectionRequest), new(reflectionv1.ServerReflectionResponse)
		if err := stream.RecvMsg(question); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		d.mu.Lock()
		d.asked++
		d.mu.Unlock()
		switch q := question.GetMessageRequest().(type) {
		case *reflectionv1.ServerReflectionRequest_ListServices:
			answer.MessageResponse = d.list()
		case *reflectionv1.ServerReflectionRequest_FileContainingSymbol:
			d.give(answer, q.FileContainingSymbol)
		case *reflectionv1.ServerReflectionRequest_FileByFilename:
			d.give(answer, q.FileByFilename)
		}
		if held = append(held, answer); len(held) < d.patience {
			continue
		}
		time.Sleep(d.pause)
		for _, answer := range held {
			if err := stream.SendMsg(answer); err != nil {
				return err
			}
		}
		held = nil
	}
}

func (d *defined) list() *reflectionv1.ServerReflectionResponse_ListServicesResponse {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := new(reflectionv1.ListServiceResponse)
	for _, file := range d.files {
		for i := range file.Services().Len() {
			list.Service = append(list.Service, &reflectionv1.ServiceResponse{Name: string(file.Services().Get(i).FullName())})
		}
	}
	return &reflectionv1.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: list}
}

func (d *defined) give(answer *reflectionv1.ServerReflectionResponse, name string) {
	found := d.find(name)
	if found == nil || slices.Contains(d.without, name) {
		answer.MessageResponse = &reflectionv1.ServerReflectionResponse_ErrorResponse{ErrorResponse: &reflectionv1.ErrorResponse{
			ErrorCode: int32(codes.NotFound), ErrorMessage: name + " is not known",
		}}
		return
	}
	file, ok := found.(protoreflect.FileDescriptor)
	if !ok {
		file = found.ParentFile()
	}
	b, _ := proto.Marshal(protodesc.ToFileDescriptorProto(file))
	answer.MessageResponse = &reflectionv1.ServerReflectionResponse_FileDescriptorResponse{
		FileDescriptorResponse: &reflectionv1.FileDescriptorResponse{FileDescriptorProto: [][]byte{b}},
	}
}

// shop is a small service in two files.
func shop(fields string) map[string]string {
	return map[string]string{
		"shop/v1/shop.proto": `syntax = "proto3"; package shop.v1;
import "shop/v1/money.proto"; import "google/protobuf/any.proto"; import "google/protobuf/timestamp.proto";
service Shop { rpc Buy(Order) returns (Order); rpc Sell(Order) returns (Order); }
service Till { rpc Count(Coins) returns (Coins); }
message Coins { int32 number = 1; }
enum Size { SIZE_UNSPECIFIED = 0; SIZE_SMALL = 1; }
message Order { string item = 1; Money price = 2; google.protobuf.Any extra = 3; google.protobuf.Timestamp at = 4; Size size = 5; int64 count = 6;` + fields + `
 message Unneeded { Heavy heavy = 1; } }
message Heavy { bytes weight = 1; }
message Unused { Heavy heavy = 1; }`,
		"shop/v1/money.proto": `syntax = "proto3"; package shop.v1;
message Money { int64 cents = 1; } message Gold { int64 grams = 1; }`,
	}
}

func answers(json string) func(string, *dynamicpb.Message) (string, error) {
	return func(string, *dynamicpb.Message) (string, error) { return json, nil }
}

func header(ctx context.Context, name string) []string {
	return metadata.ValueFromIncomingContext(ctx, name)
}

func pairs(pairs ...string) metadata.MD { return metadata.Pairs(pairs...) }

func newMessage(md protoreflect.MessageDescriptor) *dynamicpb.Message {
	return dynamicpb.NewMessage(md)
}
