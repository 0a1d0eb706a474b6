//go:build unix

package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/secure"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

// interopDescriptors is the interop service's files, those first that others import, as a FileDescriptorSet in base64.
func interopDescriptors(t *testing.T) string {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	add(testgrpc.File_grpc_testing_test_proto)
	text, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(text)
}

// grpcio is a script that stands on gRPC's own Python, with its first line of input.
func grpcio(ctx context.Context, t *testing.T, script string, config map[string]string) (*exec.Cmd, []byte) {
	t.Helper()
	config["descriptors"] = interopDescriptors(t)
	line, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, testenv.Python(t, "python/requirements-grpc.txt"), "python/"+script)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	return cmd, append(line, '\n')
}

// startGrpcio starts the Python server and returns its address. With a secret it wants service tokens.
func startGrpcio(t *testing.T, secret string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Minute)
	cmd, config := grpcio(ctx, t, "grpc_server.py", map[string]string{"secret": secret})
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer cancel()
		input.Close()
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("grpc_server.py: %v\n%s", err, &stderr)
		}
	})
	if _, err := input.Write(config); err != nil {
		t.Fatal(err)
	}
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("grpc_server.py said no address: %v", err)
	}
	return strings.TrimSpace(address)
}

// TestInteropWithGrpcio has grpc-go's own client cases make their calls through our channel, to gRPC's own Python.
func TestInteropWithGrpcio(t *testing.T) {
	t.Parallel()
	channel, err := rpc.NewChannel(t.Context(), rpc.Config{Target: startGrpcio(t, "")})
	if err != nil {
		t.Fatal(err)
	}
	defer channel.Close()
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "case\tgrpcio")
	for _, c := range interopCases() {
		verdict := "passes"
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		if err := c.run(ctx, channel); err != nil {
			verdict = "FAILS"
			t.Errorf("%s: %v", c.name, err)
		}
		cancel()
		_, _ = fmt.Fprintf(w, "%s\t%s\n", c.name, verdict)
	}
	_ = w.Flush()
	t.Logf("\n%s", &out)
}

// TestGrpcioFromTheCommandLine does the cases of a command line on gRPC's own Python, and has its error details decoded.
func TestGrpcioFromTheCommandLine(t *testing.T) {
	t.Parallel()
	p, address := newProgram(t), startGrpcio(t, "")
	interopByProgram(t, p, address)

	failing := `{"responseStatus": {"code": 9, "message": "sold out"}}`
	for _, method := range []string{"UnaryCall", "FullDuplexCall"} {
		a := p.call(t, 64+9, address, method, failing, "-H", "x-test-details: yes")
		want := []map[string]any{
			{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "NO_STOCK", "domain": "shop.example", "metadata": map[string]any{"sku": "7"}},
			{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.020s"},
			{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": []any{map[string]any{"field": "sku", "description": "索"}}},
		}
		if a.Status.Code != "FAILED_PRECONDITION" || a.Status.Message != "sold out" || fmt.Sprint(a.Status.Details) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, want %v", method, a.Status, want)
		}
	}
}

// TestOurChannelCallsGrpcio looks at what a Python server sees of our channel: the token, which PyJWT verifies, the
// request id, the deadline and the number of the attempt.
func TestOurChannelCallsGrpcio(t *testing.T) {
	t.Parallel()
	address := startGrpcio(t, pythonSecret)
	dial := func(secret string) testgrpc.TestServiceClient {
		source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "go-service", Secret: []byte(secret)})
		if err != nil {
			t.Fatal(err)
		}
		channel, err := rpc.NewChannel(t.Context(), rpc.Config{
			Target: address, ClientVersion: "conformance/1",
			Credentials: secure.CallCredentials{Token: source.Token, AllowPlaintext: true},
			Retry:       &rpc.Retry{Tries: 3, AttemptTimeout: 20 * time.Second, Backoff: resilience.Backoff{First: 10 * time.Millisecond}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = channel.Close() }) // closed once
		return testgrpc.NewTestServiceClient(channel)
	}
	client := dial(pythonSecret)

	ctx := telemetry.WithRequestID(t.Context(), "go-1")
	ctx = metadata.AppendToOutgoingContext(ctx, "x-test-failures", "2")
	var header, trailer metadata.MD
	if _, err := client.UnaryCall(ctx, &testgrpc.SimpleRequest{}, grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"caller": "go-service", "x-request-id": "go-1", "x-client-version": "conformance/1"} {
		if got := header.Get(name); !slices.Equal(got, []string{want}) {
			t.Errorf("Python saw %s %v, want %q", name, got, want)
		}
	}
	if len(header.Get("traceparent")) != 1 {
		t.Errorf("Python saw the trace %v", header.Get("traceparent"))
	}
	if left := trailer.Get("time-remaining"); len(left) != 1 || !within(t, left[0], 10, 20) {
		t.Errorf("Python saw %v s left of 20", left)
	}

	ctx = metadata.AppendToOutgoingContext(t.Context(), "x-test-failures", "3")
	_, err := client.UnaryCall(ctx, &testgrpc.SimpleRequest{})
	var call *rpc.CallError
	if !errors.As(err, &call) || len(call.Attempts) != 3 || !strings.Contains(err.Error(), "attempt 3 is to fail (after 3 tries)") {
		t.Errorf("three failures: %v", err)
	}
	stream, err := client.FullDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("a stream with a token: %v", err)
	}
	_, err = dial("another secret of more than thirty-two bytes").EmptyCall(t.Context(), &testgrpc.Empty{})
	if status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "InvalidSignatureError") {
		t.Errorf("another secret: %v", err)
	}
}

func within(t *testing.T, text string, low, high float64) bool {
	t.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return low < n && n <= high
}

