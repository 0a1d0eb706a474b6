package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// The two versions of server reflection, whose messages are the same on the wire.
const (
	reflectionV1      = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
	reflectionV1Alpha = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
)

// reflection is a stream of questions to a server about its definitions.
type reflection struct {
	ctx    context.Context //nolint:containedctx // of the stream
	cancel func()
	conn   grpc.ClientConnInterface
	method string // of the version that the server has; "" until it is known
	stream grpc.ClientStream
}

// newReflection makes a client whose stream begins with the first question.
// Headers go with these questions alone.
func newReflection(ctx context.Context, conn grpc.ClientConnInterface, headers metadata.MD) *reflection {
	ctx, cancel := context.WithCancel(ctx)
	given, _ := metadata.FromOutgoingContext(ctx)
	return &reflection{ctx: metadata.NewOutgoingContext(ctx, metadata.Join(given, headers)), cancel: cancel, conn: conn}
}

// ask sends questions and returns their answers in the same order. A server
// that has no reflection v1 is asked by v1alpha.
func (r *reflection) ask(questions []*reflectionv1.ServerReflectionRequest) ([]*reflectionv1.ServerReflectionResponse, error) {
	answers, err := r.askAll(questions)
	if r.method == "" && status.Code(err) == codes.Unimplemented {
		r.method = reflectionV1Alpha
		if answers, err = r.askAll(questions); status.Code(err) == codes.Unimplemented {
			r.method = ""
			return nil, ErrNoReflection
		}
	}
	if err == nil && r.method == "" {
		r.method = reflectionV1
	}
	return answers, err
}

// askAll sends without waiting for answers, so that all take one round trip, and
// receives meanwhile, so that neither side waits for the other one to read. The
// sender ends with the questions or the stream.
func (r *reflection) askAll(questions []*reflectionv1.ServerReflectionRequest) (answers []*reflectionv1.ServerReflectionResponse, err error) {
	if err := r.open(); err != nil {
		return nil, err
	}
	stream, sent := r.stream, make(chan struct{})
	go func() {
		defer close(sent)
		for _, question := range questions {
			if stream.SendMsg(question) != nil {
				return // RecvMsg knows why
			}
		}
	}()
	defer func() { <-sent }()
	for range questions {
		answer := new(reflectionv1.ServerReflectionResponse)
		if err := stream.RecvMsg(answer); err != nil {
			r.stream = nil
			if errors.Is(err, io.EOF) {
				err = status.Error(codes.Unavailable, "the server ended the reflection stream without an answer")
			}
			return nil, err
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

func (r *reflection) open() (err error) {
	if r.stream != nil {
		return nil
	}
	method := r.method
	if method == "" {
		method = reflectionV1
	}
	r.stream, err = r.conn.NewStream(r.ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		r.stream = nil
	}
	return err
}

// services returns the names of the server's services.
func (r *reflection) services() ([]string, error) {
	answers, err := r.ask([]*reflectionv1.ServerReflectionRequest{{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{ListServices: "*"},
	}})
	if err != nil {
		return nil, err
	}
	if failed := answers[0].GetErrorResponse(); failed != nil {
		return nil, status.Error(codes.Code(failed.GetErrorCode()), failed.GetErrorMessage())
	}
	list := answers[0].GetListServicesResponse().GetService()
	names := make([]string, len(list))
	for i, service := range list {
		names[i] = service.GetName()
	}
	return names, nil
}

// found is the answer to a question for a file: files, or why there is none.
type found struct {
	files []*descriptorpb.FileDescriptorProto
	sums  []string // of the files as they came
	err   error
}

// containing asks for the files that define symbols.
func (r *reflection) containing(symbols []string) ([]found, error) {
	questions := make([]*reflectionv1.ServerReflectionRequest, len(symbols))
	for i, symbol := range symbols {
		questions[i] = &reflectionv1.ServerReflectionRequest{
			MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol},
		}
	}
	return r.files(questions)
}

// named asks for files by their paths.
func (r *reflection) named(paths []string) ([]found, error) {
	questions := make([]*reflectionv1.ServerReflectionRequest, len(paths))
	for i, path := range paths {
		questions[i] = &reflectionv1.ServerReflectionRequest{
			MessageRequest: &reflectionv1.ServerReflectionRequest_FileByFilename{FileByFilename: path},
		}
	}
	return r.files(questions)
}

func (r *reflection) files(questions []*reflectionv1.ServerReflectionRequest) ([]found, error) {
	answers, err := r.ask(questions)
	if err != nil {
		return nil, err
	}
	list := make([]found, len(answers))
	for i, answer := range answers {
		list[i] = readFiles(answer)
	}
	return list, nil
}

func readFiles(answer *reflectionv1.ServerReflectionResponse) (f found) {
	if failed := answer.GetErrorResponse(); failed != nil {
		f.err = status.Error(codes.Code(failed.GetErrorCode()), failed.GetErrorMessage())
		return f
	}
	for _, raw := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
		file := new(descriptorpb.FileDescriptorProto)
		if err := proto.Unmarshal(raw, file); err != nil {
			f.err = fmt.Errorf("read a file descriptor: %w", err)
			return f
		}
		f.files, f.sums = append(f.files, file), append(f.sums, sum(raw))
	}
	if len(f.files) == 0 {
		f.err = status.Error(codes.NotFound, "the answer has no file")
	}
	return f
}

// sums asks for the file of a service and for others by their paths, and returns
// the checksums of what comes.
func (r *reflection) sums(service string, paths []string) (map[string]bool, error) {
	questions := []*reflectionv1.ServerReflectionRequest{{
		MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service},
	}}
	for _, path := range paths {
		questions = append(questions, &reflectionv1.ServerReflectionRequest{
			MessageRequest: &reflectionv1.ServerReflectionRequest_FileByFilename{FileByFilename: path},
		})
	}
	answers, err := r.ask(questions)
	if err != nil {
		return nil, err
	}
	sums := map[string]bool{}
	for _, answer := range answers {
		for _, raw := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
			sums[sum(raw)] = true
		}
	}
	return sums, nil
}
