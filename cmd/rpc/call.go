package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/rpc"
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
	Format       string
	EmitDefaults bool
	AllowUnknown bool
	Expect       string
	SaveTo       string
	From         string
	connection
	definitions

	body *string // of the request, when it does not come from Data
}

// The forms of messages that --format takes.
const (
	jsonFormat = "json"
	textFormat = "text"
)

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
instance where there is one. Request id and attempts are shown on stderr; -v adds
metadata and timings there, -o json has everything: headers, messages, trailers,
status with details, attempts, timings.

What the server says of a method is kept, so that the next call is sent at once;
it is checked while that call runs, and fetched anew when it does not fit.

--save writes the call to a file that can be shared, with ${env:NAME} in it for
what each user has of their own; --from makes it, and flags go before the file.
Tokens are never saved.

The exit code is 64 + the gRPC code when the call failed; with --expect it is 0
when the call ended with that code, and else 1.`,
		Example: `suokectl rpc call auth-service Login --version v1 -d '{"username":"ada","password":"correct horse"}'
suokectl rpc call auth-service Login --version v1 -d '{"username":"ada","password":"guess"}' # exits 80
suokectl rpc call auth-service Login --version v1 -d '{}' --expect UNAUTHENTICATED
printf '{"vitals":{"heart_rate":60}}\n{"vitals":{"heart_rate":80}}\n' > vitals.json
suokectl rpc call health-service RecordVitals -d @vitals.json
suokectl rpc call health-service CheckVitals -d - -o json < vitals.json
suokectl rpc call user-service Stats --save stats.yaml
suokectl rpc call --from stats.yaml`,
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: complete.At(targets(f), names(f, &opts.connection, "rpc-methods", allMethods)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.fill(cmd.Context(), cmd, args, f.Getenv); err != nil {
				return err
			}
			opts.Verbose, opts.OneVersion = f.Verbose, true
			if err := errors.Join(opts.validate(), opts.Output.Validate()); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			if opts.SaveTo != "" {
				if err := opts.saved(cmd, f.Getenv); err != nil {
					return err
				}
			}
			return runCall(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Expect, "expect", "", "gRPC `code`, such as NOT_FOUND, with which the call has to end")
	flags.StringVar(&opts.SaveTo, "save", "", "write the call to this `file`")
	flags.StringVar(&opts.From, "from", "", "make the call of this `file`")
	_ = cmd.RegisterFlagCompletionFunc("expect", cobra.FixedCompletions(codeNames(), cobra.ShellCompDirectiveNoFileComp))
	opts.bindRequest(cmd)
	_ = cmd.RegisterFlagCompletionFunc("data", fields(f, &opts.connection))
	opts.bindDefinitions(cmd)
	opts.bind(cmd)
	opts.Output.Bind(cmd)
	return cmd
}

// bindRequest adds the flags of a request.
func (o *CallOptions) bindRequest(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&o.Data, "data", "d", "", "request as `JSON`, @FILE, or - for stdin")
	flags.StringArrayVarP(&o.Headers, "header", "H", nil, "`name: value` to send along, base64 where the name ends in -bin; may be repeated")
	flags.StringVar(&o.RequestID, "request-id", "", "request `id` to send in place of a new one")
	flags.BoolVar(&o.EmitDefaults, "emit-defaults", false, "show fields that have their default value")
	flags.BoolVar(&o.AllowUnknown, "allow-unknown-fields", false, "drop fields of the request that its message does not have")
	flags.StringVar(&o.Format, "format", jsonFormat, "`form` of messages, in and out: json, or text for protobuf's text form")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{jsonFormat, textFormat}, cobra.ShellCompDirectiveNoFileComp))
	for _, name := range []string{"header", "request-id"} {
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
	want, err := opts.expected()
	if err != nil {
		return err
	}
	request, err := opts.request()
	if err != nil {
		return err
	}
	if request.Descriptors, err = opts.given(&opts.connection); err != nil {
		return err
	}
	body, err := opts.open()
	if err != nil {
		return err
	}
	defer body.Close()
	request.Body = body
	if err := opts.Guard(ctx, fmt.Sprintf("call %s of %s", opts.Method, opts.Target)); err != nil {
		return err
	}
	err = opts.call(ctx, request)
	if want == nil {
		return err
	}
	return compare(ctx, *want, err)
}

// call makes the call, and shows it.
func (o *CallOptions) call(ctx context.Context, request rpc.Request) error {
	ctx, cancel := o.bounded(telemetry.WithRequestID(ctx, o.RequestID))
	defer cancel()
	o.Retry.OnRetry = func(a rpc.Attempt) { showAttempt(o.IO, a) }
	o.Timings = o.Verbose > 0 || !o.Output.Human()
	channel, err := o.Dial(ctx, o.RPCOptions)
	if err != nil {
		return explain(err, o.Target)
	}
	defer channel.Close() //nolint:errcheck // it only says that it is closed
	call, err := channel.Call(ctx, request)
	if err != nil {
		return explain(err, o.Target)
	}
	if err := errors.Join(show(o, call), o.writeUsed(ctx, channel, request, call)); err != nil {
		return err
	}
	return failed(o, channel, call)
}

// writeUsed writes the definitions of the called method's service.
func (o *CallOptions) writeUsed(ctx context.Context, channel *rpc.Channel, request rpc.Request, call *rpc.Call) error {
	if o.ProtosetOut == "" {
		return nil
	}
	from := request.Descriptors
	if from == nil {
		from = channel.Reflect(ctx)
		defer from.Close()
	}
	service, _, _ := strings.Cut(call.Method, "/")
	return explain(o.write(from, service), o.Target)
}
