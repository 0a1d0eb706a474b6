package rpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/metadata"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/spec"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

// request checks the flags, reads the headers and decides where the messages go: to stdout as
// they come, unless the whole call is wanted.
func (o *CallOptions) request() (rpc.Request, error) {
	r := rpc.Request{
		Method: o.Method, EmitDefaults: o.EmitDefaults, AllowUnknown: o.AllowUnknown,
		Text: o.Format == textFormat, FreshDescriptors: o.ProtosetOut != "", Headers: metadata.MD{},
	}
	if o.Format != "" && o.Format != jsonFormat && o.Format != textFormat {
		return r, failure.Usagef("--format %q: it is %s or %s", o.Format, jsonFormat, textFormat)
	}
	for _, header := range o.Headers {
		if err := addHeader(r.Headers, "--header", header); err != nil {
			return r, err
		}
	}
	if o.RequestID != "" && !telemetry.ValidRequestID(o.RequestID) {
		return r, failure.Usagef("--request-id %q is not 1 to %d printable ASCII characters", o.RequestID, spec.MaxRequestID)
	}
	if o.Output.Human() {
		r.OnMessage = func(message json.RawMessage) error { return showMessage(o.IO, message, r.Text) }
	}
	return r, nil
}

// open returns the request's messages. Those of a saved call are never the name
// of a file, which it could have sent elsewhere.
func (o *CallOptions) open() (io.ReadCloser, error) {
	if o.body != nil {
		return io.NopCloser(strings.NewReader(*o.body)), nil
	}
	return open(o.Data, o.IO)
}

// open returns the request's messages: the JSON itself, a file's or stdin's.
func open(data string, ios *iostreams.IOStreams) (io.ReadCloser, error) {
	switch {
	case data == "-", data == "@-":
		if ios.StdinTTY() {
			ios.Infof("reading the request from the terminal; Ctrl-D ends it")
		}
		return io.NopCloser(ios.In), nil
	case strings.HasPrefix(data, "@"):
		file, err := os.Open(data[1:])
		if err != nil {
			return nil, fmt.Errorf("read the request: %w", err)
		}
		return file, nil
	default:
		return io.NopCloser(strings.NewReader(data)), nil
	}
}

// saved saves the call, and goes on with what its references stand for.
func (o *CallOptions) saved(cmd *cobra.Command, getenv func(string) string) error {
	source, err := o.open()
	if err != nil {
		return err
	}
	b, err := io.ReadAll(source)
	if err := errors.Join(err, source.Close()); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	if !utf8.Valid(b) {
		return failure.Usagef("the request is not text, and cannot be saved")
	}
	body, headers, err := o.expanded(cmd.Context(), string(b), getenv)
	if err != nil {
		return err
	}
	asGiven := o.Headers
	o.Headers, o.body = headers, &body
	if _, err := o.request(); err != nil { // a call that cannot be made is not saved
		return err
	}
	return o.save(cmd, asGiven, string(b))
}
