package served_test

import (
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/suokelife/suokectl/bench/served"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const rtt = 100 * time.Millisecond

func TestDelayTakesARoundTripAndNothingOfTheThroughput(t *testing.T) {
	proxy, err := served.Delay(echoes(t), rtt)
	if err != nil {
		t.Fatal(err)
	}
	defer close(t, proxy)
	start := time.Now()
	conn, err := net.Dial("tcp", proxy.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	buffer := make([]byte, 1)
	exchange := func() {
		if _, err := conn.Write(buffer); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, buffer); err != nil {
			t.Fatal(err)
		}
	}
	exchange()
	if took := time.Since(start); took < 2*rtt {
		t.Errorf("connection and answer took %s, want two round trips of %s at least", took, rtt)
	}
	start = time.Now()
	exchange()
	if took := time.Since(start); took < rtt {
		t.Errorf("an answer took %s, want a round trip of %s at least", took, rtt)
	}

	start = time.Now()
	const messages = 40
	go func() {
		for range messages {
			_, _ = conn.Write(make([]byte, 64<<10))
		}
	}()
	if _, err := io.CopyN(io.Discard, conn, messages*64<<10); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > messages*rtt/4 {
		t.Errorf("%d messages on their way together took %s", messages, took)
	}
}

// echoes returns the address of a server that says what it hears.
func echoes(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer func() { done <- struct{}{} }()
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.Copy(conn, conn)
	}()
	t.Cleanup(func() { close(t, listener); <-done })
	return listener.Addr().String()
}

func close(t *testing.T, c io.Closer) {
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestManyFilesAreHandedOutOneByOne(t *testing.T) {
	server, err := served.ManyFiles()
	if err != nil {
		t.Fatal(err)
	}
	defer close(t, server)
	conn, err := grpc.NewClient(server.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer close(t, conn)
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "bench.many.EchoService"},
	}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	files := answer.GetFileDescriptorResponse().GetFileDescriptorProto()
	var file descriptorpb.FileDescriptorProto
	if len(files) != 1 || proto.Unmarshal(files[0], &file) != nil || len(file.GetDependency()) != served.Files-1 {
		t.Errorf("the service's file came with %d files and imports %d, want none and %d", len(files)-1, len(file.GetDependency()), served.Files-1)
	}
}
