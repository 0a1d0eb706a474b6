package events

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/cmd/events/intake"
	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/spool"
)

// What --on-error takes.
const (
	onErrorSkip = "skip"
	onErrorStop = "stop"
)

// collectAt is how much garbage there may be, in percent of what lives, before
// it is collected: each event leaves some, and little lives.
const collectAt = 200

// ProduceOptions are what `events produce` works with.
type ProduceOptions struct {
	IO       *iostreams.IOStreams
	Events   func() (*events.Client, error)
	Context  func() (*config.Context, error)
	Guard    func(ctx context.Context, what string) error
	Validate events.Validator
	Encode   events.Encoder // used when Framed
	Spool    func() (*spool.Spool, error)
	// Columns returns the types of a topic's fields, for CSV.
	Columns func(ctx context.Context, topic string) (map[string]intake.Column, error)
	// StateDir returns the folder that remembers how far runs have come.
	StateDir func() (string, error)
	Output   output.Flags
	Topic    string
	File     string
	DryRun   bool
	// FromSpool sends what the spool keeps, and reads no file.
	FromSpool bool

	Format       string
	Framed       bool
	Wrap         bool
	Delimiter    string
	KeyDelimiter string
	KeyColumn    string
	KeyJQ        string
	Compression  string
	Rate         float64
	OnError      string
	Rejected     string
	Resume       bool
}

