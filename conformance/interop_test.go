//go:build unix

package conformance

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/testdata"

	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/secure"
)

// interopCase is one of
// https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md, as grpc-go's own client does it.
type interopCase struct {
	name string
	do   func(ctx context.Context, channel *rpc.Channel)
}

func interopCases() []interopCase {
	stub := func(do func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption)) func(context.Context, *rpc.Channel) {
		return func(ctx context.Context, channel *rpc.Channel) { do(ctx, testgrpc.NewTestServiceClient(channel)) }
	}
	return []interopCase{
		{"empty_unary", stub(interop.DoEmptyUnaryCall)},
		{"large_unary", stub(interop.DoLargeUnaryCall)},
		{"client_streaming", stub(interop.DoClientStreaming)},
		{"server_streaming", stub(interop.DoServerStreaming)},
		{"ping_pong", stub(interop.DoPingPong)},
		{"empty_stream", stub(interop.DoEmptyStream)},
		{"custom_metadata", stub(interop.DoCustomMetadata)},
		{"status_code_and_message", stub(interop.DoStatusCodeAndMessage)},
		{"special_status_message", stub(interop.DoSpecialStatusMessage)},
		{"unimplemented_method", func(ctx context.Context, channel *rpc.Channel) {
			interop.DoUnimplementedMethod(ctx, channel.ClientConn)
		}},
		{"unimplemented_service", func(ctx context.Context, channel *rpc.Channel) {
			interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(channel))
		}},
		{"cancel_after_begin", stub(interop.DoCancelAfterBegin)},
		{"cancel_after_first_response", stub(interop.DoCancelAfterFirstResponse)},
		{"timeout_on_sleeping_server", stub(interop.DoTimeoutOnSleepingServer)},
		{"rpc_soak", func(ctx context.Context, channel *rpc.Channel) {
			interop.DoSoakTest(ctx, interop.SoakTestConfig{
				RequestSize: 271828, ResponseSize: 314159, Iterations: 20, NumWorkers: 2,
				PerIterationMaxAcceptableLatency: time.Minute, OverallTimeout: time.Minute,
				ServerAddr:     channel.Target(),
				ChannelForTest: func() (*grpc.ClientConn, func()) { return channel.ClientConn, func() {} },
			})
		}},
	}
}

// inapplicable are the other cases, and why they are not here.
var inapplicable = [][2]string{
	{"cacheable_unary", "wants a caching proxy between client and server, and GET, which gRPC has given up"},
	{"client_compressed_unary, client_compressed_streaming", "grpc-go's server does not implement what they expect"},
	{"server_compressed_unary, server_compressed_streaming", "grpc-go's server does not implement what they expect"},
	{"compute_engine_creds, jwt_token_creds, oauth2_auth_token, per_rpc_creds", "want accounts at Google"},
	{"google_default_credentials, compute_engine_channel_credentials", "want accounts at Google"},
	{"orca_per_rpc, orca_oob", "test a load-balancing policy, of which the channel has its own"},
	{"pick_first_unary", "tests a load-balancing policy behind grpclb"},
	{"channel_soak", "opens a new connection for every call, which is what a channel is not"},
	{"xDS, ALTS, grpclb and RPC behaviour cases", "test what the channel does not link"},
}

