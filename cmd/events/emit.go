package events

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/spool"
)

// EmitOptions are what `events emit` works with.
type EmitOptions struct {
	IO       *iostreams.IOStreams
	Events   func() (*events.Client, error)
	Context  func() (*config.Context, error)
	Guard    func(ctx context.Context, what string) error
	Validate events.Validator
	Encode   events.Encoder // used when Framed
	Spool    func() (*spool.Spool, error)
	Output   output.Flags
	Event    events.NewEvent
	Data     string
	Framed   bool
	DryRun   bool
}

// NewCmdEmit returns the verb; runF replaces its run in tests.
func NewCmdEmit(f *app.Factory, runF func(*EmitOptions) error) *cobra.Command {
	opts := &EmitOptions{IO: f.IO, Events: f.Events, Context: f.Context, Guard: f.Guard, Validate: validator(f), Encode: encoder(f), Spool: f.Spool}
	cmd := &cobra.Command{
		Use:   "emit TYPE --service SERVICE --data JSON",
		Short: "Build one event and produce it",
		Long: `Wrap data in an envelope with a new id and the present time, check it against the
conventions and the topic's schema, produce it to {env}.SERVICE.TYPE.{version},
and wait until every in-sync replica has it.

An event that is not valid is stored nowhere. One that the broker refuses goes to
the topic's dead letters. One whose outcome is unknown after 10 s is kept in the
context's spool, and "events produce --spool" sends it. Which of these it was is
said, and the exit code is not 0.

--framed encodes the event by the newest schema of its topic, and frames it as
Confluent's clients do, like "events produce --framed".

The environment is the context's. --data - reads standard input.`,
		Example: `suokectl events emit user-registered --service auth-service --data '{"user_id":"u-1","email":"ada@example.org"}' --key u-1` + "\n" +
			`suokectl events emit user-registered --service auth-service --data '{"user_id":"u-2","email":"bob@example.org"}' --dry-run` + "\n" +
			`suokectl events emit UserRegistered --service auth-service --data '{}' # exits 1`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Event.Type = args[0]
			if opts.Event.Service == "" || opts.Data == "" {
				return failure.Usagef("--service and --data are needed")
			}
			if err := opts.Output.Validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return explain(runEmit(cmd.Context(), opts))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Event.Service, "service", "", "`name` of the service that the event comes from")
	flags.StringVar(&opts.Data, "data", "", "the event's data as `JSON`, or - for standard input")
	flags.StringVar(&opts.Event.Version, "version", "v1", "`version` of the event, vN")
	flags.StringVar(&opts.Event.Key, "key", "", "`key` that orders events; none when empty")
	flags.StringVar(&opts.Event.CorrelationID, "correlation-id", "", "`id` of the request that caused the event")
	flags.BoolVar(&opts.Framed, "framed", false, "encode the event by its topic's schema, and frame it for the schema registry")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "print the event, and produce nothing")
	opts.Output.Bind(cmd)
	for _, name := range []string{"service", "data", "version", "key", "correlation-id"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return cmd
}

func runEmit(ctx context.Context, opts *EmitOptions) error {
	if err := opts.complete(); err != nil {
		return err
	}
	client, err := opts.Events()
	if err != nil {
		return err
	}
	if opts.DryRun {
		return opts.rehearse(ctx, client)
	}
	if err := opts.Guard(ctx, "emit an event"); err != nil {
		return err
	}
	emitted, err := emit(ctx, client, opts)
	if err != nil {
		return err
	}
	return output.One(opts.IO, opts.Output, emittedView(), emitted, nil)
}

// rehearse does all but producing the event.
func (o *EmitOptions) rehearse(ctx context.Context, client *events.Client) error {
	id, record, err := client.BuildRecord(ctx, o.Event)
	validate, encode := o.checks()
	if err == nil && validate != nil {
		err = validate(ctx, record.Topic, record.Value)
	}
	if err == nil && encode != nil {
		_, err = encode(ctx, record.Topic, record.Value)
	}
	if err != nil {
		return err
	}
	o.IO.Infof("would be produced to %s", record.Topic)
	view := output.View[json.RawMessage]{Name: func(json.RawMessage) string { return id }}
	return output.One(o.IO, o.Output, view, json.RawMessage(record.Value), func(w io.Writer) error {
		_, err := fmt.Fprintln(w, o.IO.Clean(string(record.Value)))
		return err
	})
}

// checks returns what holds the event to its schema; encoding does so by itself.
func (o *EmitOptions) checks() (events.Validator, events.Encoder) {
	if o.Framed {
		return nil, o.Encode
	}
	return o.Validate, nil
}

// complete fills in what comes from the context and from standard input.
func (o *EmitOptions) complete() error {
	context, err := o.Context()
	if err != nil {
		return err
	}
	o.Event.Env = context.Env
	data := []byte(o.Data)
	if o.Data == "-" {
		if data, err = io.ReadAll(o.IO.In); err != nil {
			return err
		}
	}
	if !json.Valid(data) {
		return failure.Usagef("--data is not JSON: %s", strings.TrimSpace(string(data)))
	}
	o.Event.Data = data
	return nil
}

func emit(ctx context.Context, client *events.Client, opts *EmitOptions) (events.Emitted, error) {
	validate, encode := opts.checks()
	producer, err := openProducer(ctx, opts.IO, client, opts.Spool, events.ProducerOptions{Validate: validate, Encode: encode})
	if err != nil {
		return events.Emitted{}, err
	}
	emitted, err := producer.Emit(ctx, opts.Event)
	return emitted, firstError(producer.explain(err), producer.Close(ctx))
}

// firstError returns the error that came first; a later one follows from it.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func emittedView() output.View[events.Emitted] {
	return output.View[events.Emitted]{
		Columns: []output.Column[events.Emitted]{
			{Name: "TOPIC", Value: func(e events.Emitted) string { return e.Topic }},
			{Name: "PARTITION", Value: func(e events.Emitted) string { return strconv.Itoa(int(e.Partition)) }},
			{Name: "OFFSET", Value: func(e events.Emitted) string { return strconv.FormatInt(e.Offset, 10) }},
			{Name: "ID", Value: func(e events.Emitted) string { return e.ID }},
		},
		Name: func(e events.Emitted) string { return e.ID },
	}
}
