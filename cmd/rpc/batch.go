package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/metadata"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/rpc/batch"
)

// BatchOptions are what `rpc batch` needs.
type BatchOptions struct {
	IO            *iostreams.IOStreams
	Dial          dial
	Guard         func(ctx context.Context, what string) error
	Verbose       int
	File          string
	Method        string
	Headers       []string
	EmitDefaults  bool
	Concurrency   int
	Rate          float64
	StopOnError   bool
	Out           string
	Journal       string
	ResendUnknown bool
	AllowUnknown  bool
	Output        output.Flags
	definitions
	connection

	prepared bool // the calls are what is tried from now on
}

// NewCmdBatch returns the verb; runF replaces its run in tests.
func NewCmdBatch(f *app.Factory, runF func(*BatchOptions) error) *cobra.Command {
	opts := &BatchOptions{IO: f.IO, Dial: f.Channel, Guard: f.GuardCall}
	cmd := &cobra.Command{
		Use:   "batch FILE [TARGET [METHOD]]",
		Short: "Make many calls, one for each line of a file",
		Long: `Read NDJSON from FILE, or from stdin when it is -, make a call for each line, many at
a time over shared connections, and print one line of JSON for each, in the order of
the input: line, outcome, code, message, response, attempts, duration_ms, instance,
request_id; -o has other forms. With a METHOD a line is the message itself, or for a client stream an
array of messages. Without one it is an object

  {"method": "Login", "data": {…}, "headers": {"x-tenant": "blue"}, "id": 7,
   "request_id": "…", "target": "auth-service"}

of which only the method is needed. A line of which no call can be made has the
outcome invalid and does not stop the others; blank lines are passed over. An address
on another machine that only a line names is sent no token but that of --token-file.

--out FILE keeps a journal beside it, FILE.journal, and --journal names one. When a
run was interrupted or killed, the same command goes on where it ended, and its
output is whole again: what is done is not sent again. What was in flight at a kill
has the outcome unknown, and is sent again only with --resend-unknown. The journal
holds the responses; it stays when all is done, so that the same command once more
sends nothing. A journal of another input is refused.

Tries and attempts are those of "call"; --max-time bounds each call. A server that
restarts is waited for. Ctrl-C gives calls in flight 5 s to end. The exit code is 1
when a line ended other than with OK.`,
		Example: `printf '{"username":"ada","password":"correct horse"}\n{"username":"ada","password":"guess"}\n' > logins.ndjson
suokectl rpc batch logins.ndjson auth-service Login --version v1 # exits 1
printf '{"method":"Stats","id":1}\n{"method":"GetProfile","data":{"user_id":"u-1"},"id":2}\n' | suokectl rpc batch - user-service # exits 1
printf '{"target":"user-service","method":"Stats"}\n{"target":"health-service","method":"WatchVitals","data":{"count":2}}\n' > calls.ndjson
suokectl rpc batch calls.ndjson --out results.ndjson --rate 100`,
		Args:              cobra.RangeArgs(1, 3),
		ValidArgsFunction: opts.complete(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.File, opts.Verbose, opts.OneVersion = args[0], f.Verbose, true
			if len(args) > 1 {
				opts.Target = args[1]
			}
			if len(args) > 2 {
				opts.Method = args[2]
			}
			if err := errors.Join(opts.validate(), opts.validateOutput()); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runBatch(cmd.Context(), opts)
		},
	}
	opts.bindBatch(cmd)
	opts.bind(cmd)
	opts.bindOutput(cmd)
	cmd.Flags().Lookup("max-time").Usage = "how long each call may take with all its tries, as a `duration`; 0 sets no bound"
	return cmd
}

func (o *BatchOptions) bindBatch(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVarP(&o.Concurrency, "concurrency", "c", batch.Concurrency, "`number` of calls at a time")
	flags.Float64Var(&o.Rate, "rate", 0, "`calls` to begin in a second, at most; 0 sets no bound")
	flags.BoolVar(&o.StopOnError, "stop-on-error", false, "begin no call after a line that did not end with OK")
	flags.StringVar(&o.Out, "out", "", "`file` for the results, in place of stdout, with a journal beside it")
	flags.StringVar(&o.Journal, "journal", "", "`file` that remembers what is done")
	flags.BoolVar(&o.ResendUnknown, "resend-unknown", false, "send again what was in flight when an earlier run was killed")
	flags.StringArrayVarP(&o.Headers, "header", "H", nil, "`name: value` to send along with each call; may be repeated")
	flags.BoolVar(&o.EmitDefaults, "emit-defaults", false, "show fields that have their default value")
	flags.BoolVar(&o.AllowUnknown, "allow-unknown-fields", false, "drop fields of a request that its message does not have")
	o.bindSources(cmd)
	for _, name := range []string{"concurrency", "rate", "header"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
}

// complete completes a file, then as for a call.
func (o *BatchOptions) complete(f *app.Factory) cobra.CompletionFunc {
	call := complete.At(targets(f), names(f, &o.connection, "rpc-methods", allMethods))
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return call(cmd, args[1:], prefix)
	}
}