// TestInteropThroughAChannel has grpc-go's own client cases make their calls through our channel, to grpc-go's own
// server: bare, behind TLS, and behind our interceptors, with a token.
func TestInteropThroughAChannel(t *testing.T) {
	t.Parallel()
	secret := []byte(pythonSecret)
	source, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "interop", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	serverTLS, clientTLS := interopTLS(t)
	guarded := rpc.ServerOptions(rpc.ServerConfig{Verifier: &secure.Verifier{Secret: secret}})
	variants := []struct {
		name   string
		server []grpc.ServerOption
		client rpc.Config
	}{
		{"bare", nil, rpc.Config{}},
		{"TLS", []grpc.ServerOption{grpc.Creds(serverTLS)}, rpc.Config{TLS: clientTLS}},
		{"TLS, interceptors, token", append(guarded, grpc.Creds(serverTLS)), rpc.Config{
			TLS: clientTLS, Credentials: secure.CallCredentials{Token: source.Token},
		}},
	}
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprint(w, "case")
	channels := make([]*rpc.Channel, len(variants))
	for i, v := range variants {
		v.client.Target = serveInterop(t, v.server...)
		if channels[i], err = rpc.NewChannel(t.Context(), v.client); err != nil {
			t.Fatal(err)
		}
		defer channels[i].Close()
		_, _ = fmt.Fprint(w, "\t"+v.name)
	}
	for _, c := range interopCases() {
		_, _ = fmt.Fprint(w, "\n"+c.name)
		for i, v := range variants {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			verdict := "passes"
			if err := c.run(ctx, channels[i]); err != nil {
				verdict = "FAILS"
				t.Errorf("%s, %s: %v", c.name, v.name, err)
			}
			cancel()
			_, _ = fmt.Fprint(w, "\t"+verdict)
		}
	}
	_, _ = fmt.Fprintln(w, "\n\nnot applicable\twhy")
	for _, row := range inapplicable {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
	}
	_ = w.Flush()
	t.Logf("\n%s", &out)
}

// run does a case. One that fails says so by a fatal log, which fatalLogger makes a panic.
func (c interopCase) run(ctx context.Context, channel *rpc.Channel) (err error) {
	defer func() {
		if p := recover(); p != nil {
			failed, ok := p.(fatalText)
			if !ok {
				panic(p)
			}
			err = errors.New(string(failed))
		}
	}()
	c.do(ctx, channel)
	return nil
}

type fatalText string

// fatalLogger is gRPC's log, in which what would end the process is a panic of its goroutine.
type fatalLogger struct{ grpclog.LoggerV2 }

// logFatally makes gRPC's log a fatalLogger's. It must be called before anything else is done with gRPC.
func logFatally() {
	grpclog.SetLoggerV2(fatalLogger{grpclog.NewLoggerV2(io.Discard, io.Discard, os.Stderr)})
}

func (fatalLogger) Fatal(args ...any)                 { panic(fatalText(fmt.Sprint(args...))) }
func (fatalLogger) Fatalln(args ...any)               { panic(fatalText(fmt.Sprintln(args...))) }
func (fatalLogger) Fatalf(format string, args ...any) { panic(fatalText(fmt.Sprintf(format, args...))) }

// TestTheInteropSuiteCanFail has a case meet a server that answers wrongly.
func TestTheInteropSuiteCanFail(t *testing.T) {
	t.Parallel()
	address := serveGRPC(t, func(s *grpc.Server) { testgrpc.RegisterTestServiceServer(s, &instance{}) })
	channel, err := rpc.NewChannel(t.Context(), rpc.Config{Target: address})
	if err != nil {
		t.Fatal(err)
	}
	defer channel.Close()
	for _, c := range interopCases()[:5] {
		if err := c.run(t.Context(), channel); err == nil {
			t.Errorf("%s passes with a server that does not implement it", c.name)
		}
	}
}

// interopTLS is grpc-go's own test certificate, and a client's trust in it.
func interopTLS(t *testing.T) (server credentials.TransportCredentials, client *tls.Config) {
	t.Helper()
	server, err := credentials.NewServerTLSFromFile(testdata.Path("server1.pem"), testdata.Path("server1.key"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(testdata.Path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatal("no certificate in ca.pem")
	}
	return server, &tls.Config{RootCAs: roots, ServerName: "interop.test.google.fr", MinVersion: tls.VersionTLS12}
}

// serveInterop starts grpc-go's interop server with health and reflection.
func serveInterop(t *testing.T, options ...grpc.ServerOption) string {
	t.Helper()
	return serveGRPC(t, func(s *grpc.Server) {
		testgrpc.RegisterTestServiceServer(s, interop.NewTestServer())
		status := health.NewServer()
		status.SetServingStatus("grpc.testing.TestService", healthpb.HealthCheckResponse_NOT_SERVING)
		healthpb.RegisterHealthServer(s, status)
		reflection.Register(s)
	}, options...)
}

func serveGRPC(t *testing.T, register func(*grpc.Server), options ...grpc.ServerOption) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(append(options, grpc.MaxRecvMsgSize(rpc.MaxMessageBytes))...)
	register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// program is the program itself with a home of its own.
type program struct {
	path string
	home string
}

// build is the program, built once.
var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(dataDir, "suokectl")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Dir = ".." // the program's own module, with its versions
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return path, nil
})

