package rpc

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/spec"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

// CallOptions are what `rpc call` needs.
type CallOptions struct {
	IO           *iostreams.IOStreams
	Dial         dial
	Guard        func(ctx context.Context, what string) error
	Verbose      int
	Output       output.Flags
	Method       string
	Data         string
	Headers      []string
	RequestID    string
	EmitDefaults bool
	connection
}

// NewCmdCall returns the verb; runF replaces its run in tests.
func NewCmdCall(f *app.Factory, runF func(*CallOptions) error) *cobra.Command {
	opts := &CallOptions{IO: f.IO, Dial: f.Channel, Guard: f.GuardCall}
	cmd := &cobra.Command{
		Use:   "call TARGET METHOD",
		Short: "Call a method with JSON",
		Long: `Call a method of any of the four kinds and print the response's messages as JSON.
METHOD is package.Service/Method, package.Service.Method, or the end of one where
that is unambiguous. The request's messages are JSON values one after the other;
for a stream they are sent as they are read.

A try takes 5 s at most. Unary calls that end with UNAVAILABLE or
DEADLINE_EXCEEDED are tried again, three times in all, each time at another
instance where there is one. Request id and attempts are shown on stderr; -o json
has everything: headers, messages, trailers, status with details, attempts.

The exit code is 64 + the gRPC code when the call failed.`,
		Example: `suokectl rpc call auth-service Login --version v1 -d '{"username":"ada","password":"correct horse"}'
suokectl rpc call auth-service Login --version v1 -d '{"username":"ada","password":"guess"}' # exits 80
printf '{"vitals":{"heart_rate":60}}\n{"vitals":{"heart_rate":80}}\n' > vitals.json
suokectl rpc call health-service RecordVitals -d @vitals.json
suokectl rpc call health-service CheckVitals -d - -o json < vitals.json`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: complete.At(targets(f), names(f, &opts.connection, "rpc-methods", allMethods)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Target, opts.Method, opts.Verbose = args[0], args[1], f.Verbose
			opts.OneVersion = true
			if err := errors.Join(opts.validate(), opts.Output.Validate()); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runCall(cmd.Context(), opts)
		},
	}
	opts.bindRequest(cmd)
	opts.bind(cmd)
	opts.Output.Bind(cmd)
	return cmd
}

// bindRequest adds the flags of a request.
func (o *CallOptions) bindRequest(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&o.Data, "data", "d", "", "request as `JSON`, @FILE, or - for stdin")
	flags.StringArrayVarP(&o.Headers, "header", "H", nil, "`name: value` to send along, in base64 when the name ends in -bin; may be given again")
	flags.StringVar(&o.RequestID, "request-id", "", "request `id` to send in place of a new one")
	flags.BoolVar(&o.EmitDefaults, "emit-defaults", false, "show fields that have their default value")
	for _, name := range []string{"data", "header", "request-id"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
}

// allMethods lists the full names of a server's methods. Those of gRPC's own
// services are left out: nobody waits for them at a TAB.
func allMethods(d *rpc.Descriptors) ([]string, error) {
	services, err := d.Services()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, service := range services {
		if strings.HasPrefix(service, "grpc.") {
			continue
		}
		methods, err := d.Methods(service)
		if err != nil {
			return nil, err
		}
		for _, m := range methods {
			names = append(names, m.FullName)
		}
	}
	return names, nil
}

func runCall(ctx context.Context, opts *CallOptions) error {
	request, err := opts.request()
	if err != nil {
		return err
	}
	body, err := open(opts.Data, opts.IO.In)
	if err != nil {
		return err
	}
	defer body.Close()
	request.Body = body
	if err := opts.Guard(ctx, fmt.Sprintf("call %s of %s", opts.Method, opts.Target)); err != nil {
		return err
	}
	ctx, cancel := opts.bounded(telemetry.WithRequestID(ctx, opts.RequestID))
	defer cancel()
	opts.Retry.OnRetry = func(a rpc.Attempt) { showAttempt(opts.IO, a) }
	channel, err := opts.Dial(ctx, opts.RPCOptions)
	if err != nil {
		return explain(err, opts.Target)
	}
	defer channel.Close() //nolint:errcheck // it only says that it is closed
	call, err := channel.Call(ctx, request)
	if err != nil {
		return explain(err, opts.Target)
	}
	return errors.Join(show(opts, call), failed(opts, channel, call))
}

// request checks the flags, reads the headers and decides where the messages go: to stdout as
// they come, unless the whole call is wanted.
func (o *CallOptions) request() (rpc.Request, error) {
	r := rpc.Request{Method: o.Method, EmitDefaults: o.EmitDefaults, Headers: metadata.MD{}}
	for _, header := range o.Headers {
		name, value, found := strings.Cut(header, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		if !found || name == "" || strings.ContainsFunc(name, notInName) {
			return r, failure.Usagef("--header %q is not NAME: VALUE", header)
		}
		value, err := headerValue(name, strings.TrimSpace(value))
		if err != nil {
			return r, err
		}
		r.Headers.Append(name, value)
	}
	if len(r.Headers.Get(spec.HeaderAuthorization)) > 0 {
		return r, failure.WithHint(failure.Usagef("a token does not belong on the command line, where others can read it"), "use --token-file FILE")
	}
	if o.RequestID != "" && !telemetry.ValidRequestID(o.RequestID) {
		return r, failure.Usagef("--request-id %q is not 1 to %d printable ASCII characters", o.RequestID, spec.MaxRequestID)
	}
	if o.Output.Human() {
		r.OnMessage = func(message json.RawMessage) error { return showMessage(o.IO, message) }
	}
	return r, nil
}

// headerValue is what is sent: the value of a binary header, whose name ends in
// -bin, is given in base64, as it is shown.
func headerValue(name, text string) (string, error) {
	if !strings.HasSuffix(name, "-bin") {
		return text, nil
	}
	bytes, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return "", failure.Usagef("--header %s is a binary header, whose value is given in base64: %v", name, err)
	}
	return string(bytes), nil
}

func notInName(r rune) bool {
	return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_.", r)
}

// open returns the request's messages: the JSON itself, a file's or stdin's.
func open(data string, stdin io.Reader) (io.ReadCloser, error) {
	switch {
	case data == "-", data == "@-":
		return io.NopCloser(stdin), nil
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

func showMessage(ios *iostreams.IOStreams, message json.RawMessage) error {
	var text bytes.Buffer
	if err := json.Indent(&text, message, "", "  "); err != nil {
		return err
	}
	return output.Text(ios, "%s\n", ios.Clean(text.String()))
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
