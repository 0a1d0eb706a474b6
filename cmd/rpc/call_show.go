package rpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// showMessage prints a message. In text form it is a JSON string.
func showMessage(ios *iostreams.IOStreams, message json.RawMessage, text bool) error {
	if text {
		var lines string
		if err := json.Unmarshal(message, &lines); err != nil {
			return err
		}
		return output.Text(ios, "%s\n", ios.Clean(lines))
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, message, "", "  "); err != nil {
		return err
	}
	return output.Text(ios, "%s\n", ios.Clean(indented.String()))
}

// show prints the whole call where that is wanted, and says its request id, and
// its attempts when there is more to say than that it went well.
func show(opts *CallOptions, call *rpc.Call) error {
	if n := len(call.Attempts); n > 0 {
		last := call.Attempts[n-1]
		if n > 1 || opts.Verbose > 0 || last.RetryReason != "" {
			showAttempt(opts.IO, last)
		}
	}
	if opts.Verbose > 0 {
		showMetadata(opts.IO, "sent", call.RequestHeaders)
		showMetadata(opts.IO, "header", call.Headers)
		showMetadata(opts.IO, "trailer", call.Trailers)
		showTimings(opts.IO, call)
	}
	if call.Descriptors.Note != "" {
		opts.IO.Infof("%s", call.Descriptors.Note)
	}
	if made := call.Headers[meshAttempts]; len(made) > 0 && made[0] != "1" {
		opts.IO.Infof("the mesh made %s attempts of the last one", made[0])
	}
	opts.IO.Infof("request id: %s", call.RequestID)
	if opts.Output.Human() {
		for _, detail := range call.Status.Details {
			opts.IO.Infof("detail: %s", detail)
		}
		return nil
	}
	view := output.View[*rpc.Call]{Name: func(c *rpc.Call) string { return c.RequestID }}
	return output.One(opts.IO, opts.Output, view, call, nil)
}

// meshAttempts is how Envoy says, where it is told to, how often it has sent a
// request on.
const meshAttempts = "x-envoy-attempt-count"

func showMetadata(ios *iostreams.IOStreams, what string, md map[string][]string) {
	for _, name := range slices.Sorted(maps.Keys(md)) {
		for _, value := range md[name] {
			ios.Infof("%s %s: %s", what, name, value)
		}
	}
}

// showTimings says where the time went.
func showTimings(ios *iostreams.IOStreams, call *rpc.Call) {
	t := call.Timings
	text := fmt.Sprintf("descriptors from %s at %.1f ms", call.Descriptors.Origin, t.DescriptorsMS)
	for _, step := range []struct {
		name string
		ms   float64
	}{{"resolve", t.ResolveMS}, {"connect", t.ConnectMS}, {"TLS", t.TLSMS}} {
		if step.ms > 0 {
			text += fmt.Sprintf(", %s in %.1f ms", step.name, step.ms)
		}
	}
	if t.FirstByteMS > 0 {
		text += fmt.Sprintf(", first byte at %.1f ms", t.FirstByteMS)
	}
	ios.Infof("time: %s, all in %.1f ms", text, t.TotalMS)
}

func showAttempt(ios *iostreams.IOStreams, a rpc.Attempt) {
	text := fmt.Sprintf("attempt %d", a.Number)
	if a.Instance != "" {
		text += " at " + a.Instance
	}
	text += fmt.Sprintf(": %s in %.1f ms", a.Code, a.DurationMS)
	if a.Message != "" {
		text += ": " + a.Message
	}
	switch {
	case a.WaitMS > 0:
		text += fmt.Sprintf("; the next in %.1f s", a.WaitMS/1000)
		if _, caveat, found := strings.Cut(a.RetryReason, ", "); found {
			text += ", " + caveat
		}
	case a.RetryReason != "":
		text += "; " + a.RetryReason
	}
	ios.Infof("%s", text)
}

// failed returns the error of a call that did not end with OK.
func failed(opts *CallOptions, channel *rpc.Channel, call *rpc.Call) error {
	err := call.Err()
	var transport *rpc.TransportError
	if err == nil || errors.As(err, &transport) {
		return explain(err, opts.Target)
	}
	code, _ := rpc.Code(err)
	advice := hint(err, code)
	if code == codes.Unauthenticated && channel.Anonymous() {
		advice = "the call carried no token; one comes from rpc.token in the context, or from --token-file"
	}
	err = fmt.Errorf("%s of %s: %s: %s", call.Method, opts.Target, call.Status.Code, call.Status.Message)
	return failure.WithCode(failure.WithHint(err, advice), failure.CodeRPC+int(code))
}