// guardedServer is grpc-go's interop server behind our interceptors, some of whose calls go wrong.
type guardedServer struct {
	testgrpc.TestServiceServer
	callers  sync.Map
	timeLeft atomic.Int64 // of the call that sleeps
}

func (s *guardedServer) UnaryCall(ctx context.Context, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	if caller, ok := secure.Caller(ctx); ok {
		s.callers.Store(caller.Issuer, true)
	}
	switch string(r.GetPayload().GetBody()) {
	case "fail":
		e := resilience.NewUnavailable("stock-service", map[string]any{"sku": 7})
		e.Timeout = 1500 * time.Millisecond
		return nil, e
	case "panic":
		panic("a secret detail")
	case "sleep":
		deadline, _ := ctx.Deadline()
		s.timeLeft.Store(int64(time.Until(deadline)))
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.TestServiceServer.UnaryCall(ctx, r)
}

// pythonResult is what came of a call of the Python client.
type pythonResult struct {
	Code, Message     string
	Headers, Trailers map[string]string
	Sizes             []int
	Details           struct {
		ErrorInfo struct {
			Reason, Domain string
			Metadata       map[string]string
		}
		RetryInfo int
	}
}

// TestGrpcioCallsOurServer has gRPC's own Python call a server with our interceptors.
func TestGrpcioCallsOurServer(t *testing.T) {
	t.Parallel()
	s := &guardedServer{TestServiceServer: interop.NewTestServer()}
	address := serveGRPC(t, func(registrar *grpc.Server) {
		testgrpc.RegisterTestServiceServer(registrar, s)
		healthpb.RegisterHealthServer(registrar, health.NewServer())
		reflection.Register(registrar)
	}, rpc.ServerOptions(rpc.ServerConfig{Verifier: &secure.Verifier{Secret: []byte(pythonSecret)}, Open: rpc.HealthAndReflection()})...)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd, config := grpcio(ctx, t, "grpc_client.py", map[string]string{"address": address, "secret": pythonSecret})
	cmd.Stdin = bytes.NewReader(config)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("grpc_client.py: %v\n%s", err, &stderr)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(output, &all); err != nil {
		t.Fatal(err)
	}
	of := func(name string) (r pythonResult) {
		if err := json.Unmarshal(all[name], &r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return r
	}
	s.verify(t, of)
	if got := string(all["health"]) + string(all["reflection"]); got != `"SERVING"["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection", "grpc.testing.TestService"]` {
		t.Errorf("Python sees health and services %s", got)
	}
}

func (s *guardedServer) verify(t *testing.T, of func(string) pythonResult) {
	t.Helper()
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "call of Python\tcode\tpayloads\tmessage")
	for _, c := range []struct {
		name, code, text string
		sizes            []int
	}{
		{"unary", "OK", "", []int{314159}},
		{"with a request id", "OK", "", []int{314159}},
		{"server stream", "OK", "", []int{31415, 9}},
		{"client stream", "OK", "", []int{27190}},
		{"bidi stream", "OK", "", []int{31415, 9}},
		{"service error", "UNAVAILABLE", "stock-service", nil},
		{"panic", "INTERNAL", "panicked", nil},
		{"deadline", "DEADLINE_EXCEEDED|CANCELLED", "", nil}, // both ends keep the time; gRPC's server resets the stream if it is first
		{"anonymous", "UNAUTHENTICATED", secure.ErrNoToken.Error(), nil},
		{"anonymous stream", "UNAUTHENTICATED", secure.ErrNoToken.Error(), nil},
		{"expired", "UNAUTHENTICATED", secure.ErrExpired.Error(), nil},
		{"future", "UNAUTHENTICATED", secure.ErrNotYetValid.Error(), nil},
		{"other audience", "UNAUTHENTICATED", secure.ErrAudience.Error(), nil},
		{"other secret", "UNAUTHENTICATED", secure.ErrSignature.Error(), nil},
		{"no algorithm", "UNAUTHENTICATED", secure.ErrAlgorithm.Error(), nil},
	} {
		r := of(c.name)
		_, _ = fmt.Fprintf(w, "%s\t%s\t%v\t%s\n", c.name, r.Code, r.Sizes, r.Message)
		if !slices.Contains(strings.Split(c.code, "|"), r.Code) || !strings.Contains(r.Message, c.text) || !slices.Equal(r.Sizes, c.sizes) {
			t.Errorf("%s: %+v, want %s with %q and payloads of %v", c.name, r, c.code, c.text, c.sizes)
		}
		id := r.Headers["x-request-id"]
		if c.name == "with a request id" && id != "python-1" || c.code == "OK" && id == "" {
			t.Errorf("%s: the request id is %q", c.name, id)
		}
	}
	_ = w.Flush()
	t.Logf("\n%s", &out)
	for _, name := range []string{"unary", "bidi stream"} {
		r := of(name)
		if r.Headers["x-grpc-test-echo-initial"] != "value" || r.Trailers["x-grpc-test-echo-trailing-bin"] != "ababab" {
			t.Errorf("%s: metadata %v and %v", name, r.Headers, r.Trailers)
		}
	}
	failed := of("service error").Details
	if failed.ErrorInfo.Domain != rpc.ErrorDomain || failed.ErrorInfo.Metadata["detail.sku"] != "7" || failed.RetryInfo != 1500 {
		t.Errorf("Python reads the error's details as %+v", failed)
	}
	if strings.Contains(of("panic").Message, "secret detail") {
		t.Error("a panic is told to the caller")
	}
	if left := time.Duration(s.timeLeft.Load()); left <= 0 || left > 550*time.Millisecond { // it is rounded up on the wire
		t.Errorf("our server saw %s left of Python's half a second", left)
	}
	if _, ok := s.callers.Load("python-service"); !ok {
		t.Error("our server does not know who called")
	}
}
