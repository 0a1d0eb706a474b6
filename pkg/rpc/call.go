package rpc

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	_ "google.golang.org/genproto/googleapis/rpc/errdetails" // the types of usual error details

	"github.com/suokelife/suokectl/pkg/spec"
)

// Call is all that happened in a call. Its JSON form is a documented contract.
type Call struct {
	RequestID string `json:"request_id"`
	Target    string `json:"target"`
	// Method is package.Service/Method.
	Method string `json:"method"`
	// Kind is unary, client_stream, server_stream or bidi_stream.
	Kind string `json:"kind"`
	// RequestHeaders are the metadata that were sent, but for the trace. Of
	// credentials only their name is shown.
	RequestHeaders map[string][]string `json:"request_headers"`
	// Headers and Trailers are the response's metadata. Binary values, whose
	// names end in -bin, are in base64.
	Headers map[string][]string `json:"headers"`
	// Messages are the response's messages in protobuf's JSON form, or strings in
	// its text form where the request wanted that. It stays empty when the request took them by OnMessage.
	Messages []json.RawMessage   `json:"messages"`
	Trailers map[string][]string `json:"trailers"`
	Status   Status              `json:"status"`
	Attempts []Attempt           `json:"attempts"`
	Timings  Timings             `json:"timings"`
	// Descriptors says where the definition of the method came from.
	Descriptors DescriptorsUsed `json:"descriptors"`

	err error
}

// Status is how a call ended.
type Status struct {
	// Code is the name of the gRPC code, such as OK or UNAVAILABLE; Number its value.
	Code    string `json:"code"`
	Number  int    `json:"number"`
	Message string `json:"message,omitempty"`
	// Details are the error's details, each with its @type.
	Details []json.RawMessage `json:"details,omitempty"`
}

// DescriptorsUsed says by which definition of the method a call was made.
type DescriptorsUsed struct {
	// Origin is files, cache or server.
	Origin string `json:"origin"`
	// AgeS is how old a definition from the cache was, in seconds.
	AgeS float64 `json:"age_s,omitempty"`
	// Note is said when the definition had to be found anew during the call.
	Note string `json:"note,omitempty"`
}

// Err returns nil when the call ended with OK, else why it did not: a
// [*TransportError] or an error with the call's gRPC status.
func (c *Call) Err() error { return c.err }

// Code returns the gRPC code behind err and whether err has one.
func Code(err error) (codes.Code, bool) {
	s, ok := status.FromError(err)
	return s.Code(), ok && err != nil
}

// Redacted stands in place of a credential wherever a call is shown.
const Redacted = "[redacted]"

// show makes metadata fit for JSON and free of credentials.
func (ch *Channel) show(md metadata.MD) map[string][]string {
	shown := make(map[string][]string, len(md))
	for name, values := range md {
		for _, value := range values {
			shown[name] = append(shown[name], ch.showValue(name, value))
		}
	}
	return shown
}

func (ch *Channel) showValue(name, value string) string {
	switch {
	case name == spec.HeaderAuthorization, name == ch.config.Headers.Authorization:
		return Redacted
	case strings.HasSuffix(name, "-bin"):
		return base64.StdEncoding.EncodeToString([]byte(value))
	default:
		return value
	}
}

// end notes how the call ended.
func (c *Call) end(ch *Channel, codec codec, start time.Time, err error) {
	s := status.Convert(err)
	c.Status = Status{Code: CodeName(s.Code()), Number: int(s.Code()), Message: s.Message()}
	for _, detail := range s.Proto().GetDetails() {
		c.Status.Details = append(c.Status.Details, showDetail(codec, detail))
	}
	if err != nil {
		c.err = ch.Explain(err)
	}
	c.Timings.TotalMS = milliseconds(time.Since(start))
}

// showDetail decodes a detail of a known type; of another one it shows the
// bytes.
func showDetail(codec codec, detail *anypb.Any) json.RawMessage {
	if text, err := codec.encode(detail); err == nil {
		return text
	}
	text, err := json.Marshal(map[string]any{"@type": detail.GetTypeUrl(), "value": detail.GetValue()})
	if err != nil {
		return json.RawMessage("null")
	}
	return text
}
