package rpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/internal/lab/services"
	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	healthv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/health/v1"
	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/rpc"
)

func TestFlakyInstanceIsTriedAgain(t *testing.T) {
	server := start(t, services.Options{Name: "auth-service", Flaky: true})
	var announced []rpc.Attempt
	retry := quick()
	retry.OnRetry = func(a rpc.Attempt) { announced = append(announced, a) }
	ch := dial(t, rpc.Config{Target: server.Addr(), Credentials: token(t), Retry: retry})
	call := invoke(t, ch, "Login", login)
	if call.Err() != nil || len(call.Attempts) != 2 {
		t.Fatalf("call = %+v, %v", call, call.Err())
	}
	first := call.Attempts[0]
	if first.Code != "UNAVAILABLE" || first.Instance != server.Addr() || first.RetryReason != "UNAVAILABLE is retried" || first.WaitMS != 10 {
		t.Errorf("first attempt = %+v", first)
	}
	if second := call.Attempts[1]; second.Number != 2 || second.Code != "OK" || second.RetryReason != "" {
		t.Errorf("second attempt = %+v", second)
	}
	if len(announced) != 1 || announced[0] != first {
		t.Errorf("announced %+v", announced)
	}
}

func TestAttemptsShareTheRequestIDAndTrace(t *testing.T) {
	var seen []metadata.MD
	address := serveLogin(t, func(ctx context.Context) (*authv1.LoginResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		seen = append(seen, md)
		return nil, status.Error(codes.Unavailable, "down")
	})
	ch := dial(t, rpc.Config{Target: address, ClientVersion: "test/1", APIVersion: "v2", Credentials: token(t)})
	call := invoke(t, ch, "Login", login)
	if len(seen) != 3 {
		t.Fatalf("the server saw %d attempts", len(seen))
	}
	trace := func(md metadata.MD) string { return md.Get("traceparent")[0][3:35] }
	for i, md := range seen {
		for name, want := range map[string]string{
			"x-request-id": call.RequestID, "x-client-version": "test/1", "x-api-version": "v2", "x-b3-traceid": trace(seen[0]),
		} {
			if got := md.Get(name); !slices.Equal(got, []string{want}) {
				t.Errorf("attempt %d: %s = %v, want %q", i+1, name, got, want)
			}
		}
		if earlier := md.Get("grpc-previous-rpc-attempts"); fmt.Sprint(earlier) != []string{"[]", "[1]", "[2]"}[i] {
			t.Errorf("attempt %d: previous attempts %v", i+1, earlier)
		}
		if len(md.Get("authorization")) != 1 || trace(md) != trace(seen[0]) {
			t.Errorf("attempt %d: metadata %v", i+1, md)
		}
	}
	if spans := seen[0].Get("x-b3-spanid")[0] == seen[1].Get("x-b3-spanid")[0]; spans {
		t.Error("two attempts share a span")
	}
	if want := "down (after 3 tries)"; call.Status.Message != want || call.Status.Code != "UNAVAILABLE" {
		t.Errorf("status = %+v, want %q", call.Status, want)
	}
}

func TestGeneratedStubsSeeTheCallError(t *testing.T) {
	address := serveLogin(t, func(context.Context) (*authv1.LoginResponse, error) {
		return nil, status.Error(codes.Unavailable, "down")
	})
	_, err := authv1.NewAuthServiceClient(dial(t, rpc.Config{Target: address})).Login(t.Context(), &authv1.LoginRequest{})
	var call *rpc.CallError
	var retry *resilience.RetryError
	if !errors.As(err, &call) || len(call.Attempts) != 3 || !errors.As(err, &retry) || status.Code(err) != codes.Unavailable {
		t.Errorf("err = %v (%T)", err, err)
	}
}

func TestWhatIsRetried(t *testing.T) {
	for _, c := range []struct {
		code     codes.Code
		pushback string
		attempts int
	}{
		{codes.Unavailable, "", 3},
		{codes.DeadlineExceeded, "", 3},
		{codes.Unavailable, "1", 3},
		{codes.Unavailable, "-1", 1},
		{codes.Unavailable, "soon", 1},
		{codes.Internal, "", 1},
		{codes.Unknown, "", 1},
		{codes.ResourceExhausted, "", 1},
		{codes.Aborted, "", 1},
	} {
		var calls atomic.Int32
		address := serveLogin(t, func(ctx context.Context) (*authv1.LoginResponse, error) {
			calls.Add(1)
			if c.pushback != "" {
				if err := grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", c.pushback)); err != nil {
					return nil, err
				}
			}
			return nil, status.Error(c.code, "no")
		})
		call := invoke(t, dial(t, rpc.Config{Target: address}), "Login", login)
		if len(call.Attempts) != c.attempts || int(calls.Load()) != c.attempts {
			t.Errorf("%v, pushback %q: %d attempts, the server saw %d, want %d", c.code, c.pushback, len(call.Attempts), calls.Load(), c.attempts)
		}
	}
}

