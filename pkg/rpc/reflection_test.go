package rpc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/pkg/rpc"
)

func TestVersionsOfReflection(t *testing.T) {
	for name, c := range map[string]struct {
		versions []string
		want     error
	}{
		"v1":         {[]string{"v1"}, nil},
		"v1alpha":    {[]string{"v1alpha"}, nil},
		"both":       {[]string{"v1", "v1alpha"}, nil},
		"none":       {[]string{}, rpc.ErrNoReflection},
		"another v2": {[]string{"v2"}, rpc.ErrNoReflection},
	} {
		t.Run(name, func(t *testing.T) {
			server := &defined{reflection: c.versions}
			address, dir := server.start(t, shop("")), t.TempDir()
			for range 2 { // the second time with what the first one kept
				ch := dial(t, rpc.Config{Target: address, DescriptorCache: dir})
				if call, err := buy(t, ch, `{"item":"tea"}`); !errors.Is(err, c.want) || err == nil && call.Err() != nil {
					t.Errorf("%+v, %v", call, err)
				}
				d := ch.Reflect(t.Context())
				names, err := d.Services()
				d.Close()
				if !errors.Is(err, c.want) || err == nil && len(names) != 2 {
					t.Errorf("services = %v, %v", names, err)
				}
			}
		})
	}
}

