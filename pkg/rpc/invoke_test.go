package rpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/suokelife/suokectl/internal/lab/services"
	"github.com/suokelife/suokectl/pkg/rpc"
)

func TestInvokeAllFourKinds(t *testing.T) {
	server := start(t, services.Options{Name: "health-service"})
	ch := dial(t, rpc.Config{Target: server.Addr(), Credentials: token(t)})
	vitals := func(rate int) string { return fmt.Sprintf(`{"vitals":{"user_id":"u1","heart_rate":%d}}`, rate) }
	for _, c := range []struct{ method, body, kind, want string }{
		{"GetVitals", `{"userId":"u1"}`, "unary", `"heartRate":62`},
		{"WatchVitals", `{"user_id":"u1","count":2}`, "server_stream", `"heartRate":63`},
		{"RecordVitals", vitals(60) + "\n" + vitals(80), "client_stream", `{"recorded":2,"meanHeartRate":70}`},
		{"CheckVitals", vitals(60) + vitals(180), "bidi_stream", `"rating":"RATING_ALARMING"`},
		{"RecordVitals", "", "client_stream", `{}`},
		{"CheckVitals", "", "bidi_stream", ``},
	} {
		t.Run(c.method, func(t *testing.T) {
			call := invoke(t, ch, c.method, c.body)
			if call.Err() != nil || call.Status.Code != "OK" || call.Kind != c.kind {
				t.Fatalf("call = %+v, %v", call, call.Err())
			}
			var last string
			if len(call.Messages) > 0 {
				last = string(call.Messages[len(call.Messages)-1])
			}
			if !strings.Contains(last, c.want) {
				t.Errorf("last message = %s, want %s", last, c.want)
			}
			if got := call.Headers["x-request-id"]; !slices.Equal(got, []string{call.RequestID}) {
				t.Errorf("the server returned request id %v, want %q", got, call.RequestID)
			}
			if len(call.Attempts) != 1 || call.Attempts[0].Instance != server.Addr() {
				t.Errorf("attempts = %+v", call.Attempts)
			}
		})
	}
}

func TestAnonymousCallsAreRefusedInAllKinds(t *testing.T) {
	ch := dial(t, rpc.Config{Target: start(t, services.Options{Name: "health-service"}).Addr()})
	for _, method := range []string{"GetVitals", "WatchVitals", "RecordVitals", "CheckVitals"} {
		call := invoke(t, ch, method, "{}")
		if call.Status.Code != "UNAUTHENTICATED" || !strings.Contains(call.Status.Message, "no service token") {
			t.Errorf("%s: status = %+v", method, call.Status)
		}
	}
	if call := invoke(t, ch, "grpc.health.v1.Health/Check", "{}"); call.Err() != nil {
		t.Errorf("health: %v", call.Err())
	}
}

func TestMethodNames(t *testing.T) {
	ch := dial(t, rpc.Config{Target: start(t, services.Options{Name: "auth-service"}).Addr(), Credentials: token(t)})
	const full = "suokelife.auth.v1.AuthService/Login"
	for _, name := range []string{full, "/" + full, "suokelife.auth.v1.AuthService.Login", "AuthService/Login", "AuthService.Login", "Login"} {
		if call := invoke(t, ch, name, login); call.Method != full || call.Err() != nil {
			t.Errorf("%s: %s, %v", name, call.Method, call.Err())
		}
	}
	for name, want := range map[string]string{
		"Logn":                               `the server has no method "Logn"; did you mean suokelife.auth.v1.AuthService/Login?`,
		"AuthService/Logon":                  `the server has no method "AuthService/Logon"; did you mean suokelife.auth.v1.AuthService/Login?`,
		"suokelife.auth.v1.AutService/Login": `the server has no service "suokelife.auth.v1.AutService"; did you mean suokelife.auth.v1.AuthService?`,
		"Zzzzzzzzz":                          `the server has no method "Zzzzzzzzz"`,
		"ServerReflectionInfo":               `could be grpc.reflection.v1.ServerReflection/ServerReflectionInfo or grpc.reflection.v1alpha`,
	} {
		_, err := ch.Call(t.Context(), rpc.Request{Method: name})
		var unknown *rpc.NotFoundError
		if !errors.As(err, &unknown) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: err = %v, want %s", name, err, want)
		}
	}
}