func TestAStuckInstanceIsLeft(t *testing.T) {
	stuck := func(ctx context.Context) (*authv1.LoginResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	good := func(context.Context) (*authv1.LoginResponse, error) { return &authv1.LoginResponse{}, nil }
	bad := serveLogin(t, stuck)
	retry := quick()
	retry.AttemptTimeout = 300 * time.Millisecond
	ch := dial(t, rpc.Config{Target: "auth-service", Instances: fixed(bad, serveLogin(t, good)), Retry: retry})
	for range 6 {
		call := invoke(t, ch, "Login", login)
		if call.Err() != nil || len(call.Attempts) > 2 {
			t.Fatalf("call = %+v, %v", call, call.Err())
		}
		if first := call.Attempts[0]; len(call.Attempts) == 2 && (first.Instance != bad || first.Code != "DEADLINE_EXCEEDED") {
			t.Errorf("first attempt = %+v", first)
		}
	}
}

func TestADiscoveredInstanceThatRefusesIsPassedOver(t *testing.T) {
	server := start(t, services.Options{Name: "auth-service"})
	slow := rpc.DefaultRetry()
	ch := dial(t, rpc.Config{Target: "auth-service", Instances: fixed(refusing(t), server.Addr(), refusing(t)), Credentials: token(t), Retry: &slow})
	begin := time.Now()
	for range 5 {
		if call := invoke(t, ch, "Login", login); call.Err() != nil || len(call.Attempts) != 1 {
			t.Fatalf("call = %+v, %v", call, call.Err())
		}
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("took %v: it waited for an instance that refuses", took)
	}
}

func TestADiscoveredServiceWhoseInstancesAllRefuseIsRetried(t *testing.T) {
	ch := dial(t, rpc.Config{Target: "auth-service", Instances: fixed(refusing(t), refusing(t))})
	_, err := authv1.NewAuthServiceClient(ch).Login(t.Context(), &authv1.LoginRequest{})
	var call *rpc.CallError
	if !errors.As(err, &call) || len(call.Attempts) != 3 || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("err = %v", err)
	}
}

func TestARefusingLiteralAddressFailsAtOnce(t *testing.T) {
	address := refusing(t)
	slow := rpc.DefaultRetry()
	for name, ask := range map[string]func(*rpc.Channel) error{
		"invoke": func(ch *rpc.Channel) error {
			_, err := ch.Call(t.Context(), rpc.Request{Method: "Login"})
			return err
		},
		"list": func(ch *rpc.Channel) error { _, err := ch.Reflect(t.Context()).Services(); return err },
	} {
		ch := dial(t, rpc.Config{Target: address, Retry: &slow})
		begin := time.Now()
		err := ask(ch)
		wantError(t, err, rpc.ErrRefused, address+": connection refused")
		if code, ok := rpc.Code(err); !ok || code != codes.Unavailable {
			t.Errorf("%s: code = %v", name, code)
		}
		if took := time.Since(begin); took > 1500*time.Millisecond {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func TestEveryKindOfAddress(t *testing.T) {
	_, port, err := net.SplitHostPort(start(t, services.Options{Name: "auth-service"}).Addr())
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "auth.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, listener, func(s *grpc.Server) {
		authv1.RegisterAuthServiceServer(s, authServer{login: func(context.Context) (*authv1.LoginResponse, error) {
			return &authv1.LoginResponse{}, nil
		}})
		reflection.Register(s)
	})
	for _, target := range []string{"127.0.0.1:" + port, "localhost:" + port, "dns:///localhost:" + port, "unix:" + socket, "unix://" + socket} {
		call := invoke(t, dial(t, rpc.Config{Target: target, Credentials: token(t)}), "Login", login)
		if call.Err() != nil || call.Attempts[0].Instance == "" {
			t.Errorf("%s: %+v, %v", target, call, call.Err())
		}
	}
}

func TestANameThatDoesNotResolveFailsAtOnce(t *testing.T) {
	slow := rpc.DefaultRetry()
	ch := dial(t, rpc.Config{Target: "no-such-host.invalid:1", Retry: &slow})
	_, err := ch.Call(t.Context(), rpc.Request{Method: "Login"})
	wantError(t, err, rpc.ErrUnreachable, "no-such-host.invalid:1: no connection: ")
}

func TestABlackHoleEndsAtTheDeadline(t *testing.T) {
	retry := quick()
	retry.AttemptTimeout = 100 * time.Millisecond
	for name, address := range map[string]string{"literal": blackHole(t), "unresponsive": ""} {
		if address == "" {
			address = serveLogin(t, func(ctx context.Context) (*authv1.LoginResponse, error) { <-ctx.Done(); return nil, ctx.Err() })
		}
		ch := dial(t, rpc.Config{Target: address, Retry: retry})
		_, err := authv1.NewAuthServiceClient(ch).Login(t.Context(), &authv1.LoginRequest{})
		var call *rpc.CallError
		if status.Code(err) != codes.DeadlineExceeded || !errors.As(err, &call) || len(call.Attempts) != 3 {
			t.Errorf("%s: err = %v", name, err)
		}
	}
	ch := dial(t, rpc.Config{Target: blackHole(t), Retry: retry})
	d := ch.Reflect(t.Context())
	defer d.Close()
	if _, err := d.Services(); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("reflection: err = %v", err)
	}
	if _, err := ch.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, "/a.B/C"); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("stream: err = %v", err)
	}
}

