package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"

	"github.com/twmb/avro"
)

func (s *avroSchema) encode(_ []byte, value any) ([]byte, error) {
	codec, err := s.codec()
	if err != nil {
		return nil, err
	}
	return codec.Encode(s.native(s.root, value))
}

// native turns a decoded JSON value that matches into what the codec wants: numbers of the right type, bytes for text
// that stands for them, and unions with the name of their branch.
func (s *avroSchema) native(n *avro.SchemaNode, v any) any {
	n = s.resolve(n)
	switch n.Type {
	case "union":
		return s.nativeBranch(n, v)
	case "record", "error":
		return s.nativeRecord(n, v.(map[string]any))
	case "array":
		items := v.([]any)
		out := make([]any, len(items))
		for i, item := range items {
			out[i] = s.native(n.Items, item)
		}
		return out
	case "map":
		out := map[string]any{}
		for name, member := range v.(map[string]any) {
			out[name] = s.native(n.Values, member)
		}
		return out
	case "bytes", "fixed":
		return bytesOf(v.(string))
	case "int", "long":
		rat, _ := new(big.Rat).SetString(string(v.(json.Number))) // it matches
		return rat.Num().Int64()
	case "float", "double":
		number, _ := strconv.ParseFloat(string(v.(json.Number)), 64) // out of range is infinite, as elsewhere
		return number
	}
	return v
}

func (s *avroSchema) nativeBranch(n *avro.SchemaNode, v any) any {
	for i := range n.Branches {
		branch := s.resolve(&n.Branches[i])
		if len(s.fits("", branch, v)) > 0 {
			continue
		}
		if branch.Type == "null" {
			return nil
		}
		return map[string]any{branchName(branch): s.native(branch, v)}
	}
	return v // it matches one
}

// nativeRecord leaves out what has a default, which the codec fills in, and names what is null without one.
func (s *avroSchema) nativeRecord(n *avro.SchemaNode, o map[string]any) any {
	out := make(map[string]any, len(n.Fields))
	for i := range n.Fields {
		f := &n.Fields[i]
		if member, ok := o[f.Name]; ok || !f.HasDefault {
			out[f.Name] = s.native(&f.Type, member)
		}
	}
	return out
}

// bytesOf reads bytes from text with a code point for each.
func bytesOf(text string) []byte {
	out := make([]byte, 0, len(text))
	for _, r := range text {
		out = append(out, byte(r))
	}
	return out
}

func (s *avroSchema) decode(_ []int, data []byte) ([]byte, error) {
	codec, err := s.codec()
	if err != nil {
		return nil, err
	}
	var value any
	rest, err := codec.Decode(data, &value, avro.TaggedUnions())
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes are left behind the value", len(rest))
	}
	return s.appendPlain(nil, s.root, value)
}

// appendPlain writes a decoded value as plain JSON: a union as its bare value, fields in the order of the schema.
func (s *avroSchema) appendPlain(b []byte, n *avro.SchemaNode, v any) ([]byte, error) {
	n = s.resolve(n)
	switch v := v.(type) {
	case map[string]any:
		return s.appendMembers(b, n, v)
	case []any:
		return s.appendItems(b, n, v)
	case []byte:
		return appendText(b, textOf(v))
	case string:
		return appendText(b, v)
	case float32:
		if text := notFinite(float64(v)); text != "" {
			return appendText(b, text)
		}
	case float64:
		if text := notFinite(v); text != "" {
			return appendText(b, text)
		}
	}
	text, err := json.Marshal(v)
	return append(b, text...), err
}

func (s *avroSchema) appendMembers(b []byte, n *avro.SchemaNode, o map[string]any) ([]byte, error) {
	switch n.Type {
	case "union":
		return s.appendBranch(b, n, o)
	case "map":
		return appendObject(b, sortedKeys(o), func(b []byte, name string) ([]byte, error) { return s.appendPlain(b, n.Values, o[name]) })
	}
	names := make([]string, len(n.Fields))
	types := make(map[string]*avro.SchemaNode, len(n.Fields))
	for i := range n.Fields {
		names[i] = n.Fields[i].Name
		types[names[i]] = &n.Fields[i].Type
	}
	return appendObject(b, names, func(b []byte, name string) ([]byte, error) { return s.appendPlain(b, types[name], o[name]) })
}

// appendBranch writes the value of a union, which stands below the name of its branch.
func (s *avroSchema) appendBranch(b []byte, n *avro.SchemaNode, tagged map[string]any) ([]byte, error) {
	for i := range n.Branches {
		branch := s.resolve(&n.Branches[i])
		if v, ok := tagged[branchName(branch)]; ok {
			return s.appendPlain(b, branch, v)
		}
	}
	return nil, fmt.Errorf("no branch of a union has the name that its value came with")
}

func (s *avroSchema) appendItems(b []byte, n *avro.SchemaNode, items []any) ([]byte, error) {
	b = append(b, '[')
	var err error
	for i, item := range items {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = s.appendPlain(b, n.Items, item); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendObject(b []byte, names []string, member func([]byte, string) ([]byte, error)) ([]byte, error) {
	b = append(b, '{')
	var err error
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendText(b, name); err != nil {
			return nil, err
		}
		if b, err = member(append(b, ':'), name); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func textOf(data []byte) string {
	runes := make([]rune, len(data))
	for i, c := range data {
		runes[i] = rune(c)
	}
	return string(runes)
}

func appendText(b []byte, text string) ([]byte, error) {
	quoted, err := json.Marshal(text)
	return append(b, quoted...), err
}

// notFinite is the text for what JSON has no number for, as Java writes it.
func notFinite(number float64) string {
	switch {
	case math.IsNaN(number):
		return "NaN"
	case math.IsInf(number, 1):
		return "Infinity"
	case math.IsInf(number, -1):
		return "-Infinity"
	}
	return ""
}