func TestJSONThatDoesNotFit(t *testing.T) {
	ch := dial(t, rpc.Config{Target: start(t, services.Options{Name: "health-service"}).Addr(), Credentials: token(t)})
	for _, c := range []struct{ method, body, want string }{
		{"GetVitals", `{"user_id":5}`, "suokelife.health.v1.GetVitalsRequest at user_id: "},
		{"GetVitals", `{"user":"u"}`, `at user: there is no such field; did you mean "user_id"?`},
		{"GetVitals", `[]`, "does not fit suokelife.health.v1.GetVitalsRequest: "},
		{"GetVitals", `{"user_id":"a","user_id":"b"}`, "duplicate"},
		{"GetVitals", `{"user_id":`, "the JSON does not fit suokelife.health.v1.GetVitalsRequest: it is not JSON: it ends within a value"},
		{"GetVitals", `{} {}`, "takes one message"},
		{"RecordVitals", `{"vitals":{"heart_rate":"fast"}}`, "message 1: the JSON does not fit suokelife.health.v1.VitalSigns at vitals.heart_rate: "},
		{"RecordVitals", `{"vitals":{}} {"vitals":{"measuredAt":"noon"}}`, "message 2: the JSON does not fit google.protobuf.Timestamp at vitals.measuredAt: "},
		{"CheckVitals", `{"vitals":{"heart_rate":1.5}}`, "vitals.heart_rate"},
		{"CheckVitals", `{"vitals":{"heart_rate":4294967296}}`, "vitals.heart_rate"},
	} {
		_, err := ch.Call(t.Context(), rpc.Request{Method: c.method, Body: strings.NewReader(c.body)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: err = %v, want %q", c.method, c.body, err, c.want)
		}
	}
}

func TestErrorDetailsAreDecoded(t *testing.T) {
	ch := dial(t, rpc.Config{Target: start(t, services.Options{Name: "auth-service"}).Addr(), Credentials: token(t)})
	call := invoke(t, ch, "Login", `{"username":"ada","password":"guess"}`)
	if code, ok := rpc.Code(call.Err()); !ok || code != codes.Unauthenticated {
		t.Errorf("err = %v", call.Err())
	}
	want := `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_CREDENTIALS","domain":"auth-service.suokelife"}`
	if len(call.Status.Details) != 1 || string(call.Status.Details[0]) != want {
		t.Errorf("details = %s, want %s", call.Status.Details, want)
	}
	if len(call.Attempts) != 1 {
		t.Errorf("UNAUTHENTICATED was retried: %+v", call.Attempts)
	}
}

func TestRequestIDOfTheCaller(t *testing.T) {
	ch := dial(t, rpc.Config{Target: start(t, services.Options{Name: "user-service"}).Addr(), Credentials: token(t)})
	for id, kept := range map[string]bool{"order-4711": true, "bad\u0000id": false, strings.Repeat("x", 129): false} {
		call, err := ch.Call(t.Context(), rpc.Request{Method: "Stats", Headers: metadata.Pairs("x-request-id", id)})
		if err != nil || call.Err() != nil {
			t.Fatal(err, call.Err())
		}
		if (call.RequestID == id) != kept || call.Headers["x-request-id"][0] != call.RequestID {
			t.Errorf("id %q became %q, the server saw %v", id, call.RequestID, call.Headers["x-request-id"])
		}
	}
}

func TestEmitDefaults(t *testing.T) {
	ch := dial(t, rpc.Config{Target: start(t, services.Options{Name: "user-service"}).Addr(), Credentials: token(t)})
	call, err := ch.Call(t.Context(), rpc.Request{Method: "Stats", EmitDefaults: true})
	if err != nil || string(call.Messages[0]) != `{"total":"0","unique":"0","duplicates":"0"}` {
		t.Errorf("%s, %v", call.Messages, err)
	}
}

func TestCancelledStreamTellsWhatCame(t *testing.T) {
	ch := dial(t, rpc.Config{Target: start(t, services.Options{Name: "health-service"}).Addr(), Credentials: token(t)})
	ctx, cancel := context.WithCancel(t.Context())
	open, input := io.Pipe()
	defer input.Close()
	body := io.MultiReader(strings.NewReader(`{"vitals":{"user_id":"u1"}}`), open)
	var got []string
	call, err := ch.Call(ctx, rpc.Request{Method: "CheckVitals", Body: body, OnMessage: func(m json.RawMessage) error {
		got = append(got, string(m))
		cancel()
		return nil
	}})
	if err != nil || call.Status.Code != "CANCELLED" || len(got) != 1 {
		t.Errorf("call = %+v, %v, messages %v", call, err, got)
	}
}

func TestServerThatEndsAStreamEarly(t *testing.T) {
	ch := dial(t, rpc.Config{Target: start(t, services.Options{Name: "health-service"}).Addr()}) // anonymous: refused
	body, input := io.Pipe()
	defer input.Close()
	done := make(chan *rpc.Call, 1)
	go func() {
		call, _ := ch.Call(t.Context(), rpc.Request{Method: "RecordVitals", Body: body})
		done <- call
	}()
	select {
	case call := <-done:
		if call.Status.Code != "UNAUTHENTICATED" {
			t.Errorf("status = %+v", call.Status)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the call waits for input although it has ended")
	}
}

func TestErrorOfOnMessageEndsTheCall(t *testing.T) {
	ch := dial(t, rpc.Config{Target: start(t, services.Options{Name: "health-service"}).Addr(), Credentials: token(t)})
	full := errors.New("disk full")
	_, err := ch.Call(t.Context(), rpc.Request{Method: "WatchVitals", OnMessage: func(json.RawMessage) error { return full }})
	wantError(t, err, full, "disk full")
}

func TestListAndDescribe(t *testing.T) {
	ch := dial(t, rpc.Config{Target: start(t, services.Options{Name: "health-service"}).Addr()})
	d := ch.Reflect(t.Context())
	defer d.Close()
	names, err := d.Services()
	want := []string{
		"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
		"grpc.reflection.v1alpha.ServerReflection", "suokelife.health.v1.HealthService",
	}
	if err != nil || !slices.Equal(names, want) {
		t.Errorf("Services = %v, %v", names, err)
	}
	methods, err := d.Methods("HealthService")
	if err != nil || len(methods) != 4 || methods[3].FullName != "suokelife.health.v1.HealthService/CheckVitals" || methods[3].Kind != "bidi_stream" {
		t.Errorf("Methods = %+v, %v", methods, err)
	}
	for symbol, want := range map[string]string{
		"suokelife.health.v1.HealthService":           "rpc WatchVitals ( .suokelife.health.v1.WatchVitalsRequest ) returns ( stream .suokelife.health.v1.WatchVitalsResponse )",
		"HealthService/GetVitals":                     "rpc GetVitals (",
		"suokelife.health.v1.HealthService.GetVitals": "rpc GetVitals (",
		"VitalSigns":                "int32 heart_rate = 2;",
		"Rating":                    "RATING_ALARMING = 2;",
		"google.protobuf.Timestamp": "int64 seconds = 1;",
	} {
		if text, err := d.Describe(symbol); err != nil || !strings.Contains(text, want) {
			t.Errorf("Describe(%s) = %s, %v; want %s", symbol, text, err, want)
		}
	}
	var unknown *rpc.NotFoundError
	if _, err := d.Describe("VitalSgns"); !errors.As(err, &unknown) || !slices.Contains(unknown.Similar, "suokelife.health.v1.VitalSigns") {
		t.Errorf("err = %v", err)
	}
	if _, err := d.Methods("HealthServic"); !errors.As(err, &unknown) || !slices.Contains(unknown.Similar, "suokelife.health.v1.HealthService") {
		t.Errorf("err = %v", err)
	}
}
