package batch

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/metadata"

	"github.com/suokelife/suokectl/pkg/spec"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

// Entry is a call as a line of input wants it.
type Entry struct {
	// Target and Method may be empty where the run has one for all lines.
	Target, Method string
	// Data is a message, or an array of them for a stream; nil when there is none.
	Data json.RawMessage
	// Headers are sent along.
	Headers metadata.MD
	// RequestID is sent in place of a new one, unless empty.
	RequestID string
	// ID is any JSON value; it is the result's, too.
	ID json.RawMessage
}

// envelope is a line that says more than the message.
type envelope struct {
	Target    string                     `json:"target"`
	Method    string                     `json:"method"`
	Data      json.RawMessage            `json:"data"`
	Headers   map[string]json.RawMessage `json:"headers"`
	RequestID string                     `json:"request_id"`
	ID        json.RawMessage            `json:"id"`
}

func envelopeFields() []string {
	return []string{"target", "method", "data", "headers", "request_id", "id"}
}

// parse reads a line. With bare a line is the message itself.
func parse(l line, bare bool) (Entry, *lineError) {
	switch {
	case l.err != nil:
		return Entry{}, l.err
	case bare:
		return Entry{Data: l.text}, nil
	}
	var e envelope
	decoder := json.NewDecoder(bytes.NewReader(l.text))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&e)
	if err == nil && len(l.text) > int(decoder.InputOffset()) { // there is more after the object
		err = errors.New("it is not one JSON object")
	}
	if err != nil {
		return Entry{Target: e.Target, Method: e.Method, ID: e.ID}, locate(l, err)
	}
	entry := Entry{Target: e.Target, Method: e.Method, Data: e.Data, RequestID: e.RequestID, ID: e.ID}
	if bytes.Equal(entry.Data, []byte("null")) {
		entry.Data = nil
	}
	if e.RequestID != "" && !telemetry.ValidRequestID(e.RequestID) {
		err = fmt.Errorf("request_id is not 1 to %d printable ASCII characters", spec.MaxRequestID)
	} else {
		entry.Headers, err = headers(e.Headers)
	}
	if err != nil {
		return entry, &lineError{Line: l.number, Err: err}
	}
	return entry, nil
}

func headers(given map[string]json.RawMessage) (metadata.MD, error) {
	if len(given) == 0 {
		return nil, nil
	}
	md := make(metadata.MD, len(given))
	for name, text := range given {
		list, err := values(name, text)
		if err != nil {
			return nil, err
		}
		name = strings.ToLower(name)
		if name == spec.HeaderAuthorization {
			return nil, errors.New("headers.authorization: a token does not belong among the lines; use a token file")
		}
		if name == "" || strings.ContainsFunc(name, notInName) {
			return nil, fmt.Errorf("headers: %q is not the name of a header", name)
		}
		for _, value := range list {
			value, err := headerValue(name, value)
			if err != nil {
				return nil, err
			}
			md.Append(name, value)
		}
	}
	return md, nil
}

// values are a header's: a string, or a list of them.
func values(name string, text json.RawMessage) ([]string, error) {
	var one string
	if json.Unmarshal(text, &one) == nil && text[0] == '"' {
		return []string{one}, nil
	}
	var list []string
	if json.Unmarshal(text, &list) == nil && text[0] == '[' {
		return list, nil
	}
	return nil, fmt.Errorf("headers.%s has to be a string or a list of strings", name)
}

func headerValue(name, value string) (string, error) {
	if strings.HasSuffix(name, "-bin") {
		raw, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return "", fmt.Errorf("headers.%s is not base64: %w", name, err)
		}
		return string(raw), nil
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", fmt.Errorf("headers.%s is not printable ASCII", name)
	}
	return value, nil
}

func notInName(r rune) bool {
	return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_.", r)
}

// locate says where in a line an error of encoding/json is, in words that do not
// speak of Go.
func locate(l line, err error) *lineError {
	if column, syntax := notJSON(l.text); syntax != nil {
		return &lineError{l.number, column, syntax}
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		wanted := fmt.Errorf("%s is of type %s, and has to be of type %s", wrong.Field, wrong.Value, jsonType(wrong.Type.Kind()))
		if wrong.Field == "" {
			wanted = fmt.Errorf("it is of type %s, and has to be an object with a method and data", wrong.Value)
		}
		return &lineError{l.number, columnAt(l.text, wrong.Offset), wanted}
	}
	if _, quoted, found := strings.Cut(err.Error(), "unknown field "); found {
		name := strings.Trim(quoted, `"`)
		text := "there is no field " + quoted + " in a line"
		if near := spec.Nearest(name, envelopeFields()); near != "" {
			text += fmt.Sprintf("; did you mean %q?", near)
		}
		return &lineError{l.number, columnAt(l.text, int64(bytes.Index(l.text, []byte(`"`+name+`"`)))+1), errors.New(text)}
	}
	return &lineError{Line: l.number, Err: err}
}

// notJSON says why a text is not exactly one JSON value, and in which column; nil
// when it is one.
func notJSON(text []byte) (column int, why error) {
	if json.Valid(text) {
		return 0, nil
	}
	var discard json.RawMessage
	err := json.Unmarshal(text, &discard)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		column = columnAt(text, syntax.Offset)
	}
	return column, fmt.Errorf("it is not JSON: %w", err)
}

// columnAt returns the column of the character that ends at an offset.
func columnAt(text []byte, offset int64) int {
	end := min(max(int(offset), 0), len(text))
	return max(utf8.RuneCount(text[:end]), 1)
}

func jsonType(kind reflect.Kind) string {
	switch kind {
	case reflect.String:
		return "string"
	case reflect.Map, reflect.Struct:
		return "object"
	default:
		return kind.String()
	}
}