// A server that hides a file, or has none for a type that it needs: what does
// not need that can be used.
func TestAMissingImport(t *testing.T) {
	sources := shop("")
	sources["good/v1/good.proto"] = `syntax = "proto3"; package good.v1; service Good { rpc Do(Empty) returns (Empty); } message Empty {}`
	server := &defined{without: []string{"shop/v1/money.proto"}}
	ch := dial(t, rpc.Config{Target: server.start(t, sources), DescriptorCache: t.TempDir()})
	want := "shop.v1.Shop/Buy cannot be used: it imports shop/v1/money.proto, which is missing"
	var missing *rpc.ImportError
	for _, name := range []string{"shop.v1.Shop/Buy", "Buy"} {
		if _, err := ch.Call(t.Context(), rpc.Request{Method: name}); !errors.As(err, &missing) || err.Error() != want {
			t.Errorf("%s: err = %v, want %s", name, err, want)
		}
	}
	for _, name := range []string{"good.v1.Good/Do", "Do", "shop.v1.Till/Count", "Count"} {
		if call := invoke(t, ch, name, "{}"); call.Err() != nil {
			t.Errorf("%s: %v", name, call.Err())
		}
	}
	d := ch.Reflect(t.Context())
	defer d.Close()
	if methods, err := d.Methods("Shop"); err != nil || len(methods) != 2 {
		t.Errorf("methods = %v, %v", methods, err)
	}
	if text, err := d.Describe("Order"); err != nil || !strings.Contains(text, ".shop.v1.Money price = 2;") {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := d.Template("Buy"); !errors.As(err, &missing) {
		t.Errorf("template: %v", err)
	}
}

// A server of many files, one in an answer, is asked for each of them once.
func TestImportsAreAskedForOnce(t *testing.T) {
	sources := map[string]string{}
	var imports, fields strings.Builder
	for i := range 100 {
		name := fmt.Sprintf("many/v1/m%d.proto", i)
		sources[name] = fmt.Sprintf(`syntax = "proto3"; package many.v1; message M%d { int32 n = 1; }`, i)
		fmt.Fprintf(&imports, "import %q;\n", name)
		fmt.Fprintf(&fields, "M%d f%d = %d;\n", i, i, i+1)
	}
	sources["many/v1/many.proto"] = `syntax = "proto3"; package many.v1;` + imports.String() +
		"service Many { rpc Do(All) returns (All); } message All {\n" + fields.String() + "}"
	server := &defined{}
	address := server.start(t, sources)
	ch := dial(t, rpc.Config{Target: address})
	call := invoke(t, ch, "many.v1.Many/Do", `{"f99":{"n":1}}`)
	if call.Err() != nil || string(call.Messages[0]) != `{"f99":{"n":1}}` {
		t.Fatalf("%+v", call)
	}
	if asked, _ := server.counts(); asked != 101 {
		t.Errorf("%d questions, want 101", asked)
	}
}

// Values travel in all forms that protobuf's JSON has for them.
func TestFormsOfValues(t *testing.T) {
	server := &defined{}
	ch := dial(t, rpc.Config{Target: server.start(t, map[string]string{"all.proto": everything}), DescriptorCache: t.TempDir()})
	for _, c := range []struct{ body, want string }{
		{`{"count":5}`, `{"count":"5"}`},
		{`{"count":"9007199254740993"}`, `{"count":"9007199254740993"}`},
		{`{"count":9007199254740993}`, `{"count":"9007199254740993"}`},
		{`{"count":1e3}`, `{"count":"1000"}`},
		{`{"large":"18446744073709551615"}`, `{"large":"18446744073709551615"}`},
		{`{"color":"COLOR_RED"}`, `{"color":"COLOR_RED"}`},
		{`{"color":1}`, `{"color":"COLOR_RED"}`},
		{`{"color":77}`, `{"color":77}`},
		{`{"blob":"aGk="}`, `{"blob":"aGk="}`},
		{`{"blob":"-_-_"}`, `{"blob":"+/+/"}`},
		{`{"small":"NaN"}`, `{"small":"NaN"}`},
		{`{"ratio":"-Infinity"}`, `{"ratio":"-Infinity"}`},
		{`{"ratio":0}`, `{"ratio":0}`},
		{`{"at":"2026-01-02T03:04:05.5+01:00"}`, `{"at":"2026-01-02T02:04:05.500Z"}`},
		{`{"wait":"90s"}`, `{"wait":"90s"}`},
		{`{"mask":"byName,flag"}`, `{"mask":"byName,flag"}`},
		{`{"struct":{"a":[1,null,true]}}`, `{"struct":{"a":[1,null,true]}}`},
		{`{"value":null,"null":null}`, `{"value":null}`},
		{`{"list":[1,"x"]}`, `{"list":[1,"x"]}`},
		{`{"big":"7","flag":false,"raw":"aGk=","f":1.5,"s":"","u":3}`, `{"big":"7","flag":false,"raw":"aGk=","f":1.5,"s":"","u":3}`},
		{`{"empty":{}}`, `{"empty":{}}`},
		{`{"byNumber":{"-3":"COLOR_RED"},"byFlag":{"true":"aGk="}}`, `{"byNumber":{"-3":"COLOR_RED"},"byFlag":{"true":"aGk="}}`},
		{`{"by_name":{"x":{"count":"1"}}}`, `{"byName":{"x":{"count":"1"}}}`},
		{`{"phone":{"digits":[{"theValue":4}]}}`, `{"phone":{"digits":[{"theValue":4}]}}`},
		{`{"any":{"@type":"type.googleapis.com/all.v1.Phone","digits":[{"value":4}]}}`, `{"any":{"@type":"type.googleapis.com/all.v1.Phone","digits":[{"theValue":4}]}}`},
		{`{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}}`, `{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}}`},
		{`{"any":{}}`, `{"any":{}}`},
	} {
		call, err := ch.Call(t.Context(), rpc.Request{Method: "all.v1.All/Do", Body: strings.NewReader(c.body)})
		if err != nil || call.Err() != nil || string(call.Messages[0]) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.body, call.Messages, err, c.want)
		}
	}
	for _, c := range []struct{ body, want string }{
		{`{"count":"five"}`, "all.v1.Everything at count: "},
		{`{"count":1.5}`, "at count: "},
		{`{"count":"9223372036854775808"}`, "at count: "},
		{`{"large":-1}`, "at large: "},
		{`{"color":"COLOR_PINK"}`, `at color: invalid value for enum field color: "COLOR_PINK"; it is one of COLOR_UNSPECIFIED, COLOR_RED`},
		{`{"colors":["COLOR_RED","PINK"]}`, "at colors[1]: "},
		{`{"blob":"%%"}`, "at blob: "},
		{`{"at":"yesterday"}`, "at at: "},
		{`{"wait":"5 minutes"}`, "at wait: "},
		{`{"byName":{"x":{"children":[{},{"count":[]}]}}}`, `at byName["x"].children[1].count: `},
		{`{"byFlag":{"perhaps":""}}`, "at byFlag"},
		{`{"email":"a","phone":{}}`, "oneof"},
		{`{"any":{"@type":"type.googleapis.com/no.Such"}}`, "at any: "},
		{`{"any":{"digits":[]}}`, "at any: "},
		{`{"cuont":1}`, `at cuont: there is no such field; did you mean "count"?`},
	} {
		_, err := ch.Call(t.Context(), rpc.Request{Method: "all.v1.All/Do", Body: strings.NewReader(c.body)})
		var field *rpc.FieldError
		if !errors.As(err, &field) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: err = %v, want %q", c.body, err, c.want)
		}
	}
}

