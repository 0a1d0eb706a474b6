package rpc_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	healthv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/health/v1"
	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/secure"
)

// rawServer speaks HTTP/2 frame by frame and answers each request as the test
// says; what it says about connections is right.
type rawServer struct {
	address  string
	answer   func(rawStream)
	requests atomic.Int32
}

// rawStream is a request that has arrived whole, or as far as it has come.
type rawStream struct {
	*http2.Framer

	conn net.Conn
	id   uint32
}

func serveRaw(t *testing.T, answer func(rawStream)) *rawServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{address: listener.Addr().String(), answer: answer}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			running.Go(func() { defer stop(); defer conn.Close(); s.serve(conn) })
		}
	})
	t.Cleanup(func() { listener.Close(); cancel(); running.Wait() })
	return s
}

func (s *rawServer) serve(conn net.Conn) {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	framer := http2.NewFramer(conn, conn)
	_ = framer.WriteSettings()
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = framer.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				_ = framer.WritePing(true, f.Data)
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				s.requests.Add(1)
				s.answer(rawStream{framer, conn, f.StreamID})
			}
		}
	}
}

// headers writes a block of headers, names and values in turn.
func (s rawStream) headers(end bool, pairs ...string) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := 0; i < len(pairs); i += 2 {
		_ = encoder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	_ = s.WriteHeaders(http2.HeadersFrameParam{StreamID: s.id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end})
}

// begin writes the headers of an answer, message an empty message.
func (s rawStream) begin()           { s.headers(false, ":status", "200", "content-type", "application/grpc") }
func (s rawStream) message(end bool) { _ = s.WriteData(s.id, end, make([]byte, 5)) }

func (s rawStream) ok() {
	s.begin()
	s.message(false)
	s.headers(true, "grpc-status", "0")
}

func (s rawStream) reset(code http2.ErrCode) { _ = s.WriteRSTStream(s.id, code) }

func (s rawStream) http(status int) {
	s.headers(false, ":status", strconv.Itoa(status), "content-type", "text/html")
	_ = s.WriteData(s.id, true, []byte("<h1>"+http.StatusText(status)+"</h1>"))
}

