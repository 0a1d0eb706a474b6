package rpc_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/suokelife/suokectl/pkg/rpc"
)

const everything = `syntax = "proto3";
package all.v1;
import "google/protobuf/any.proto"; import "google/protobuf/duration.proto"; import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto"; import "google/protobuf/struct.proto"; import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
// All of it.
service All { rpc Do(Everything) returns (Everything); }
message Everything {
  // How many there are,
  // in the shop.
  int64 count = 1;
  Color color = 2; // the paint
  repeated Color colors = 3;
  map<string, Everything> by_name = 4;
  map<int32, Color> by_number = 5;
  map<bool, bytes> by_flag = 6;
  oneof contact { string email = 7; Phone phone = 8; }
  optional double ratio = 9;
  repeated Everything children = 10;
  google.protobuf.Any any = 11; google.protobuf.Duration wait = 12; google.protobuf.Empty empty = 13;
  google.protobuf.FieldMask mask = 14; google.protobuf.Struct struct = 15; google.protobuf.Value value = 16;
  google.protobuf.ListValue list = 17; google.protobuf.NullValue null = 18; google.protobuf.Timestamp at = 19;
  google.protobuf.Int64Value big = 20; google.protobuf.BoolValue flag = 21; google.protobuf.BytesValue raw = 22;
  google.protobuf.FloatValue f = 23; google.protobuf.StringValue s = 24; google.protobuf.UInt32Value u = 25;
  uint64 large = 26; float small = 27; bytes blob = 28; bool yes = 29; fixed32 fixed = 30;
}
enum Color { COLOR_UNSPECIFIED = 0; COLOR_RED = 1; }
message Phone { repeated Digit digits = 1; Phone second = 2; }
message Digit { int32 value = 1 [json_name = "theValue"]; }
`

// source writes a proto source and compiles it.
func source(t *testing.T, text string) (*rpc.Descriptors, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "all.proto")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := rpc.CompileProtos(nil, path)
	if err != nil {
		t.Fatal(err)
	}
	return d, path
}

func TestATemplateFitsItsMessage(t *testing.T) {
	d, _ := source(t, everything)
	method, err := d.Method("Do")
	if err != nil {
		t.Fatal(err)
	}
	template, err := d.Template("All/Do")
	if err != nil {
		t.Fatal(err)
	}
	m := newMessage(method.Input())
	if err := protojson.Unmarshal(template.JSON, m); err != nil {
		t.Errorf("%s: %v", template.JSON, err)
	}
	for _, want := range []string{`"count":"0"`, `"color":"COLOR_RED"`, `"email":""`, `"children":[]`, `"byNumber":{"0":"COLOR_RED"}`, `"byName":{"key":{}}`} {
		if !strings.Contains(string(template.JSON), want) {
			t.Errorf("there is no %s in %s", want, template.JSON)
		}
	}
	if strings.Contains(string(template.JSON), `"phone"`) {
		t.Errorf("both fields of a oneof: %s", template.JSON)
	}
	byPath := map[string]rpc.TemplateField{}
	for _, f := range template.Fields {
		byPath[f.Path] = f
	}
	if f := byPath["count"]; f.Comment != "How many there are, in the shop." || f.Type != "int64" {
		t.Errorf("count = %+v", f)
	}
	if f := byPath["color"]; f.Comment != "the paint" || strings.Join(f.Values, " ") != "COLOR_UNSPECIFIED COLOR_RED" {
		t.Errorf("color = %+v", f)
	}
	if f := byPath["email"]; strings.Join(f.OneOf, " ") != "email phone" {
		t.Errorf("email = %+v", f)
	}
	if f := byPath["byName"]; f.Type != "map<string, all.v1.Everything>" {
		t.Errorf("byName = %+v", f)
	}
}