func TestTheCallsDeadlineBoundsAttemptsAndWaits(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	slow := rpc.DefaultRetry()
	ch := dial(t, rpc.Config{Target: serveLogin(t, func(context.Context) (*authv1.LoginResponse, error) {
		return nil, status.Error(codes.Unavailable, "down")
	}), Retry: &slow})
	call, err := ch.Call(ctx, rpc.Request{Method: "Login"})
	if err != nil || call.Status.Code != "UNAVAILABLE" || len(call.Attempts) != 1 {
		t.Fatalf("call = %+v, %v", call, err)
	}
	if want := "not retried: no time left for another try"; call.Attempts[0].RetryReason != want {
		t.Errorf("retry reason = %q, want %q", call.Attempts[0].RetryReason, want)
	}
}

func TestDiscoveryErrors(t *testing.T) {
	broken := errors.New("no instance passes (2 critical)")
	for want, find := range map[error]func(context.Context) ([]string, error){
		broken:             func(context.Context) ([]string, error) { return nil, broken },
		rpc.ErrNoInstances: fixed(),
	} {
		_, err := rpc.NewChannel(t.Context(), rpc.Config{Target: "auth-service", Instances: find})
		var discovery *rpc.DiscoveryError
		if !errors.Is(err, want) || !errors.As(err, &discovery) || discovery.Service != "auth-service" {
			t.Errorf("err = %v, want %v", err, want)
		}
	}
}

func TestInstancesAreFoundAgainWhenTheyMove(t *testing.T) {
	old := start(t, services.Options{Name: "auth-service"})
	fresh := start(t, services.Options{Name: "auth-service"})
	var moved atomic.Bool
	ch := dial(t, rpc.Config{Target: "auth-service", Credentials: token(t), Retry: &rpc.Retry{
		Tries: 5, AttemptTimeout: time.Second, Backoff: resilience.Backoff{First: 500 * time.Millisecond},
	}, Instances: func(context.Context) ([]string, error) {
		if moved.Load() {
			return []string{fresh.Addr()}, nil
		}
		return []string{old.Addr()}, nil
	}})
	if call := invoke(t, ch, "Login", login); call.Attempts[0].Instance != old.Addr() {
		t.Fatalf("attempts = %+v", call.Attempts)
	}
	moved.Store(true)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	call := invoke(t, ch, "Login", login)
	if last := call.Attempts[len(call.Attempts)-1]; call.Err() != nil || last.Instance != fresh.Addr() {
		t.Errorf("call = %+v, %v", call, call.Err())
	}
}

// dyingServer sends one message and breaks the connection.
type dyingServer struct {
	healthv1.UnimplementedHealthServiceServer
	die func()
}

func (s dyingServer) WatchVitals(_ *healthv1.WatchVitalsRequest, stream grpc.ServerStreamingServer[healthv1.WatchVitalsResponse]) error {
	if err := stream.Send(&healthv1.WatchVitalsResponse{Vitals: &healthv1.VitalSigns{UserId: "u1"}}); err != nil {
		return err
	}
	s.die()
	<-stream.Context().Done()
	return stream.Context().Err()
}

// breakable is a listener whose connections can be broken.
type breakable struct {
	net.Listener
	conns chan net.Conn
}

func (b breakable) Accept() (net.Conn, error) {
	conn, err := b.Listener.Accept()
	if err == nil {
		b.conns <- conn
	}
	return conn, err
}