// TestABadInstanceIsLeft has one instance that misbehaves beside a good one. No
// call fails, and the bad one is called until its breaker opens.
func TestABadInstanceIsLeft(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(rawStream)
		hangs  bool
	}{
		{"says nothing", func(rawStream) {}, true},
		{"sends headers and hangs", rawStream.begin, true},
		{"sends headers and a message and hangs", func(s rawStream) { s.begin(); s.message(false) }, true},
		{"closes at once", func(s rawStream) { s.conn.Close() }, false},
		{"closes after the headers", func(s rawStream) { s.begin(); s.conn.Close() }, false},
		{"closes with no trailers", func(s rawStream) { s.begin(); s.message(false); s.conn.Close() }, false},
		{"refuses the stream", func(s rawStream) { s.reset(http2.ErrCodeRefusedStream) }, false},
		{"refuses by GOAWAY", func(s rawStream) { _ = s.WriteGoAway(0, http2.ErrCodeNo, nil) }, false},
		{"GOAWAY in mid call, and closes", func(s rawStream) {
			s.begin()
			_ = s.WriteGoAway(s.id, http2.ErrCodeInternal, []byte("dying"))
			s.conn.Close()
		}, false},
		{"a proxy that answers 502", func(s rawStream) { s.http(http.StatusBadGateway) }, false},
		{"a proxy that answers 503", func(s rawStream) { s.http(http.StatusServiceUnavailable) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bad := serveRaw(t, c.answer)
			good := serveRaw(t, rawStream.ok)
			retry := quick()
			retry.AttemptTimeout = time.Hour // nothing but what hangs is waited for
			if c.hangs {
				retry.AttemptTimeout = 200 * time.Millisecond
			}
			var opened atomic.Int32
			ch := dial(t, rpc.Config{
				Target: "auth-service", Instances: fixed(bad.address, good.address), Retry: retry,
				Breaker: &resilience.BreakerConfig{OnChange: func(instance string, _, to resilience.State) {
					if instance != bad.address || to != resilience.Open {
						t.Errorf("the breaker of %s became %v", instance, to)
					}
					opened.Add(1)
				}},
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for i := 0; opened.Load() == 0 || i < 20; i++ {
				if err := logIn(ctx, ch); err != nil {
					t.Fatalf("call %d: %v", i, err)
				}
			}
			if n := bad.requests.Load(); n != 5 || opened.Load() != 1 {
				t.Errorf("the bad instance had %d requests and its breaker opened %d times, want 5 and 1", n, opened.Load())
			}
		})
	}
}

// TestAnswersThatAreFinal are those after which nobody knows whether the work was
// done, or the server has said that it will not do it: one request, no retry.
func TestAnswersThatAreFinal(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(rawStream)
		code   codes.Code
		text   string
	}{
		{"reset: INTERNAL_ERROR", func(s rawStream) { s.reset(http2.ErrCodeInternal) }, codes.Internal, "INTERNAL_ERROR"},
		{"reset: PROTOCOL_ERROR", func(s rawStream) { s.reset(http2.ErrCodeProtocol) }, codes.Internal, "PROTOCOL_ERROR"},
		{"reset: CANCEL", func(s rawStream) { s.reset(http2.ErrCodeCancel) }, codes.Canceled, "CANCEL"},
		{"reset: ENHANCE_YOUR_CALM", func(s rawStream) { s.reset(http2.ErrCodeEnhanceYourCalm) }, codes.ResourceExhausted, "ENHANCE_YOUR_CALM"},
		{"reset: INADEQUATE_SECURITY", func(s rawStream) { s.reset(http2.ErrCodeInadequateSecurity) }, codes.PermissionDenied, "INADEQUATE_SECURITY"},
		{"reset after the headers", func(s rawStream) { s.begin(); s.reset(http2.ErrCodeInternal) }, codes.Internal, "INTERNAL_ERROR"},
		{"ends the stream with no trailers", func(s rawStream) { s.begin(); s.message(true) }, codes.Internal, "without sending trailers"},
		{"two messages", func(s rawStream) { s.begin(); s.message(false); s.message(false); s.headers(true, "grpc-status", "0") }, codes.Internal, "cardinality violation"},
		{"no message", func(s rawStream) { s.begin(); s.headers(true, "grpc-status", "0") }, codes.Internal, "cardinality violation"},
		{"HTTP 500", func(s rawStream) { s.http(http.StatusInternalServerError) }, codes.Unknown, "500 (Internal Server Error)"},
		{"HTTP 404", func(s rawStream) { s.http(http.StatusNotFound) }, codes.Unimplemented, "404 (Not Found)"},
		{"HTTP 401", func(s rawStream) { s.http(http.StatusUnauthorized) }, codes.Unauthenticated, "401 (Unauthorized)"},
		{"a status that is no number", func(s rawStream) { s.begin(); s.message(false); s.headers(true, "grpc-status", "fine") }, codes.Unknown, "malformed grpc-status"},
		{"a code of the future", func(s rawStream) { s.begin(); s.message(false); s.headers(true, "grpc-status", "99") }, codes.Code(99), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := serveRaw(t, c.answer)
			// Discovered, since a literal address that fails is given up sooner.
			ch := dial(t, rpc.Config{Target: "auth-service", Instances: fixed(server.address)})
			err := logIn(t.Context(), ch)
			if status.Code(err) != c.code || !strings.Contains(err.Error(), c.text) {
				t.Errorf("err = %v, want %v with %q", err, c.code, c.text)
			}
			if n := server.requests.Load(); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// TestAServerThatDrains sends GOAWAY in mid call, answers that call and takes no
// more on the connection.
func TestAServerThatDrains(t *testing.T) {
	server := serveRaw(t, func(s rawStream) {
		s.begin()
		_ = s.WriteGoAway(s.id, http2.ErrCodeNo, nil)
		s.message(false)
		s.headers(true, "grpc-status", "0")
	})
	retry := quick()
	retry.Tries = 1
	ch := dial(t, rpc.Config{Target: server.address, Retry: retry})
	for i := range 10 {
		if err := logIn(t.Context(), ch); err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if n := server.requests.Load(); n != 10 {
		t.Errorf("%d requests, want 10", n)
	}
}

// TestARefusedAddressIsNotWaitedFor gives a try and a wait more time than the
// test has.
func TestARefusedAddressIsNotWaitedFor(t *testing.T) {
	patient := &rpc.Retry{Tries: 3, AttemptTimeout: time.Hour, Backoff: resilience.Backoff{First: time.Hour}}
	for name, ask := range map[string]func(context.Context, *rpc.Channel) error{
		"unary":      func(ctx context.Context, ch *rpc.Channel) error { return logIn(ctx, ch) },
		"reflection": func(ctx context.Context, ch *rpc.Channel) error { _, err := ch.Reflect(ctx).Services(); return err },
		"stream": func(ctx context.Context, ch *rpc.Channel) error {
			stream, err := ch.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/a.B/C")
			if err == nil {
				err = stream.RecvMsg(nil)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			ch := dial(t, rpc.Config{Target: refusing(t), Retry: patient})
			err := ask(ctx, ch)
			wantError(t, ch.Explain(err), rpc.ErrRefused, "connection refused")
			if status.Code(err) != codes.Unavailable {
				t.Errorf("code = %v", status.Code(err))
			}
		})
	}
}

// TestAnInstanceThatIsNeverReady accepts connections and says nothing on them. It
// is not waited for, and its breaker learns nothing.
func TestAnInstanceThatIsNeverReady(t *testing.T) {
	good := serveRaw(t, rawStream.ok)
	retry := quick()
	retry.AttemptTimeout = time.Hour
	ch := dial(t, rpc.Config{
		Target: "auth-service", Instances: fixed(blackHole(t), good.address), Retry: retry,
		Breaker: &resilience.BreakerConfig{Failures: 1, OnChange: func(instance string, _, to resilience.State) {
			t.Errorf("the breaker of %s became %v", instance, to)
		}},
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := range 20 {
		if err := logIn(ctx, ch); err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if n := good.requests.Load(); n != 20 {
		t.Errorf("the good instance had %d requests, want 20", n)
	}
}

// TestAProxysFailureIsNotRetried goes through a proxy whose HTTP 500 may come
// after the work was done: the call says so.
func TestAProxysFailureIsNotRetried(t *testing.T) {
	backend := grpc.NewServer()
	reflection.Register(backend)
	authv1.RegisterAuthServiceServer(backend, authServer{})
	var calls atomic.Int32
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	proxy := &http.Server{Protocols: protocols, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/grpc.reflection") {
			backend.ServeHTTP(w, r)
			return
		}
		calls.Add(1)
		http.Error(w, "upstream broke", http.StatusInternalServerError)
	})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- proxy.Serve(listener) }()
	t.Cleanup(func() {
		proxy.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	call := invoke(t, dial(t, rpc.Config{Target: listener.Addr().String()}), "Login", login)
	if call.Status.Code != "UNKNOWN" || !strings.Contains(call.Status.Message, "500 (Internal Server Error)") || calls.Load() != 1 {
		t.Errorf("status = %+v after %d calls", call.Status, calls.Load())
	}
	const want = "not retried: an HTTP status came in place of gRPC's, and the call may have been carried out"
	if got := call.Attempts[0].RetryReason; got != want {
		t.Errorf("retry reason = %q, want %q", got, want)
	}
}

// TestTokensOfOtherClocks signs by clocks that differ from the server's, and
// tokens that were never good. A refused call is not repeated.
func TestTokensOfOtherClocks(t *testing.T) {
	signed := func(change func(*secure.TokenConfig)) func() (string, error) {
		config := secure.TokenConfig{Issuer: "rpc-test", Secret: secret}
		change(&config)
		source, err := secure.NewTokenSource(config)
		if err != nil {
			t.Fatal(err)
		}
		return source.Token
	}
	skewed := func(by time.Duration) func() (string, error) {
		return signed(func(c *secure.TokenConfig) { c.Now = func() time.Time { return time.Now().Add(by) } })
	}
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	unsigned := part(`{"alg":"none","typ":"JWT"}`) + "." +
		part(fmt.Sprintf(`{"iss":"rpc-test","sub":"service-account","aud":"internal-services","iat":%d,"exp":%d,"jti":"1"}`,
			time.Now().Unix(), time.Now().Add(time.Hour).Unix())) + "."
	for _, c := range []struct {
		name    string
		token   func() (string, error)
		refusal error // nil when the token is good
	}{
		{"a little ahead", skewed(secure.DefaultSkew / 2), nil},
		{"a little behind", skewed(-secure.DefaultSkew / 2), nil},
		{"an hour behind, within the leeway", skewed(-time.Hour - secure.DefaultSkew/2), nil},
		{"far ahead", skewed(2 * secure.DefaultSkew), secure.ErrNotYetValid},
		{"far behind", skewed(-time.Hour - 2*secure.DefaultSkew), secure.ErrExpired},
		{"of another audience", signed(func(c *secure.TokenConfig) { c.Audience = "public" }), secure.ErrAudience},
		{"of another secret", signed(func(c *secure.TokenConfig) { c.Secret = []byte("a secret that nobody shares at all") }), secure.ErrSignature},
		{"not signed", func() (string, error) { return unsigned, nil }, secure.ErrAlgorithm},
		{"no token", func() (string, error) { return "x", nil }, secure.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			var calls atomic.Int32
			verifier := &secure.Verifier{Secret: secret}
			address := serveLogin(t, answerEmpty, append(
				[]grpc.ServerOption{grpc.InTapHandle(func(ctx context.Context, _ *tap.Info) (context.Context, error) {
					calls.Add(1)
					return ctx, nil
				})}, rpc.ServerOptions(rpc.ServerConfig{Verifier: verifier})...,
			)...)
			ch := dial(t, rpc.Config{Target: "auth-service", Instances: fixed(address), Credentials: secure.CallCredentials{Token: c.token, AllowPlaintext: true}})
			err := logIn(t.Context(), ch)
			if c.refusal == nil {
				if err != nil {
					t.Errorf("err = %v", err)
				}
				return
			}
			if status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), c.refusal.Error()) || calls.Load() != 1 {
				t.Errorf("err = %v after %d calls, want %v", err, calls.Load(), c.refusal)
			}
		})
	}
}

// TestTheBudgetIsSaid spends the retry budget on calls that fail.
func TestTheBudgetIsSaid(t *testing.T) {
	server := serveRaw(t, func(s rawStream) {
		s.headers(true, ":status", "200", "content-type", "application/grpc", "grpc-status", "14")
	})
	ch := dial(t, rpc.Config{
		Target: "auth-service", Instances: fixed(server.address), Breaker: &resilience.BreakerConfig{Failures: 1000},
		Retry: &rpc.Retry{Tries: 1000},
	})
	var call *rpc.CallError
	if err := logIn(t.Context(), ch); !errors.As(err, &call) || !strings.Contains(err.Error(), "tries, the retry budget is spent)") {
		t.Errorf("the call that spent it: %v", err)
	}
	err := logIn(t.Context(), ch)
	var retry *resilience.RetryError
	if !errors.As(err, &call) || len(call.Attempts) != 1 || !errors.As(err, &retry) || !errors.Is(retry.Stopped, resilience.ErrNoBudget) {
		t.Fatalf("the next: %v", err)
	}
	if want := "UNAVAILABLE:  (the retry budget is spent)"; err.Error() != want || call.Attempts[0].RetryReason != "not retried: the retry budget is spent" {
		t.Errorf("err = %q, want %q; attempts %+v", err, want, call.Attempts)
	}
}

// longStreams serves Login, and streams that send one message, or none, and do
// not end.
func longStreams(t *testing.T, silent bool) (address string, code *atomic.Uint32) {
	t.Helper()
	code = &atomic.Uint32{}
	return serve(t, func(s *grpc.Server) {
		authv1.RegisterAuthServiceServer(s, authServer{login: func(context.Context) (*authv1.LoginResponse, error) {
			return &authv1.LoginResponse{}, status.Error(codes.Code(code.Load()), "as told")
		}})
		healthv1.RegisterHealthServiceServer(s, longStream{silent: silent})
	}), code
}

type longStream struct {
	healthv1.UnimplementedHealthServiceServer
	silent bool
}

func (s longStream) WatchVitals(_ *healthv1.WatchVitalsRequest, stream grpc.ServerStreamingServer[healthv1.WatchVitalsResponse]) error {
	if !s.silent {
		if err := stream.Send(&healthv1.WatchVitalsResponse{}); err != nil {
			return err
		}
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

// TestAStreamIsNoEndlessProbe lets streams be the probes of a half-open breaker.
// They go on, and calls pass all the same: at once when a stream was answered, and
// after the time of an attempt when nothing came.
func TestAStreamIsNoEndlessProbe(t *testing.T) {
	for name, silent := range map[string]bool{"answered": false, "silent": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, code := longStreams(t, silent)
			retry := quick()
			retry.Tries = 1
			if silent {
				retry.AttemptTimeout = 300 * time.Millisecond
			}
			ch := dial(t, rpc.Config{
				Target: "a-service", Instances: fixed(address), Retry: retry,
				Breaker: &resilience.BreakerConfig{Failures: 1, OpenFor: 50 * time.Millisecond, Probes: 2},
			})
			code.Store(uint32(codes.Unavailable))
			if err := logIn(t.Context(), ch); status.Code(err) != codes.Unavailable {
				t.Fatalf("err = %v", err)
			}
			code.Store(uint32(codes.OK))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for range 2 {
				probe(ctx, t, ch, silent)
			}
			for err := logIn(ctx, ch); err != nil; err = logIn(ctx, ch) {
				if open := (*rpc.UnavailableError)(nil); !silent || !errors.As(err, &open) {
					t.Fatalf("a call beside streams that go on: %v", err)
				}
			}
		})
	}
}

// probe opens a stream as soon as the breaker lets it pass.
func probe(ctx context.Context, t *testing.T, ch *rpc.Channel, silent bool) {
	t.Helper()
	for {
		stream, err := healthv1.NewHealthServiceClient(ch).WatchVitals(ctx, &healthv1.WatchVitalsRequest{})
		if open := (*rpc.UnavailableError)(nil); errors.As(err, &open) {
			continue
		}
		if err == nil && !silent {
			_, err = stream.Recv()
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
}
