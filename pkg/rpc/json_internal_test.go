package rpc

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	healthv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/health/v1"
)

// messages are types with scalars, enums, messages, lists and a timestamp.
func messages() []protoreflect.MessageDescriptor {
	return []protoreflect.MessageDescriptor{
		(&healthv1.CheckVitalsResponse{}).ProtoReflect().Descriptor(),
		(&descriptorpb.FileDescriptorProto{}).ProtoReflect().Descriptor(),
	}
}

func TestTheInnermostValueIsFound(t *testing.T) {
	file := messages()[1]
	for text, want := range map[string]string{
		`{"messageType":[{"name":"A"},{"field":[{"name":"f"},{"number":"x"}]}]}`: "messageType[1].field[1].number",
		`{"options":{"java_package":7}}`:                                         "options.java_package",
		`{"dependency":["a",5]}`:                                                 "dependency[1]",
		`{"dependency":{}}`:                                                      "dependency",
		`{"enumType":[{"valu":[]}]}`:                                             "enumType[0].valu",
		`{"publicDependency":[1,2.5]}`:                                           "publicDependency[1]",
		`null`:                                                                   "",
		`"text"`:                                                                 "",
	} {
		_, err := codec{}.decode(file, []byte(text))
		var field *FieldError
		if !errors.As(err, &field) || field.Path != want || field.Reason == "" {
			t.Errorf("%s: err = %v, want it at %q", text, err, want)
		}
		if strings.Contains(field.Reason, "proto:") || strings.Contains(field.Reason, "(line") {
			t.Errorf("%s: the reason %q speaks of the part that was offered", text, field.Reason)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"vitals":{"heart_rate":"x"}}`, 0)
	f.Add(`{"messageType":[{"field":[{"number":"x"}]}]}`, 1)
	f.Add(`{"rating":"NONE","rating":1}`, 0)
	f.Add(`{"vitals":{"measuredAt":"2026-01-01T00:00:00Z"}}`, 0)
	f.Fuzz(func(t *testing.T, text string, kind int) {
		md := messages()[uint(kind)%2]
		message, err := codec{}.decode(md, []byte(text))
		var field *FieldError
		if err != nil && !errors.As(err, &field) {
			t.Fatalf("%T is not a FieldError", err)
		}
		if err == nil {
			again, err := codec{}.encode(message)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := (codec{}).decode(md, again); err != nil {
				t.Errorf("%s became %s, which does not fit: %v", text, again, err)
			}
		}
	})
}
