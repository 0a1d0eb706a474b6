package batch

import (
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/suokelife/suokectl/pkg/rpc"
)

// The outcomes of a line.
const (
	// OutcomeOK is a call that ended with OK.
	OutcomeOK = "ok"
	// OutcomeFailed is a call that ended with another code.
	OutcomeFailed = "failed"
	// OutcomeInvalid is a line of which no call could be made.
	OutcomeInvalid = "invalid"
	// OutcomeUnknown is a call that was in flight when an earlier run ended.
	OutcomeUnknown = "unknown"
)

// Result is what came of a line. Its JSON form, on one line, is a documented
// contract.
type Result struct {
	// Line is the line's number in the input, from 1.
	Line int `json:"line"`
	// ID is the line's own, when it has one.
	ID json.RawMessage `json:"id,omitempty"`
	// Target is the line's own, when it has one.
	Target string `json:"target,omitempty"`
	// Method is package.Service/Method, as far as it is known.
	Method string `json:"method,omitempty"`
	// Outcome is one of the constants.
	Outcome string `json:"outcome"`
	// Code is the name of the gRPC code, such as NOT_FOUND; empty when no call ended.
	Code string `json:"code,omitempty"`
	// Message says why the outcome is not ok, Column where in an invalid line.
	Message string `json:"message,omitempty"`
	Column  int    `json:"column,omitempty"`
	// Response is that of a call without a stream of responses, Responses those of
	// one with.
	Response  json.RawMessage   `json:"response,omitempty"`
	Responses []json.RawMessage `json:"responses,omitempty"`
	// Details are the error's, each with its @type.
	Details []json.RawMessage `json:"details,omitempty"`
	// Attempts is how often the call was sent, DurationMS how long all took, in
	// milliseconds, Instance the address that was asked last.
	Attempts   int     `json:"attempts,omitempty"`
	DurationMS float64 `json:"duration_ms,omitempty"`
	Instance   string  `json:"instance,omitempty"`
	RequestID  string  `json:"request_id,omitempty"`
}

// bad is the result of a line of which no call could be made.
func bad(number int, e Entry, err error, column int) Result {
	return Result{
		Line: number, ID: e.ID, Target: e.Target, Method: e.Method,
		Outcome: OutcomeInvalid, Message: err.Error(), Column: column,
	}
}

// unknown is the result of a call that an earlier run left in flight.
func unknown(number int, e Entry) *Result {
	return &Result{
		Line: number, ID: e.ID, Target: e.Target, Method: e.Method,
		Outcome: OutcomeUnknown, Message: "it was in flight when an earlier run ended",
	}
}

// called is the result of a call.
func called(number int, e Entry, call *rpc.Call) Result {
	r := Result{
		Line: number, ID: e.ID, Target: e.Target, Method: call.Method,
		Outcome: OutcomeOK, Code: call.Status.Code, Message: call.Status.Message, Details: call.Status.Details,
		Attempts: len(call.Attempts), DurationMS: call.Timings.TotalMS, RequestID: call.RequestID,
	}
	if err := call.Err(); err != nil {
		r.Outcome = OutcomeFailed
		if transport, ok := errors.AsType[*rpc.TransportError](err); ok {
			r.Message = transport.Error()
		}
	}
	if n := len(call.Attempts); n > 0 {
		r.Instance = call.Attempts[n-1].Instance
		if n > 1 { // of which the status speaks too
			r.Message = call.Attempts[n-1].Message
		}
	}
	if call.Kind == "server_stream" || call.Kind == "bidi_stream" {
		r.Responses = call.Messages
	} else if len(call.Messages) > 0 {
		r.Response = call.Messages[0]
	}
	return r
}

// append appends the result as one line of JSON.
func (r *Result) append(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"line":`...), int64(r.Line), 10)
	dst = appendRaw(dst, "id", r.ID)
	dst = appendString(dst, "target", r.Target)
	dst = appendString(dst, "method", r.Method)
	dst = appendString(dst, "outcome", r.Outcome)
	dst = appendString(dst, "code", r.Code)
	dst = appendString(dst, "message", r.Message)
	dst = appendInt(dst, "column", r.Column)
	dst = appendRaw(dst, "response", r.Response)
	dst = appendList(dst, "responses", r.Responses)
	dst = appendList(dst, "details", r.Details)
	dst = appendInt(dst, "attempts", r.Attempts)
	if r.DurationMS != 0 {
		dst = strconv.AppendFloat(appendName(dst, "duration_ms"), r.DurationMS, 'f', -1, 64)
	}
	dst = appendString(dst, "instance", r.Instance)
	dst = appendString(dst, "request_id", r.RequestID)
	return append(dst, "}\n"...)
}

func appendName(dst []byte, name string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

func appendInt(dst []byte, name string, n int) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(appendName(dst, name), int64(n), 10)
}

func appendRaw(dst []byte, name string, value json.RawMessage) []byte {
	if len(value) == 0 {
		return dst
	}
	return append(appendName(dst, name), value...)
}

func appendList(dst []byte, name string, list []json.RawMessage) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(appendName(dst, name), '[')
	for i, value := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, value...)
	}
	return append(dst, ']')
}

func appendString(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = appendName(dst, name)
	for i := range len(value) {
		if c := value[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, _ := json.Marshal(value) // a string always marshals
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, value...)
	return append(dst, '"')
}