func (o *BatchOptions) validate() error {
	switch {
	case o.Concurrency < 1:
		return failure.Usagef("--concurrency %d: at least one call at a time is needed", o.Concurrency)
	case !(o.Rate >= 0):
		return failure.Usagef("--rate %v is negative", o.Rate)
	case o.ResendUnknown && o.Out == "" && o.Journal == "":
		return failure.Usagef("--resend-unknown is about what a journal knows: name it with --journal, or the results with --out")
	}
	return o.connection.validate()
}

func runBatch(ctx context.Context, opts *BatchOptions) error {
	caller, err := opts.caller(ctx)
	if err != nil {
		return err
	}
	in, err := opts.input()
	if err != nil {
		return err
	}
	defer in.Close()
	if err := opts.Guard(ctx, opts.purpose()); err != nil {
		return err
	}
	defer caller.Close() //nolint:errcheck // it only says what is closed
	if err := caller.Prepare(ctx); err != nil {
		return explain(err, opts.Target)
	}
	opts.prepared = true
	journal, err := opts.journal()
	if err != nil {
		return err
	}
	summary, err := opts.run(ctx, caller, journal, in)
	if journal != nil {
		if closed := journal.Close(); err == nil {
			err = closed
		}
	}
	opts.sumUp(summary)
	return opts.verdict(summary, err)
}

// purpose is what a protected context is asked to allow.
func (o *BatchOptions) purpose() string {
	what, where := "make the calls", o.Target
	if o.Method != "" {
		what = "call " + o.Method
	}
	if where == "" {
		where = "the targets"
	}
	return fmt.Sprintf("%s of %s for each line of %s", what, where, o.File)
}

// caller dials as the flags say; targets of lines are dialled likewise.
func (o *BatchOptions) caller(ctx context.Context) (*batch.Caller, error) {
	request := rpc.Request{Method: o.Method, EmitDefaults: o.EmitDefaults, AllowUnknown: o.AllowUnknown, Headers: metadata.MD{}}
	for _, header := range o.Headers {
		if err := addHeader(request.Headers, "--header", header); err != nil {
			return nil, err
		}
	}
	var err error
	if request.Descriptors, err = o.given(&o.connection); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	o.Retry.OnRetry = func(a rpc.Attempt) {
		mu.Lock()
		defer mu.Unlock()
		if o.Verbose > 0 || !o.prepared {
			showAttempt(o.IO, a)
		}
	}
	dial := func(ctx context.Context, target string) (*rpc.Channel, error) {
		settings := o.RPCOptions
		settings.Target = target
		settings.Anonymous = o.Anonymous || target != o.Target && o.TokenFile == "" && isFar(target)
		return o.Dial(ctx, settings)
	}
	return &batch.Caller{Dial: dial, Target: o.Target, Request: request, MaxTime: o.MaxTime}, nil
}

// isFar reports whether a target is an address on another machine. Where only a line
// names it the context's token does not go: who wrote the line may be waiting there.
func isFar(name string) bool {
	target, err := rpc.ParseTarget(name)
	return err == nil && target.Service == "" && !app.Local(target.Address)
}

// input opens the file, or stdin, which stays open.
func (o *BatchOptions) input() (io.ReadCloser, error) {
	if o.File == "-" {
		return io.NopCloser(o.IO.In), nil
	}
	file, err := os.Open(o.File)
	if errors.Is(err, os.ErrNotExist) {
		return nil, failure.Usagef("there is no file %s", o.File)
	}
	return file, err
}

// journal opens the one that is named, or that of --out; nil when there is none.
func (o *BatchOptions) journal() (*batch.Journal, error) {
	path := o.Journal
	if path == "" && o.Out != "" {
		path = o.Out + ".journal"
	}
	if path == "" {
		return nil, nil
	}
	if _, err := os.Stat(path); o.Out != "" && errors.Is(err, os.ErrNotExist) {
		if info, err := os.Stat(o.Out); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
			return nil, failure.WithHint(failure.Usagef("%s has results already, and there is no journal %s", o.Out, path),
				"remove it, or name another file")
		}
	}
	journal, err := batch.OpenJournal(path, batch.Heading{Target: o.Target, Method: o.Method})
	if errors.Is(err, batch.ErrOtherInput) {
		return nil, otherInput(err)
	}
	return journal, err
}

func otherInput(err error) error {
	return failure.WithHint(&failure.UsageError{Err: err}, "give the input, target and method of the earlier run, or name another journal")
}