func newProgram(t *testing.T) program {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return program{path, t.TempDir()}
}

// run runs the program; want is the exit code.
func (p program) run(t *testing.T, want int, stdin string, args ...string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Env = append(
		os.Environ(), "HOME="+p.home, "XDG_CONFIG_HOME="+p.home+"/config", "XDG_CACHE_HOME="+p.home+"/cache",
		"XDG_STATE_HOME="+p.home+"/state", "XDG_RUNTIME_DIR="+p.home,
	)
	cmd.Stdin = strings.NewReader(stdin)
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != want {
		t.Fatalf("%q exits with %d, want %d: %s", args, code, want, &diagnostics)
	}
	return out.String(), diagnostics.String()
}

// answer is what `rpc call -o json` prints.
type answer struct {
	Kind     string
	Headers  map[string][]string
	Trailers map[string][]string
	Messages []struct{ Payload struct{ Body string } }
	Status   struct {
		Code, Message string
		Details       []map[string]any
	}
	Attempts []rpc.Attempt
}

// sizes are those of the payloads.
func (a answer) sizes(t *testing.T) []int {
	t.Helper()
	var all []int
	for _, message := range a.Messages {
		body, err := base64.StdEncoding.DecodeString(message.Payload.Body)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, len(body))
	}
	return all
}

// call calls a method of the interop service.
func (p program) call(t *testing.T, want int, address, method, body string, flags ...string) answer {
	t.Helper()
	args := append([]string{"rpc", "call", address, "grpc.testing.TestService/" + method, "-d", "-", "-o", "json", "--plaintext"}, flags...)
	stdout, stderr := p.run(t, want, body, args...)
	var a answer
	if err := json.Unmarshal([]byte(stdout), &a); err != nil {
		t.Fatalf("%s: %v in %s%s", method, err, stdout, stderr)
	}
	return a
}

// TestInteropFromTheCommandLine calls grpc-go's own server with the program, by reflection.
func TestInteropFromTheCommandLine(t *testing.T) {
	t.Parallel()
	interopByProgram(t, newProgram(t), serveInterop(t))
}

// interopByProgram does the interop cases that a command line can express, on a server that has reflection and health.
func interopByProgram(t *testing.T, p program, address string) {
	t.Helper()
	zeros := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for _, c := range []struct {
		name, method, body string
		kind               string
		sizes              []int
	}{
		{"empty_unary", "EmptyCall", "", "unary", []int{0}},
		{"large_unary", "UnaryCall", `{"responseSize": 314159, "payload": {"body": "` + zeros(271828) + `"}}`, "unary", []int{314159}},
		{"a message of 16 MiB both ways", "UnaryCall", `{"responseSize": 16777216, "payload": {"body": "` + zeros(16<<20) + `"}}`, "unary", []int{16 << 20}},
		{
			"server_streaming", "StreamingOutputCall",
			`{"responseParameters": [{"size": 31415}, {"size": 9}, {"size": 2653}, {"size": 58979}]}`, "server_stream", []int{31415, 9, 2653, 58979},
		},
		{
			"ping_pong", "FullDuplexCall",
			`{"responseParameters": [{"size": 31415}], "payload": {"body": "` + zeros(27182) + `"}}
			 {"responseParameters": [{"size": 9}], "payload": {"body": "` + zeros(8) + `"}}
			 {"responseParameters": [{"size": 2653}], "payload": {"body": "` + zeros(1828) + `"}}
			 {"responseParameters": [{"size": 58979}], "payload": {"body": "` + zeros(45904) + `"}}`, "bidi_stream", []int{31415, 9, 2653, 58979},
		},
		{"empty_stream", "FullDuplexCall", "", "bidi_stream", nil},
	} {
		a := p.call(t, 0, address, c.method, c.body)
		if a.Status.Code != "OK" || a.Kind != c.kind || !slices.Equal(a.sizes(t), c.sizes) {
			t.Errorf("%s: %s, %s, payloads of %v bytes, want %v", c.name, a.Status.Code, a.Kind, a.sizes(t), c.sizes)
		}
	}
	sent := `{"payload": {"body": "` + zeros(27182) + `"}} {"payload": {"body": "` + zeros(8) + `"}} {"payload": {"body": "` + zeros(1828) + `"}} {"payload": {"body": "` + zeros(45904) + `"}}`
	stdout, _ := p.run(t, 0, sent, "rpc", "call", address, "StreamingInputCall", "--plaintext", "-d", "-", "--jq", ".messages[0].aggregatedPayloadSize")
	if strings.TrimSpace(stdout) != "74922" {
		t.Errorf("client_streaming: the server took %s bytes", stdout)
	}
	p.metadata(t, address)
	p.statuses(t, address)
	p.health(t, address)
}