// NewCmdProduce returns the verb; runF replaces its run in tests.
func NewCmdProduce(f *app.Factory, runF func(*ProduceOptions) error) *cobra.Command {
	opts := &ProduceOptions{IO: f.IO, Events: f.Events, Context: f.Context, Guard: f.Guard, Validate: validator(f), Encode: encoder(f), Spool: f.Spool, Columns: columnTypes(f)}
	opts.StateDir = func() (string, error) {
		paths, err := f.Paths()
		return filepath.Join(paths.State, "produce"), err
	}
	cmd := &cobra.Command{
		Use:   "produce {TOPIC | --spool}",
		Short: "Produce the events of a file or of standard input",
		Long: `Read records, by default one on each line, and produce each as an event.

  ndjson         the event itself, or {"key": …, "headers": …, "value": EVENT} as
                 "consume" prints it; headers are a list of {"key", "value"} or an object
  json-each-row  such records only; their partition and timestamp are kept as well
  text           the event between --delimiter, with its key before --key-delimiter
  csv            a row of the event's data; the first names the fields, whose types are
                 those of the topic's schema, else texts

--framed encodes each event by the newest schema of its topic, as Avro, Protobuf or
JSON, and frames it as Confluent's clients do; the schema must describe the whole
event. "consume --decode" shows it again.

--wrap takes each value for an event's data, and gives it an envelope with a new id;
csv's rows always are. Input that is compressed by gzip or zstd is decompressed.

Each event is checked first: its envelope, whether it belongs to the topic, and
the topic's schema. One that is refused is reported with its file, line and column,
written as it stood to the file of --rejected, and does not stop the others, unless
--on-error is stop. Exit code 1 says that some were not acknowledged.

An event that the broker refuses goes to the topic's dead letters, one that is
not valid nowhere. What is not acknowledged within 10 s is kept in the context's
spool, and later events of its key wait there behind it. --spool sends what the
spool keeps, in order for each key and with the ids that the events have; those
that were sent before may then be stored twice, so consumers must be idempotent
by meta.id. With --dry-run it lists them.

When a run over a file was interrupted or killed, --resume goes on where it ended.
Nothing is left out. What was sent in its last quarter of a second, or among a
thousand lines of which one was not acknowledged yet, may be sent again, as the same
event with the same id.`,
		Example: `echo '{"meta":{"id":"e-1","type":"user-registered","version":"v1","source":"auth-service","time":"2026-01-31T12:00:00Z","correlation_id":"r-1"},"data":{"user_id":"u-1","email":"ada@example.org"}}' > events.ndjson` + "\n" +
			"suokectl events produce dev.auth-service.user-registered.v1 -f events.ndjson --dry-run\n" +
			"suokectl events produce dev.auth-service.user-registered.v1 -f events.ndjson --key-jq .data.user_id --resume\n" +
			"suokectl events consume dev.auth-service.user-registered.v1 --until now -n 1 | suokectl events produce dev.auth-service.user-registered.v1\n" +
			`printf 'user_id,email\nu-2,bob@example.org\n' | suokectl events produce dev.auth-service.user-registered.v1 --format csv --key-column user_id` + "\n" +
			"suokectl events produce --spool --dry-run\n" +
			"suokectl events produce --spool",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: complete.At(topicNames(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				opts.Topic = args[0]
			}
			if err := opts.validate(cmd); err != nil {
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
	opts.bind(cmd)
	return cmd
}

func (o *ProduceOptions) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&o.File, "file", "f", "-", "`file` to read, - for standard input")
	flags.StringVar(&o.Format, "format", string(intake.NDJSON), "what the input is: "+strings.Join(intake.Formats(), ", "))
	flags.BoolVar(&o.Framed, "framed", false, "encode events by their topic's schema, and frame them for the schema registry")
	flags.BoolVar(&o.Wrap, "wrap", false, "make an event of each value, which is its data")
	flags.StringVar(&o.Delimiter, "delimiter", "", `what ends a value of text, such as \0; a newline by default`)
	flags.StringVar(&o.KeyDelimiter, "key-delimiter", "", "what ends the key before a value of text; there is no key when empty")
	flags.StringVar(&o.KeyColumn, "key-column", "", "`column` of csv that is the key as well")
	flags.StringVar(&o.KeyJQ, "key-jq", "", "make each key of its event by a jq `expression`")
	flags.StringVar(&o.Compression, "compression", string(events.CompressionNone), "how batches are compressed: "+strings.Join(compressions(), ", "))
	flags.Float64Var(&o.Rate, "rate", 0, "`events` to send in a second, at most; 0 sets no bound")
	flags.StringVar(&o.OnError, "on-error", onErrorSkip, "what to do after an event that was not produced: skip or stop")
	flags.StringVar(&o.Rejected, "rejected", "", "`file` to which the lines that are rejected are appended")
	flags.BoolVar(&o.Resume, "resume", false, "go on where an earlier run over the file ended")
	flags.BoolVar(&o.DryRun, "dry-run", false, "check every line, or list the spool, and produce nothing")
	flags.BoolVar(&o.FromSpool, "spool", false, "send what the context's spool keeps")
	o.Output.Bind(cmd)
	for name, values := range map[string][]string{
		"format": intake.Formats(), "compression": compressions(), "on-error": {onErrorSkip, onErrorStop},
		"delimiter": nil, "key-delimiter": nil, "key-column": nil, "key-jq": nil, "rate": nil,
	} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
}

func compressions() []string {
	var names []string
	for _, c := range []events.Compression{events.CompressionNone, events.CompressionGzip, events.CompressionSnappy, events.CompressionLZ4, events.CompressionZstd} {
		names = append(names, string(c))
	}
	return names
}

// validate refuses what makes no sense, before anything is opened.
func (o *ProduceOptions) validate(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	text, csv := o.Format == string(intake.Text), o.Format == string(intake.CSV)
	switch {
	case o.FromSpool == (o.Topic != ""):
		return failure.Usagef("either a topic or --spool is needed")
	case o.FromSpool && o.Framed:
		return failure.Usagef("--spool sends events as they were kept: leave --framed out")
	case o.FromSpool && changed("file"):
		return failure.Usagef("--spool reads no file: leave --file out")
	case !slices.Contains(intake.Formats(), o.Format):
		return failure.Usagef("--format %q is unknown: use one of %s", o.Format, strings.Join(intake.Formats(), ", "))
	case !slices.Contains(compressions(), o.Compression):
		return failure.Usagef("--compression %q is unknown: use one of %s", o.Compression, strings.Join(compressions(), ", "))
	case o.OnError != onErrorSkip && o.OnError != onErrorStop:
		return failure.Usagef("--on-error %q is unknown: use skip or stop", o.OnError)
	case !(o.Rate >= 0):
		return failure.Usagef("--rate %v is negative", o.Rate)
	case !text && (o.Delimiter != "" || o.KeyDelimiter != ""):
		return failure.Usagef("--delimiter and --key-delimiter are for --format text")
	case !csv && o.KeyColumn != "":
		return failure.Usagef("--key-column is for --format csv")
	case o.KeyColumn != "" && o.KeyJQ != "":
		return failure.Usagef("--key-column and --key-jq both make the key: give one of them")
	case o.Resume && (o.File == "-" || o.DryRun):
		return failure.Usagef("--resume goes on with producing a file: name it with --file, and leave --dry-run out")
	}
	for _, flag := range []*string{&o.Delimiter, &o.KeyDelimiter} {
		unquoted, err := unescape(*flag)
		if err != nil {
			return failure.Usagef("delimiter %q: only %s are escapes", *flag, escapes)
		}
		*flag = unquoted
	}
	return o.Output.Validate()
}

// escapes are those that are common to all that unescape takes.
const escapes = `\0, \t, \n, \r, \\ and \xNN`

// unescape reads the escapes of Go, and \0.
func unescape(text string) (string, error) {
	text = strings.ReplaceAll(strings.ReplaceAll(text, `"`, `\"`), `\0`, `\x00`)
	return strconv.Unquote(`"` + text + `"`)
}

func runProduce(ctx context.Context, opts *ProduceOptions) error {
	input, err := openInput(opts)
	if err != nil {
		return err
	}
	defer input.close()
	defer debug.SetGCPercent(debug.SetGCPercent(collectAt))
	run, err := opts.prepare(ctx, input)
	if err != nil {
		return err
	}
	report, err := run.finish(ctx, run.produce(ctx))
	if printed := output.One(opts.IO, opts.Output, reportView(opts.DryRun), report, nil); printed != nil {
		return firstError(err, printed)
	}
	return run.advise(firstError(err, report.err()))
}

// prepare opens all that a run needs.
func (o *ProduceOptions) prepare(ctx context.Context, input *produceInput) (*production, error) {
	client, err := o.Events()
	if err != nil {
		return nil, err
	}
	if !o.DryRun {
		if err := o.Guard(ctx, "produce events to "+o.Topic); err != nil {
			return nil, err
		}
	}
	run := &production{opts: o, input: input, report: productionReport{Topic: o.Topic, DryRun: o.DryRun}}
	if err := run.findResume(); err != nil {
		return nil, err
	}
	if err := run.options(ctx, client); err != nil {
		return nil, err
	}
	if run.rejects, err = openRejects(o.Rejected); err != nil {
		return nil, err
	}
	run.progress = newProduceProgress(o.IO, input.size(), input.options.From.Offset)
	open := o.Spool
	if o.DryRun {
		open = nil
	}
	validate, encode := o.Validate, o.Encode
	switch c, err := o.Context(); {
	case o.Framed:
		validate = nil // encoding does it
	case err == nil && c.Registry.URL == "":
		validate, encode = nil, nil // there is nothing to ask
	default:
		encode = nil
	}
	run.producer, err = openProducer(ctx, o.IO, client, open, events.ProducerOptions{
		Validate: run.progress.around(validate), Encode: encode, Linger: bulkLinger, Compression: events.Compression(o.Compression),
		BufferRecords: bufferRecords,
		BufferBytes:   bufferBytes,
	})
	return run, err
}

// findResume looks how far an earlier run over the file has come.
func (p *production) findResume() error {
	if p.input.file == nil || p.opts.DryRun {
		return nil
	}
	context, err := p.opts.Context()
	if err != nil {
		return err
	}
	dir, err := p.opts.StateDir()
	if err != nil {
		return err
	}
	state, err := newResumeState(p.input.file, p.opts.Topic, context.Name+" "+strings.Join(context.Kafka.Brokers, ","))
	if err != nil {
		return err
	}
	resume, earlier, err := openResume(dir, state)
	if err != nil {
		return err
	}
	p.resume = resume
	return resume.goOn(earlier, p.opts.Resume, p.opts.IO.Infof)
}

// options are how the input is read.
func (p *production) options(ctx context.Context, client *events.Client) error {
	o := intake.Options{Format: intake.Format(p.opts.Format), Delimiter: p.opts.Delimiter, KeyDelimiter: p.opts.KeyDelimiter,
		KeyColumn: p.opts.KeyColumn, IsEvent: client.IsEvent}
	var err error
	if o.Key, err = keyOf(p.opts.KeyJQ); err != nil {
		return err
	}
	var run *resumeState
	if p.resume != nil {
		run = &p.resume.state
		o.From, p.track.done = run.Next, run.Next
	}
	if p.opts.Wrap || o.Format == intake.CSV {
		conventions := client.Conventions()
		topic, err := conventions.ParseTopic(p.opts.Topic)
		if err != nil {
			return err
		}
		o.Wrap = wrapper(conventions, topic, run)
	}
	if o.Format == intake.CSV {
		if o.Columns, err = p.opts.Columns(ctx, p.opts.Topic); err != nil {
			return err
		}
	}
	p.input.options = o
	return nil
}

// advise says how to go on after a run that did not come to its end.
func (p *production) advise(err error) error {
	if err == nil || p.resume == nil || !p.resume.on {
		return err
	}
	return failure.WithHint(err, fmt.Sprintf("the same command with --resume goes on at line %d", p.resume.saved.Line+1))
}
