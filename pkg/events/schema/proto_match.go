package schema

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// protoMatcher holds JSON to messages by Protobuf's JSON mapping. The library does that too, but stops at the first
// problem and cannot say where it is.
type protoMatcher struct{ types linker.Resolver }

// wellKnown are the messages with a JSON form of their own.
var wellKnown = []string{
	"Any", "Timestamp", "Duration", "FieldMask", "Empty", "Struct", "Value", "ListValue", "BoolValue", "StringValue", "BytesValue",
	"Int32Value", "Int64Value", "UInt32Value", "UInt64Value", "FloatValue", "DoubleValue",
}

func isWellKnown(m protoreflect.MessageDescriptor) bool {
	name, found := strings.CutPrefix(string(m.FullName()), "google.protobuf.")
	return found && slices.Contains(wellKnown, name)
}

func (p protoMatcher) message(path string, m protoreflect.MessageDescriptor, v any) []Problem {
	if isWellKnown(m) {
		return p.wellKnown(path, m, v)
	}
	o, ok := v.(map[string]any)
	if !ok {
		return wrong(path, "message "+localName(m), v)
	}
	var out []Problem
	set := map[protoreflect.FullName]string{} // by field or oneof
	for _, name := range sortedKeys(o) {
		f := fieldNamed(m, name)
		switch {
		case f == nil:
			out = append(out, Problem{Path: join(path, name), Message: "not a field of message " + localName(m)})
			continue
		case o[name] == nil && !takesNull(f):
			continue // unset
		}
		for _, holder := range holdersOf(f) {
			if other, again := set[holder]; again {
				out = append(out, Problem{Path: join(path, name), Message: "set beside " + other + ", of which only one can be"})
			}
			set[holder] = name
		}
		out = append(out, p.field(join(path, name), f, o[name])...)
	}
	for i := range m.Fields().Len() {
		if f := m.Fields().Get(i); f.Cardinality() == protoreflect.Required && set[f.FullName()] == "" {
			out = append(out, Problem{Path: join(path, string(f.Name())), Message: "missing"})
		}
	}
	return out
}

// holdersOf are what a field fills: itself, and the oneof that it is in.
func holdersOf(f protoreflect.FieldDescriptor) []protoreflect.FullName {
	if oneof := realOneof(f); oneof != nil {
		return []protoreflect.FullName{f.FullName(), oneof.FullName()}
	}
	return []protoreflect.FullName{f.FullName()}
}

// takesNull reports a field to which null is a value.
func takesNull(f protoreflect.FieldDescriptor) bool {
	if f.IsList() || f.IsMap() {
		return false
	}
	return f.Message() != nil && f.Message().FullName() == "google.protobuf.Value" || f.Enum() != nil && f.Enum().FullName() == "google.protobuf.NullValue"
}

func (p protoMatcher) wellKnown(path string, m protoreflect.MessageDescriptor, v any) []Problem {
	text, err := json.Marshal(v)
	if err == nil {
		err = protojson.UnmarshalOptions{Resolver: p.types}.Unmarshal(text, dynamicpb.NewMessage(m))
	}
	if err != nil {
		return wrong(path, string(m.FullName())+" in its JSON form", v)
	}
	return nil
}

func (p protoMatcher) field(path string, f protoreflect.FieldDescriptor, v any) []Problem {
	switch {
	case f.IsMap():
		return p.mapping(path, f, v)
	case f.IsList():
		items, ok := v.([]any)
		if !ok {
			return wrong(path, "an array", v)
		}
		var out []Problem
		for i, item := range items {
			out = append(out, p.single(path+"["+strconv.Itoa(i)+"]", f, item)...)
		}
		return out
	}
	return p.single(path, f, v)
}

func (p protoMatcher) mapping(path string, f protoreflect.FieldDescriptor, v any) []Problem {
	o, ok := v.(map[string]any)
	if !ok {
		return wrong(path, "a map", v)
	}
	var out []Problem
	for _, name := range sortedKeys(o) {
		if key := f.MapKey(); !fitsMapKey(key.Kind(), name) {
			out = append(out, Problem{Path: join(path, name), Message: "the key is not of type " + key.Kind().String()})
		}
		out = append(out, p.single(join(path, name), f.MapValue(), o[name])...)
	}
	return out
}

func fitsMapKey(kind protoreflect.Kind, name string) bool {
	switch kind {
	case protoreflect.StringKind:
		return true
	case protoreflect.BoolKind:
		return name == "true" || name == "false"
	}
	return fitsInteger(kind, json.Number(name))
}

func (p protoMatcher) single(path string, f protoreflect.FieldDescriptor, v any) []Problem {
	switch {
	case f.Message() != nil:
		return p.message(path, f.Message(), v)
	case f.Enum() != nil:
		return matchEnum(path, f.Enum(), v)
	case !fitsProto(f.Kind(), v):
		return wrong(path, f.Kind().String(), v)
	}
	return nil
}

func matchEnum(path string, e protoreflect.EnumDescriptor, v any) []Problem {
	switch v := v.(type) {
	case nil:
		if e.FullName() == "google.protobuf.NullValue" {
			return nil
		}
	case string:
		if e.Values().ByName(protoreflect.Name(v)) != nil {
			return nil
		}
	case json.Number:
		if fitsInteger(protoreflect.Int32Kind, v) {
			return nil
		}
	}
	return wrong(path, "a value of enum "+localName(e), v)
}

func fitsProto(kind protoreflect.Kind, v any) bool {
	switch kind {
	case protoreflect.BoolKind:
		_, ok := v.(bool)
		return ok
	case protoreflect.StringKind:
		_, ok := v.(string)
		return ok
	case protoreflect.BytesKind:
		text, ok := v.(string)
		return ok && isBase64(text)
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return fitsFloat(kind, v)
	}
	switch v := v.(type) {
	case json.Number:
		return fitsInteger(kind, v)
	case string:
		return fitsInteger(kind, json.Number(v))
	}
	return false
}

// isBase64 takes both alphabets, with padding or without.
func isBase64(text string) bool {
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
	_, err := base64.RawStdEncoding.DecodeString(text)
	return err == nil
}

func fitsFloat(kind protoreflect.Kind, v any) bool {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = string(v)
	case string:
		if text = v; text == "NaN" || text == "Infinity" || text == "-Infinity" {
			return true
		}
		if !json.Valid([]byte(text)) {
			return false
		}
	default:
		return false
	}
	bits := 64
	if kind == protoreflect.FloatKind {
		bits = 32
	}
	_, err := strconv.ParseFloat(text, bits)
	return err == nil || !errors.Is(err, strconv.ErrRange) && !errors.Is(err, strconv.ErrSyntax)
}

// fitsInteger reports a whole number within the type's range; "1.0" and "1e3" are whole.
func fitsInteger(kind protoreflect.Kind, n json.Number) bool {
	low, high := big.NewInt(math.MinInt32), big.NewInt(math.MaxInt32)
	switch kind {
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		low, high = big.NewInt(math.MinInt64), big.NewInt(math.MaxInt64)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		low, high = new(big.Int), big.NewInt(math.MaxUint32)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		low, high = new(big.Int), new(big.Int).SetUint64(math.MaxUint64)
	}
	if !json.Valid([]byte(n)) || !isInteger(n, 64) && !isInteger(n, 65) {
		return false
	}
	whole, ok := new(big.Rat).SetString(string(n))
	return ok && whole.Num().Cmp(low) >= 0 && whole.Num().Cmp(high) <= 0
}
