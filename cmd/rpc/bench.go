package rpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/rpc/load"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

// BenchOptions are what `rpc bench` needs.
type BenchOptions struct {
	CallOptions
	// Load has the settings of the run; what is dialled and read is added to it.
	Load        load.Config
	Connections int
	// DataTemplate and CSV make the requests in place of Data.
	DataTemplate string
	CSV          string
	// HTML is the file for a page, Compare files with earlier results.
	HTML    string
	Compare []string
}

// maxConnections is a bound against a slip of the finger.
const maxConnections = 1000

// NewCmdBench returns the verb; runF replaces its run in tests.
func NewCmdBench(f *app.Factory, runF func(*BenchOptions) error) *cobra.Command {
	opts := &BenchOptions{CallOptions: CallOptions{IO: f.IO, Dial: f.Channel, Guard: f.GuardCall}}
	cmd := &cobra.Command{
		Use:   "bench TARGET METHOD",
		Short: "Put load on a method and measure how it bears it",
		Long: `Call a unary method, or one that answers with a stream, many times and show rate,
latencies, codes and instances.

Without --rate, each of --concurrency callers calls again when it has an answer:
how much can the service do? With --rate, calls begin when it is time, whatever the
service does, and their latency counts from then: how long do users wait? The number
in flight stays bounded by --concurrency; a call that could not begin within
--attempt-timeout is counted as missed.

The instances take calls in turn. Calls are not tried again, and no circuit breaker
keeps them from an instance that fails. All calls of a run have one request id.

Requests are the JSON values of -d, in turn, or what --data-template makes:
  {{.N}} {{.Row.COLUMN}} {{int 1 9}} {{float 0 1}} {{string 8}} {{uuid}} {{pick "a" "b"}} {{json VALUE}}
where rows are those of --csv, in turn. The same --seed makes the same requests.

--compare shows what changed since a result that was saved with -o json; given
twice, with no TARGET, it compares the two. Ctrl-C shows the result so far.

The exit code is 1 when no call went well.`,
		Example: `suokectl rpc bench user-service Stats -n 200 -c 4
suokectl rpc bench user-service Stats --rate 100 --arrivals poisson --duration 1s --html bench.html -o json > before.json
suokectl rpc bench user-service Stats --rate 100 --duration 1s --warmup 200ms --compare before.json
printf 'name\nada\ngrace\n' > users.csv
suokectl rpc bench auth-service Login --version v1 -n 50 --csv users.csv --data-template '{"username":{{json .Row.name}},"password":"{{string 12}}"}' # exits 1
suokectl rpc bench --compare before.json --compare before.json -o json`,
		Args:              benchArgs(opts),
		ValidArgsFunction: complete.At(targets(f), names(f, &opts.connection, "rpc-methods", allMethods)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.OneVersion = true
			if len(args) == 2 {
				opts.Target, opts.Method = args[0], args[1]
			}
			if err := errors.Join(opts.validate(), opts.validateLoad(cmd.Flags()), opts.Output.Validate()); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			if opts.Target == "" {
				return compareFiles(opts)
			}
			return runBench(cmd.Context(), opts)
		},
	}
	opts.bindSources(cmd)
	opts.bind(cmd)
	_ = cmd.Flags().MarkHidden("tries") // see validateLoad
	opts.bindLoad(cmd)
	opts.Output.Bind(cmd)
	return cmd
}

// benchArgs lets TARGET and METHOD be left out to compare two results.
func benchArgs(opts *BenchOptions) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 && len(opts.Compare) == 2 {
			return nil
		}
		return cobra.ExactArgs(2)(cmd, args)
	}
}