// metadata is custom_metadata.
func (p program) metadata(t *testing.T, address string) {
	t.Helper()
	const text, binary = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"
	for _, method := range []string{"UnaryCall", "FullDuplexCall"} {
		body := map[string]string{"UnaryCall": "{}", "FullDuplexCall": `{"responseParameters": [{"size": 1}]}`}[method]
		a := p.call(t, 0, address, method, body, "-H", text+": test_initial_metadata_value", "-H", binary+": q6ur")
		if got := a.Headers[text]; !slices.Equal(got, []string{"test_initial_metadata_value"}) {
			t.Errorf("custom_metadata, %s: header %v", method, got)
		}
		if got := a.Trailers[binary]; !slices.Equal(got, []string{"q6ur"}) {
			t.Errorf("custom_metadata, %s: trailer %v, want q6ur, the base64 of ab ab ab", method, got)
		}
	}
}

// statuses are the cases that end with another code than OK.
func (p program) statuses(t *testing.T, address string) {
	t.Helper()
	const special = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
	for _, c := range []struct{ method, message string }{
		{"UnaryCall", "test status message"}, {"FullDuplexCall", "test status message"}, {"UnaryCall", special},
	} {
		body, err := json.Marshal(map[string]any{"responseStatus": map[string]any{"code": 2, "message": c.message}})
		if err != nil {
			t.Fatal(err)
		}
		a := p.call(t, 64+2, address, c.method, string(body))
		if a.Status.Code != "UNKNOWN" || a.Status.Message != c.message || len(a.Messages) != 0 {
			t.Errorf("status of %s: %+v, want %q", c.method, a.Status, c.message)
		}
	}
	a := p.call(t, 64+12, address, "UnimplementedCall", "{}")
	if a.Status.Code != "UNIMPLEMENTED" {
		t.Errorf("unimplemented_method: %+v", a.Status)
	}
	slow := `{"responseParameters": [{"size": 1, "intervalUs": 5000000}]}`
	if a := p.call(t, 64+4, address, "StreamingOutputCall", slow, "--max-time", "700ms"); a.Status.Code != "DEADLINE_EXCEEDED" {
		t.Errorf("timeout_on_sleeping_server: %+v", a.Status)
	}
}

// health asks the standard health service, which serves, but for the interop service.
func (p program) health(t *testing.T, address string) {
	t.Helper()
	stdout, _ := p.run(t, 0, "", "rpc", "health", address, "--plaintext", "-o", "json")
	if !strings.Contains(stdout, `"SERVING"`) {
		t.Errorf("health: %s", stdout)
	}
	stdout, _ = p.run(t, 1, "", "rpc", "health", address, "grpc.testing.TestService", "--plaintext", "-o", "json")
	if !strings.Contains(stdout, `"NOT_SERVING"`) {
		t.Errorf("health of the service: %s", stdout)
	}
	stdout, _ = p.run(t, 0, "", "rpc", "list", address, "--plaintext", "-o", "name")
	for _, service := range []string{"grpc.health.v1.Health", "grpc.testing.TestService"} {
		if !slices.Contains(strings.Fields(stdout), service) {
			t.Errorf("list: no %s in %s", service, stdout)
		}
	}
	stdout, _ = p.run(t, 0, "", "rpc", "describe", address, "grpc.testing.SimpleRequest", "--plaintext")
	if !strings.Contains(stdout, "response_size") {
		t.Errorf("describe: %s", stdout)
	}
}