func TestTemplatesOfOtherSymbols(t *testing.T) {
	d, _ := source(t, everything)
	for symbol, want := range map[string]string{
		"Do": "all.v1.Everything", "Phone": "all.v1.Phone", "all.v1.All/Do": "all.v1.Everything", "all.v1.Digit": "all.v1.Digit",
	} {
		if got, err := d.Template(symbol); err != nil || got.Message != want || !json.Valid(got.JSON) {
			t.Errorf("%s: %+v, %v", symbol, got, err)
		}
	}
	for symbol, want := range map[string]string{"Color": "nothing to fill in", "Phonee": "did you mean all.v1.Phone", "All": "nothing to fill in"} {
		if _, err := d.Template(symbol); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", symbol, err, want)
		}
	}
}

func TestDefinitionsFromFiles(t *testing.T) {
	d, path := source(t, everything)
	if text, err := d.Describe("All"); err != nil || !strings.Contains(text, "// All of it.") {
		t.Errorf("comments are lost: %s, %v", text, err)
	}
	set, err := d.Protoset()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(filepath.Dir(path), "all.binpb")
	if err := os.WriteFile(file, set, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := rpc.ReadProtoset(file)
	if err != nil {
		t.Fatal(err)
	}
	if names, _ := again.Services(); len(names) != 1 || names[0] != "all.v1.All" {
		t.Errorf("services = %v", names)
	}
	if text, err := again.Describe("All"); err != nil || !strings.Contains(text, "// All of it.") {
		t.Errorf("%s, %v", text, err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"not.binpb":   {"no protoset", "it is no encoded google.protobuf.FileDescriptorSet"},
		"empty.binpb": {"", "it is no encoded google.protobuf.FileDescriptorSet"},
	} {
		bad := filepath.Join(filepath.Dir(path), name)
		if err := os.WriteFile(bad, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := rpc.ReadProtoset(bad); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := filepath.Join(filepath.Dir(path), "bad.proto")
	if err := os.WriteFile(bad, []byte("syntax = \"proto3\";\nmessage X { Strin a = 1; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := rpc.CompileProtos(nil, bad); err == nil || !strings.Contains(err.Error(), "bad.proto:2:13") {
		t.Errorf("err = %v", err)
	}
	if _, err := rpc.CompileProtos([]string{filepath.Dir(path)}, path); err != nil {
		t.Errorf("a path below an import path: %v", err)
	}
}

// Without what is imported a protoset is of use for what does not need it.
func TestAProtosetWithoutImports(t *testing.T) {
	file := protodesc.ToFileDescriptorProto(descriptorpb.File_google_protobuf_descriptor_proto)
	file = proto.CloneOf(file)
	file.Name = proto.String("far/away.proto")
	file.Package = proto.String("far")
	file.MessageType, file.EnumType = nil, nil
	file.Dependency = []string{"far/missing.proto"}
	file.Options, file.Syntax = nil, proto.String("proto3")
	file.MessageType = []*descriptorpb.DescriptorProto{
		{Name: proto.String("Good")},
		{Name: proto.String("Bad"), Field: []*descriptorpb.FieldDescriptorProto{{
			Name: proto.String("there"), Number: proto.Int32(1), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), TypeName: proto.String(".far.Missing"),
		}}},
	}
	method := func(name, message string) *descriptorpb.MethodDescriptorProto {
		return &descriptorpb.MethodDescriptorProto{Name: proto.String(name), InputType: proto.String(message), OutputType: proto.String(".far.Good")}
	}
	file.Service = []*descriptorpb.ServiceDescriptorProto{
		{Name: proto.String("Away"), Method: []*descriptorpb.MethodDescriptorProto{method("Works", ".far.Good"), method("Fails", ".far.Bad")}},
	}
	b, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "far.binpb")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := rpc.ReadProtoset(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Method("Works"); err != nil {
		t.Error(err)
	}
	want := "far.Away/Fails cannot be used: it imports far/missing.proto, which is missing"
	if _, err := d.Method("Fails"); err == nil || err.Error() != want {
		t.Errorf("err = %v, want %s", err, want)
	}
	if text, err := d.Describe("Away"); err != nil || !strings.Contains(text, "rpc Fails ( .far.Bad )") {
		t.Errorf("%s, %v", text, err)
	}
}
