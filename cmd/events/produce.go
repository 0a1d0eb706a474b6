package events

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/spool"
)

// ProduceOptions are what `events produce` works with.
type ProduceOptions struct {
	IO       *iostreams.IOStreams
	Events   func() (*events.Client, error)
	Guard    func(ctx context.Context, what string) error
	Validate events.Validator
	Spool    func() (*spool.Spool, error)
	Output   output.Flags
	Topic    string
	File     string
	DryRun   bool
	// FromSpool sends what the spool keeps, and reads no file.
	FromSpool bool
}

// NewCmdProduce returns the verb; runF replaces its run in tests.
func NewCmdProduce(f *app.Factory, runF func(*ProduceOptions) error) *cobra.Command {
	opts := &ProduceOptions{IO: f.IO, Events: f.Events, Guard: f.Guard, Validate: validator(f), Spool: f.Spool}
	cmd := &cobra.Command{
		Use:   "produce {TOPIC | --spool}",
		Short: "Produce events, one on each line",
		Long: `Read NDJSON and produce each line as an event. A line is the event itself, or
{"key": …, "headers": …, "value": EVENT} as "consume" prints it; headers are a
list of {"key", "value"} or an object.

Each event is checked first: its envelope, whether it belongs to the topic, and
the topic's schema. One that is refused is reported with its line and reason and
does not stop the others. The lines that were acknowledged are counted and
named; exit code 1 says that some were not.

An event that the broker refuses goes to the topic's dead letters, one that is
not valid nowhere. What is not acknowledged within 10 s is kept in the context's
spool, and later events of its key wait there behind it. --spool sends what the
spool keeps, in order for each key and with the ids that the events have; those
that were sent before may then be stored twice, so consumers must be idempotent
by meta.id. With --dry-run it lists them.`,
		Example: `echo '{"meta":{"id":"e-1","type":"user-registered","version":"v1","source":"auth-service","time":"2026-01-31T12:00:00Z","correlation_id":"r-1"},"data":{"user_id":"u-1","email":"ada@example.org"}}' > events.ndjson` + "\n" +
			"suokectl events produce dev.auth-service.user-registered.v1 -f events.ndjson --dry-run\n" +
			"suokectl events produce dev.auth-service.user-registered.v1 -f events.ndjson\n" +
			"suokectl events consume dev.auth-service.user-registered.v1 --until now -n 1 | suokectl events produce dev.auth-service.user-registered.v1\n" +
			"suokectl events produce --spool --dry-run\n" +
			"suokectl events produce --spool",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: complete.At(topicNames(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.FromSpool == (len(args) == 1) {
				return failure.Usagef("either a topic or --spool is needed")
			}
			if opts.FromSpool && cmd.Flags().Changed("file") {
				return failure.Usagef("--spool reads no file: leave --file out")
			}
			if !opts.FromSpool {
				opts.Topic = args[0]
			}
			if err := opts.Output.Validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			if opts.FromSpool {
				return explain(runSpool(cmd.Context(), opts))
			}
			return explain(runProduce(cmd.Context(), opts))
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&opts.File, "file", "f", "-", "`file` to read, - for standard input")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "check every line, or list the spool, and produce nothing")
	flags.BoolVar(&opts.FromSpool, "spool", false, "send what the context's spool keeps")
	opts.Output.Bind(cmd)
	return cmd
}

func runProduce(ctx context.Context, opts *ProduceOptions) error {
	in, err := opts.open()
	if err != nil {
		return err
	}
	defer in.Close()
	client, err := opts.Events()
	if err != nil {
		return err
	}
	if !opts.DryRun {
		if err := opts.Guard(ctx, "produce events to "+opts.Topic); err != nil {
			return err
		}
	}
	open := opts.Spool
	if opts.DryRun {
		open = nil
	}
	producer, err := openProducer(ctx, opts.IO, client, open, events.ProducerOptions{Validate: opts.Validate, Linger: bulkLinger})
	if err != nil {
		return err
	}
	run := &production{topic: opts.Topic, dryRun: opts.DryRun, producer: producer}
	readErr := run.produce(ctx, in)
	report := run.finish(ctx)
	for _, p := range report.Problems {
		opts.IO.Infof("line %d: %s", p.Line, p.Error)
	}
	if err := output.One(opts.IO, opts.Output, reportView(opts.DryRun), report, nil); err != nil {
		return err
	}
	return firstError(readErr, report.err())
}

// open opens the file, or standard input, which stays open.
func (o *ProduceOptions) open() (io.ReadCloser, error) {
	if o.File == "-" {
		return io.NopCloser(o.IO.In), nil
	}
	file, err := os.Open(o.File)
	if errors.Is(err, os.ErrNotExist) {
		return nil, failure.Usagef("there is no file %s", o.File)
	}
	return file, err
}

// reportView shows the end of a production as fields; in a dry run nothing is
// acked.
func reportView(dryRun bool) output.View[productionReport] {
	good := "ACKED"
	if dryRun {
		good = "PASSED"
	}
	count := func(outcome string) func(productionReport) string {
		return func(r productionReport) string { return fmt.Sprint(r.count(outcome)) }
	}
	return output.View[productionReport]{
		Columns: []output.Column[productionReport]{
			{Name: "TOPIC", Value: func(r productionReport) string { return r.Topic }},
			{Name: good, Value: func(r productionReport) string { return fmt.Sprint(r.Acked) }},
			{Name: "LINES", Value: func(r productionReport) string { return r.AckedLines }},
			{Name: "REJECTED", Value: count(outcomeRejected)},
			{Name: "UNKNOWN", Value: count(outcomeUnknown)},
			{Name: "NOT SENT", Value: count(outcomeNotSent)},
		},
		Name: func(r productionReport) string { return r.AckedLines },
	}
}