// An Any that nobody can read is shown by its bytes, wherever it is, and keeps
// nothing else from being shown.
func TestAnyOfAnUnknownType(t *testing.T) {
	server := &defined{}
	ch := dial(t, rpc.Config{Target: server.start(t, map[string]string{"all.proto": everything})})
	opaque := &defined{answer: answers("{}")}
	sources := map[string]string{"all.proto": `syntax = "proto3"; package all.v1;
message Any { string type_url = 1; bytes value = 2; }
service All { rpc Do(Everything) returns (Everything); }
message Everything { int64 count = 1; Any any = 11; repeated Everything children = 10; map<string, Everything> by_name = 4; }`}
	opaque.answer = answers(`{"count":3,
"any":{"typeUrl":"type.googleapis.com/no.Such","value":"CAE="},
"children":[{"any":{"typeUrl":"type.googleapis.com/all.v1.Phone","value":"////"}}],
"byName":{"x":{"any":{"typeUrl":"type.googleapis.com/all.v1.Digit","value":"CAE="}}}}`)
	files := ch.Reflect(t.Context())
	defer files.Close()
	other := dial(t, rpc.Config{Target: opaque.start(t, sources)})
	call, err := other.Call(t.Context(), rpc.Request{Method: "all.v1.All/Do", Descriptors: files})
	if err != nil || call.Err() != nil {
		t.Fatal(err, call)
	}
	want := `{"count":"3","byName":{"x":{"any":{"@type":"type.googleapis.com/all.v1.Digit","theValue":1}}},` +
		`"children":[{"any":{"@type":"type.googleapis.com/all.v1.Phone","value":"////"}}],` +
		`"any":{"@type":"type.googleapis.com/no.Such","value":"CAE="}}`
	if !sameJSON(t, string(call.Messages[0]), want) {
		t.Errorf("answer = %s, want %s", call.Messages, want)
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal([]byte(a), &x), json.Unmarshal([]byte(b), &y)); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}

func TestAMessageOf64MiB(t *testing.T) {
	const size = 64 << 20
	server := &defined{}
	address := server.start(t, shop(""), grpc.MaxRecvMsgSize(size+1024), grpc.MaxSendMsgSize(size+1024))
	patient := &rpc.Retry{Tries: 1, AttemptTimeout: time.Minute}
	body := `{"item":"` + strings.Repeat("x", size) + `"}`
	ch := dial(t, rpc.Config{Target: address, MaxMessageBytes: size + 1024, Retry: patient})
	if call, err := buy(t, ch, body); err != nil || call.Err() != nil || len(call.Messages[0]) != len(body) {
		t.Fatalf("%v, %v", err, call.Err())
	}
	small := dial(t, rpc.Config{Target: address, Retry: patient})
	call, err := buy(t, small, body)
	if err != nil || call.Status.Code != "RESOURCE_EXHAUSTED" || !strings.Contains(call.Status.Message, "received message larger than max") {
		t.Errorf("%v, %v", call.Status, err)
	}
}

// Reflection that misbehaves is said to, and hangs nobody.
func TestReflectionThatMisbehaves(t *testing.T) {
	brief := &rpc.Retry{Tries: 1, AttemptTimeout: 300 * time.Millisecond}
	for name, c := range map[string]struct {
		answer func(grpc.ServerStream) error
		code   codes.Code
		text   string
	}{
		"hangs":           {func(s grpc.ServerStream) error { <-s.Context().Done(); return nil }, codes.DeadlineExceeded, "no answer within 300ms"},
		"ends at once":    {func(grpc.ServerStream) error { return nil }, codes.Unavailable, "ended the reflection stream without an answer"},
		"refuses":         {func(grpc.ServerStream) error { return status.Error(codes.PermissionDenied, "not for you") }, codes.PermissionDenied, "not for you"},
		"says other text": {func(s grpc.ServerStream) error { return s.SendMsg(other("\xff\xff\xff")) }, codes.Internal, ""},
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, func(*grpc.Server) {}, grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error { return c.answer(s) }), grpc.ForceServerCodec(rawCodec{}))
			_, err := dial(t, rpc.Config{Target: address, Retry: brief}).Call(t.Context(), rpc.Request{Method: "a.B/C"})
			if code, _ := rpc.Code(err); code != c.code || !strings.Contains(err.Error(), c.text) {
				t.Errorf("err = %v, want %v with %q", err, c.code, c.text)
			}
		})
	}
}

// rawCodec sends bytes as they are.
type rawCodec struct{}

type other []byte

func (rawCodec) Marshal(v any) ([]byte, error)   { return v.(other), nil }
func (rawCodec) Unmarshal(_ []byte, _ any) error { return nil }
func (rawCodec) Name() string                    { return "raw" }
