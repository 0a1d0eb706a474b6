package served

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Files is how many proto files define the service of ManyFiles, and Echo its
// method, whose answer is its request.
const (
	Files = 101
	Echo  = "bench.many.EchoService/Echo"
)

const servicePath = "bench/many/service.proto"

// ManyFiles starts a server whose one method is defined by Files files: that of
// the service and those of the fields of its message. Its reflection answers
// with one file at a time, as that of Rust's tonic does; grpc-go's sends the
// imports along.
func ManyFiles() (*Server, error) {
	files, err := protodesc.NewFiles(&descriptorpb.FileDescriptorSet{File: definitions()})
	if err != nil {
		return nil, err
	}
	found, err := files.FindDescriptorByName("bench.many.EchoService")
	if err != nil {
		return nil, err
	}
	message := found.(protoreflect.ServiceDescriptor).Methods().ByName("Echo").Input()
	return start(func(s *grpc.Server) {
		s.RegisterService(&grpc.ServiceDesc{
			ServiceName: string(found.FullName()), HandlerType: (*any)(nil),
			Methods: []grpc.MethodDesc{{MethodName: "Echo", Handler: echo(message)}},
		}, nil)
		reflectionv1.RegisterServerReflectionServer(s, oneByOne{files: files})
	})
}

// definitions returns the files, imported ones first.
func definitions() []*descriptorpb.FileDescriptorProto {
	service := &descriptorpb.FileDescriptorProto{
		Name: proto.String(servicePath), Package: proto.String("bench.many"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Whole")}},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: proto.String("EchoService"),
			Method: []*descriptorpb.MethodDescriptorProto{{
				Name: proto.String("Echo"), InputType: proto.String(".bench.many.Whole"), OutputType: proto.String(".bench.many.Whole"),
			}},
		}},
	}
	var files []*descriptorpb.FileDescriptorProto
	for i := range int32(Files - 1) {
		part := partFile(i)
		files = append(files, part)
		service.Dependency = append(service.Dependency, part.GetName())
		whole := service.MessageType[0]
		whole.Field = append(whole.Field, field(fmt.Sprintf("part%d", i), i+1, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, fmt.Sprintf(".bench.many.Part%d", i)))
	}
	return append(files, service)
}

// partFile is one imported file, of a message with twenty fields.
func partFile(i int32) *descriptorpb.FileDescriptorProto {
	message := &descriptorpb.DescriptorProto{Name: proto.String(fmt.Sprintf("Part%d", i))}
	for n := range int32(20) {
		message.Field = append(message.Field, field(fmt.Sprintf("value%d", n), n+1, descriptorpb.FieldDescriptorProto_TYPE_STRING, ""))
	}
	return &descriptorpb.FileDescriptorProto{
		Name: proto.String(fmt.Sprintf("bench/many/part%d.proto", i)), Package: proto.String("bench.many"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{message},
	}
}

func field(name string, number int32, kind descriptorpb.FieldDescriptorProto_Type, of string) *descriptorpb.FieldDescriptorProto {
	f := &descriptorpb.FieldDescriptorProto{
		Name: proto.String(name), Number: proto.Int32(number), Type: kind.Enum(),
		Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}
	if of != "" {
		f.TypeName = proto.String(of)
	}
	return f
}

func echo(message protoreflect.MessageDescriptor) grpc.MethodHandler {
	return func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		request := dynamicpb.NewMessage(message)
		return request, decode(request)
	}
}

// oneByOne is server reflection that sends the file asked for and no other.
type oneByOne struct {
	reflectionv1.UnimplementedServerReflectionServer
	files *protoregistry.Files
}

func (o oneByOne) ServerReflectionInfo(stream reflectionv1.ServerReflection_ServerReflectionInfoServer) error {
	for {
		question, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		answer := &reflectionv1.ServerReflectionResponse{ValidHost: question.GetHost(), OriginalRequest: question}
		o.answer(question, answer)
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}

func (o oneByOne) answer(question *reflectionv1.ServerReflectionRequest, answer *reflectionv1.ServerReflectionResponse) {
	if _, ok := question.GetMessageRequest().(*reflectionv1.ServerReflectionRequest_ListServices); ok {
		answer.MessageResponse = &reflectionv1.ServerReflectionResponse_ListServicesResponse{
			ListServicesResponse: &reflectionv1.ListServiceResponse{Service: []*reflectionv1.ServiceResponse{{Name: "bench.many.EchoService"}}},
		}
		return
	}
	body, err := o.file(question)
	if err != nil {
		answer.MessageResponse = &reflectionv1.ServerReflectionResponse_ErrorResponse{
			ErrorResponse: &reflectionv1.ErrorResponse{ErrorCode: int32(codes.NotFound), ErrorMessage: err.Error()},
		}
		return
	}
	answer.MessageResponse = &reflectionv1.ServerReflectionResponse_FileDescriptorResponse{
		FileDescriptorResponse: &reflectionv1.FileDescriptorResponse{FileDescriptorProto: [][]byte{body}},
	}
}

func (o oneByOne) file(question *reflectionv1.ServerReflectionRequest) ([]byte, error) {
	var file protoreflect.FileDescriptor
	switch q := question.GetMessageRequest().(type) {
	case *reflectionv1.ServerReflectionRequest_FileByFilename:
		found, err := o.files.FindFileByPath(q.FileByFilename)
		if err != nil {
			return nil, err
		}
		file = found
	case *reflectionv1.ServerReflectionRequest_FileContainingSymbol:
		found, err := o.files.FindDescriptorByName(protoreflect.FullName(q.FileContainingSymbol))
		if err != nil {
			return nil, err
		}
		file = found.ParentFile()
	default:
		return nil, errors.New("only files and symbols are answered")
	}
	return proto.Marshal(protodesc.ToFileDescriptorProto(file))
}
