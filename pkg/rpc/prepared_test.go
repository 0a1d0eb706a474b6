package rpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/suokelife/suokectl/internal/lab/services"
	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/secure"
)

// prepare finds a method for the length of a test.
func prepare(t *testing.T, ch *rpc.Channel, r rpc.Request) (*rpc.Prepared, error) {
	t.Helper()
	descriptors := ch.Reflect(t.Context())
	t.Cleanup(descriptors.Close)
	return ch.Prepare(descriptors, r)
}

func TestPreparedCalls(t *testing.T) {
	server := start(t, services.Options{Name: "health-service"})
	ch := dial(t, rpc.Config{Target: server.Addr(), Credentials: token(t)})
	for method, test := range map[string]struct {
		data, kind string
		want       []string
	}{
		"GetVitals":    {`{"user_id":"ada"}`, "unary", []string{`"userId":"ada"`}},
		"WatchVitals":  {`{"count":2}`, "server_stream", []string{`"heartRate":62`, `"heartRate":63`}},
		"RecordVitals": {`[{"vitals":{"heart_rate":60}},{"vitals":{"heart_rate":80}}]`, "client_stream", []string{`"meanHeartRate":70`}},
		"CheckVitals":  {`{"vitals":{"heart_rate":60}}`, "bidi_stream", []string{`"rating":"RATING_NORMAL"`}},
	} {
		t.Run(method, func(t *testing.T) {
			p, err := prepare(t, ch, rpc.Request{Method: method})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				call, err := p.Call(t.Context(), json.RawMessage(test.data), nil)
				if err != nil {
					t.Fatal(err)
				}
				if call.Kind != test.kind || call.Method != p.Method() || !strings.HasSuffix(p.Method(), "HealthService/"+method) {
					t.Errorf("a %s call of %s, prepared was %s", call.Kind, call.Method, p.Method())
				}
				if len(call.Attempts) != 1 || call.Attempts[0].Instance != server.Addr() || call.RequestID == "" || call.Timings.TotalMS <= 0 {
					t.Errorf("attempts %v, request id %q, timings %v", call.Attempts, call.RequestID, call.Timings)
				}
				if len(call.Messages) != len(test.want) {
					t.Fatalf("messages %s, status %v", call.Messages, call.Status)
				}
				for i, want := range test.want {
					if !strings.Contains(string(call.Messages[i]), want) {
						t.Errorf("message %d is %s, want %s", i, call.Messages[i], want)
					}
				}
			}
		})
	}
}

func TestPreparedHeaders(t *testing.T) {
	seen := make(chan metadata.MD, 1)
	address := serveLogin(t, func(ctx context.Context) (*authv1.LoginResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		seen <- md
		return &authv1.LoginResponse{}, nil
	})
	ch := dial(t, rpc.Config{Target: address})
	p, err := prepare(t, ch, rpc.Request{Method: "Login", Headers: metadata.Pairs("x-of-all", "1", "x-replaced", "1")})
	if err != nil {
		t.Fatal(err)
	}
	call, err := p.Call(t.Context(), nil, metadata.Pairs("x-replaced", "2", "x-request-id", "r-1"))
	if err != nil || call.Err() != nil || call.RequestID != "r-1" {
		t.Fatalf("%+v, %v", call, err)
	}
	md := <-seen
	for name, want := range map[string]string{"x-of-all": "1", "x-replaced": "2", "x-request-id": "r-1"} {
		if got := strings.Join(md.Get(name), ","); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestWhatCannotBePrepared(t *testing.T) {
	server := start(t, services.Options{Name: "health-service"})
	ch := dial(t, rpc.Config{Target: server.Addr(), Credentials: token(t)})
	if _, err := prepare(t, ch, rpc.Request{Method: "RecordVital"}); err == nil || !strings.Contains(err.Error(), "did you mean suokelife.health.v1.HealthService/RecordVitals") {
		t.Errorf("an unknown method: %v", err)
	}
	p, err := prepare(t, ch, rpc.Request{Method: "RecordVitals"})
	if err != nil {
		t.Fatal(err)
	}
	for data, want := range map[string]string{
		`[{}, {"vitals":{"heart_rate":"fast"}}]`: "message 2: the JSON does not fit suokelife.health.v1.VitalSigns at vitals.heart_rate",
		`{"vital":{}}`:                           `there is no such field; did you mean "vitals"?`,
		`[{}`:                                    "unexpected end",
	} {
		if _, err := p.Call(t.Context(), json.RawMessage(data), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", data, err)
		}
	}
	_, err = p.Call(t.Context(), json.RawMessage(`[{"vitals":1}]`), nil)
	if field, ok := errors.AsType[*rpc.FieldError](err); !ok || field.Path != "vitals" {
		t.Errorf("a wrong type: %v", err)
	}
}

// Many calls of one method ask for its descriptors once.
func ExampleChannel_Prepare() {
	server, err := services.Start(services.Options{Name: "auth-service", Secret: secret})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	tokens, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "user-service", Secret: secret})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	channel, err := rpc.NewChannel(ctx, rpc.Config{
		Target:      server.Addr(),
		Credentials: secure.CallCredentials{Token: tokens.Token, AllowPlaintext: true},
	})
	if err != nil {
		panic(err)
	}
	defer channel.Close()
	descriptors := channel.Reflect(ctx)
	defer descriptors.Close()
	logIn, err := channel.Prepare(descriptors, rpc.Request{Method: "Login"})
	if err != nil {
		panic(err)
	}
	for _, password := range []string{"correct horse", "guess"} {
		data, err := json.Marshal(map[string]string{"username": "ada", "password": password})
		if err != nil {
			panic(err)
		}
		call, err := logIn.Call(ctx, data, nil)
		if err != nil {
			panic(err)
		}
		fmt.Println(call.Method, call.Status.Code)
	}
	// Output:
	// suokelife.auth.v1.AuthService/Login OK
	// suokelife.auth.v1.AuthService/Login UNAUTHENTICATED
}