func (o *BenchOptions) bindLoad(cmd *cobra.Command) {
	flags, c := cmd.Flags(), &o.Load
	flags.StringVarP(&o.Data, "data", "d", "", "requests as `JSON` values, @FILE, or - for stdin")
	flags.StringVar(&o.DataTemplate, "data-template", "", "`template` of the requests, or @FILE")
	flags.StringVar(&o.CSV, "csv", "", "CSV `file` with columns for the template")
	flags.Uint64Var(&c.Seed, "seed", 1, "`number` that random values and Poisson arrivals follow from")
	flags.StringArrayVarP(&o.Headers, "header", "H", nil, "`name: value` to send along; may be repeated")
	flags.StringVar(&o.RequestID, "request-id", "", "request `id` to send in place of a new one")
	flags.IntVarP(&c.Concurrency, "concurrency", "c", load.DefaultConcurrency, "`number` of calls in flight, at most")
	flags.IntVarP(&c.Requests, "requests", "n", 0, "`number` of calls; 0 sets no bound")
	flags.DurationVar(&c.Duration, "duration", 0, "how long to call, as a `duration`; without -n it is "+load.DefaultDuration.String())
	flags.Float64Var(&c.Rate, "rate", 0, "`number` of calls to begin a second, whatever becomes of them")
	flags.StringVar((*string)(&c.Arrivals), "arrivals", string(load.Constant), "how they are `spaced`: constant, poisson")
	flags.DurationVar(&c.Warmup, "warmup", 0, "`duration` of calls at the beginning that are not counted")
	flags.DurationVar(&c.Ramp.Over, "ramp", 0, "`duration` in which the load grows, from the beginning")
	flags.IntVar(&c.Ramp.Steps, "ramp-steps", 0, "`number` of steps in which it grows; 0 lets it grow evenly")
	flags.IntVar(&o.Connections, "connections", 1, "`number` of connections to each instance")
	flags.StringVar(&o.HTML, "html", "", "write the result as a page to this `file`")
	flags.StringArrayVar(&o.Compare, "compare", nil, "`file` of an earlier result to compare with; twice without TARGET")
	for _, name := range []string{"data", "data-template", "seed", "header", "request-id", "concurrency", "requests", "duration", "rate", "warmup", "ramp", "ramp-steps", "connections"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	spacings := []string{string(load.Constant), string(load.Poisson)}
	_ = cmd.RegisterFlagCompletionFunc("arrivals", cobra.FixedCompletions(spacings, cobra.ShellCompDirectiveNoFileComp))
}

func (o *BenchOptions) validateLoad(flags *pflag.FlagSet) error {
	c := o.Load
	switch {
	case flags.Changed("tries"):
		return failure.Usagef("--tries: a load test does not try again")
	case c.Concurrency < 1:
		return failure.Usagef("--concurrency %d: at least one caller is needed", c.Concurrency)
	case o.Connections < 1 || o.Connections > maxConnections:
		return failure.Usagef("--connections %d is not between 1 and %d", o.Connections, maxConnections)
	case c.Requests < 0 || c.Ramp.Steps < 0:
		return failure.Usagef("--requests and --ramp-steps cannot be negative")
	case c.Duration < 0 || c.Warmup < 0 || c.Ramp.Over < 0:
		return failure.Usagef("--duration, --warmup and --ramp cannot be negative")
	case !(c.Rate >= 0 && c.Rate <= load.MaxRate): // NaN is refused, too
		return failure.Usagef("--rate %v is not between 0 and %v", c.Rate, load.MaxRate)
	case c.Arrivals != load.Constant && c.Arrivals != load.Poisson:
		return failure.Usagef("--arrivals %q: it is %s or %s", c.Arrivals, load.Constant, load.Poisson)
	case c.Rate == 0 && flags.Changed("arrivals"):
		return failure.Usagef("--arrivals needs --rate")
	case c.Ramp.Steps > 0 && c.Ramp.Over == 0:
		return failure.Usagef("--ramp-steps needs --ramp")
	case o.Data != "" && o.DataTemplate != "":
		return failure.Usagef("--data and --data-template exclude each other")
	case o.CSV != "" && o.DataTemplate == "":
		return failure.Usagef("--csv needs --data-template")
	case o.Target != "" && len(o.Compare) > 1:
		return failure.WithHint(failure.Usagef("a run is compared with one earlier result"), "leave out TARGET and METHOD to compare two files")
	}
	return nil
}

func runBench(ctx context.Context, opts *BenchOptions) error {
	request, err := opts.request()
	if err != nil {
		return err
	}
	before, err := opts.before()
	if err != nil {
		return err
	}
	if err := opts.Guard(ctx, fmt.Sprintf("put load on %s of %s", opts.Method, opts.Target)); err != nil {
		return err
	}
	ctx, cancel := opts.bounded(telemetry.WithRequestID(ctx, opts.RequestID))
	defer cancel()
	result, err := opts.measure(metadata.NewOutgoingContext(ctx, request.Headers))
	if err != nil {
		return explain(err, opts.Target)
	}
	result.Target = opts.Target
	opts.IO.Infof("request id: %s", telemetry.RequestID(ctx))
	if err := opts.report(result, before); err != nil {
		return err
	}
	return ended(ctx, result)
}

// measure prepares all that a run needs, and makes it.
func (o *BenchOptions) measure(ctx context.Context) (*load.Result, error) {
	descriptors, err := o.given(&o.connection)
	if err != nil {
		return nil, err
	}
	channel, err := o.Dial(ctx, o.RPCOptions)
	if err != nil {
		return nil, err
	}
	defer channel.Close() //nolint:errcheck // it only says that it is closed
	if descriptors == nil {
		descriptors = channel.Reflect(ctx)
	}
	defer descriptors.Close()
	method, err := descriptors.Method(o.Method)
	if err != nil {
		return nil, err
	}
	if method.IsStreamingClient() {
		return nil, failure.Usagef("%s takes a stream: load is for methods that take one message", method.FullName())
	}
	config := o.Load
	if config.Bodies, err = o.bodies(descriptors, method.Input()); err != nil {
		return nil, err
	}
	config.Method, config.ServerStream = wireName(method), method.IsStreamingServer()
	config.Timeout = o.Retry.AttemptTimeout
	for range o.Connections {
		conn, err := o.connect(ctx)
		if err != nil {
			return nil, err
		}
		defer conn.Close() //nolint:errcheck // it only says that it is closed
		config.Headers = conn.Headers(ctx)
		config.Conns = append(config.Conns, grpc.ClientConnInterface(conn))
	}
	meter := &meter{ios: o.IO}
	defer meter.close()
	config.OnProgress = func(p load.Progress) { meter.show(loadProgress(config, p)) }
	defer debug.SetGCPercent(debug.SetGCPercent(collectAt)) // calls leave much garbage, and little lives
	return load.Run(ctx, config)
}

// collectAt lets the heap grow fivefold before garbage is collected: it saves a
// sixth of a call's CPU time.
const collectAt = 400

func wireName(method protoreflect.MethodDescriptor) string {
	return string(method.Parent().FullName()) + "/" + string(method.Name())
}

// connect opens a channel that adds nothing to calls, and waits until it knows
// whether it has a connection: connecting is no part of what is measured.
func (o *BenchOptions) connect(ctx context.Context) (*rpc.Channel, error) {
	options := o.RPCOptions
	options.Bare = true
	channel, err := o.Dial(ctx, options)
	if err != nil {
		return nil, err
	}
	if limit := o.Retry.AttemptTimeout; limit > 0 {
		bounded, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		ctx = bounded
	}
	channel.Connect()
	for state := channel.GetState(); state != connectivity.Ready && state != connectivity.TransientFailure; state = channel.GetState() {
		if !channel.WaitForStateChange(ctx, state) {
			break // calls will tell why
		}
	}
	return channel, nil
}

// ended returns why the command does not end with 0.
func ended(ctx context.Context, r *load.Result) error {
	switch {
	case r.Partial:
		return fmt.Errorf("the run was ended before its time: %w", context.Cause(ctx))
	case r.Calls == r.Failed && r.Calls+r.Missed > 0:
		worst := load.Code{Code: "no code", Message: "none could begin in time"}
		for _, code := range r.Codes {
			if code.Calls > worst.Calls {
				worst = code
			}
		}
		return fmt.Errorf("%s of %s: no call went well: %s", r.Method, r.Target, cmp.Or(worst.Message, worst.Code))
	default:
		return nil
	}
}