func TestAServerThatDiesInMidStream(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := breakable{tcp, make(chan net.Conn, 10)}
	server := grpc.NewServer()
	arrived := make(chan struct{})
	healthv1.RegisterHealthServiceServer(server, dyingServer{die: func() { <-arrived; (<-listener.conns).Close() }})
	reflection.Register(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	defer func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	ch := dial(t, rpc.Config{Target: tcp.Addr().String()})
	var messages int
	call, err := ch.Call(t.Context(), rpc.Request{Method: "WatchVitals", OnMessage: func(json.RawMessage) error {
		messages++
		close(arrived)
		return nil
	}})
	if err != nil || messages != 1 || call.Status.Code != "UNAVAILABLE" || len(call.Attempts) != 1 {
		t.Errorf("call = %+v, %v after %d messages", call, err, messages)
	}
}

func TestWithoutReflection(t *testing.T) {
	address := serve(t, func(s *grpc.Server) { authv1.RegisterAuthServiceServer(s, authServer{}) })
	_, err := dial(t, rpc.Config{Target: address}).Call(t.Context(), rpc.Request{Method: "Login"})
	wantError(t, err, rpc.ErrNoReflection, "does not offer server reflection")
}

func TestReflectionV1AlphaAlone(t *testing.T) {
	address := serve(t, func(s *grpc.Server) {
		authv1.RegisterAuthServiceServer(s, authServer{login: func(context.Context) (*authv1.LoginResponse, error) {
			return &authv1.LoginResponse{AccessToken: "t"}, nil
		}})
		reflection.Register(alphaOnly{s, s})
	})
	if call := invoke(t, dial(t, rpc.Config{Target: address}), "Login", login); string(call.Messages[0]) != `{"accessToken":"t"}` {
		t.Errorf("messages = %s", call.Messages)
	}
}

// alphaOnly keeps reflection v1 from being registered.
type alphaOnly struct {
	grpc.ServiceRegistrar
	reflection.ServiceInfoProvider
}

func (a alphaOnly) RegisterService(desc *grpc.ServiceDesc, impl any) {
	if desc.ServiceName != "grpc.reflection.v1.ServerReflection" {
		a.ServiceRegistrar.RegisterService(desc, impl)
	}
}

func TestNetworkTextIsData(t *testing.T) {
	const escape = "\x1b[2J\u202e"
	address := serveLogin(t, func(ctx context.Context) (*authv1.LoginResponse, error) {
		if err := grpc.SetHeader(ctx, metadata.Pairs("x-note-bin", escape, "authorization", "Bearer leaked")); err != nil {
			return nil, err
		}
		return &authv1.LoginResponse{AccessToken: escape}, nil
	})
	call := invoke(t, dial(t, rpc.Config{Target: address}), "Login", login)
	if string(call.Messages[0]) != `{"accessToken":"\u001b[2J`+"\u202e"+`"}` {
		t.Errorf("message = %q", call.Messages[0])
	}
	if got := call.Headers["x-note-bin"]; !slices.Equal(got, []string{"G1sySuKArg=="}) {
		t.Errorf("binary header = %v", got)
	}
	if got := call.Headers["authorization"]; !slices.Equal(got, []string{rpc.Redacted}) {
		t.Errorf("authorization is shown: %v", got)
	}
}

func TestAHugeMessage(t *testing.T) {
	address := serveLogin(t, func(context.Context) (*authv1.LoginResponse, error) {
		return &authv1.LoginResponse{AccessToken: strings.Repeat("x", 8<<20)}, nil
	})
	if call := invoke(t, dial(t, rpc.Config{Target: address}), "Login", login); call.Err() != nil || len(call.Messages[0]) < 8<<20 {
		t.Errorf("err = %v", call.Err())
	}
	call := invoke(t, dial(t, rpc.Config{Target: address, MaxMessageBytes: 1 << 20}), "Login", login)
	if call.Status.Code != "RESOURCE_EXHAUSTED" {
		t.Errorf("status = %+v", call.Status)
	}
}

func TestPanicsAnswerInternal(t *testing.T) {
	address := serveLogin(t, func(context.Context) (*authv1.LoginResponse, error) { panic("secret detail") },
		rpc.ServerOptions(rpc.ServerConfig{Open: []string{"suokelife.auth.v1.AuthService", "grpc.reflection.v1.ServerReflection"}})...)
	call := invoke(t, dial(t, rpc.Config{Target: address}), "Login", login)
	if call.Status.Code != "INTERNAL" || strings.Contains(call.Status.Message, "secret detail") {
		t.Errorf("status = %+v", call.Status)
	}
}
