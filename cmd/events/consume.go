package events

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/schema"
)

// ConsumeOptions are what `events consume` works with.
type ConsumeOptions struct {
	IO      *iostreams.IOStreams
	Events  func() (*events.Client, error)
	Schemas func() (*schema.Registry, error)
	Topic   string
	Places  placeFlags
	// Partitions are the only ones to be read; empty for all.
	Partitions []int32
	// Follow says what an empty Until means.
	Follow bool
	ByTime bool
	// Group is joined, and committed is what was printed.
	Group  string
	Print  printFlags
	Filter filterFlags
	Decode bool // values that are framed for a schema registry
}

// NewCmdConsume returns the verb; runF replaces its run in tests.
func NewCmdConsume(f *app.Factory, runF func(*ConsumeOptions) error) *cobra.Command {
	opts := &ConsumeOptions{IO: f.IO, Events: f.Events, Schemas: f.Schemas}
	cmd := &cobra.Command{
		Use:   "consume TOPIC",
		Short: "Read a part of a topic",
		Long: `Read the records of a topic from one place to another, without a consumer group:
nothing is committed and no service is disturbed. With --until it ends as soon as
every partition is read to there, even when the last records were compacted away
or aborted; without, it follows the topic until interrupted or -n is reached.

A place is start, end, now, an offset, a time (2026-01-31T15:04:05Z), or -15m,
-2h, -7d for so long ago. Only committed records are read, unless --isolation says
otherwise. --tail begins so many offsets before the end of each partition; after
compaction or transactions fewer records may follow. --by-time prints the records
of all partitions in the order of their timestamps, in place of one partition's
after the other's as they come.

With --group it joins a consumer group instead, takes its share of the
partitions, and commits what was printed. Members that are services get fewer.

ndjson prints {"topic", "partition", "offset", "timestamp", "key", "headers",
"value"}, a value that is JSON passed through byte for byte, any other in base64
with "value_encoding". raw prints values alone, each with a newline. --jq prints, in
place of a record, a line for each result of the expression.

--decode shows values that are framed for the context's schema registry as JSON.
One whose schema is not known stays as it is; when the registry is away, nothing
more is read.
` + layoutHelp,
		Example: "suokectl events consume dev.auth-service.user-registered.v1 --until now\n" +
			"suokectl events consume dev.auth-service.user-registered.v1 --from -15m --until now -o table\n" +
			"suokectl events consume dev.auth-service.user-registered.v1 --until now --by-time --format '%p/%o %k %h %s\\n'\n" +
			"suokectl events consume dev.auth-service.user-registered.v1 --until now --where '.value.data.user_id == \"u-1\"' -o raw\n" +
			"suokectl events consume dev.auth-service.user-registered.v1 --until now --jq '.value.data.email'",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.At(topicNames(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Topic = args[0]
			if err := opts.validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return explain(runConsume(cmd.Context(), opts))
		},
	}
	flags := cmd.Flags()
	flags.Int32SliceVar(&opts.Partitions, "partition", nil, "only these partitions, by `number`; may be repeated")
	flags.BoolVar(&opts.Follow, "follow", false, "wait for records to come, which is so without --until")
	flags.BoolVar(&opts.ByTime, "by-time", false, "print in the order of the timestamps; wants --until")
	flags.StringVar(&opts.Group, "group", "", "join this consumer `group`, and commit what was printed")
	opts.Places.bind(cmd, "", "; follows the topic when empty")
	opts.Print.bind(cmd)
	opts.Filter.bind(cmd)
	bindDecode(cmd, &opts.Decode)
	for _, other := range []string{"until", "by-time"} {
		cmd.MarkFlagsMutuallyExclusive("follow", other)
	}
	for _, other := range []string{"until", "by-time", "tail", "partition"} {
		cmd.MarkFlagsMutuallyExclusive("group", other)
	}
	_ = cmd.RegisterFlagCompletionFunc("partition", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("group", groupNames(f))
	return cmd
}

func (o *ConsumeOptions) validate() error {
	_, err := o.Print.layout()
	switch {
	case err != nil:
		return err
	case o.ByTime && o.Places.Until == "":
		return failure.WithHint(failure.Usagef("--by-time wants an end: an idle partition would hold up the others"), "give --until now")
	case o.Group != "" && o.Places.From != "start" && o.Places.From != "end":
		return failure.WithHint(failure.Usagef("--from %s with --group: the group says where to begin", o.Places.From),
			"start or end is where to begin in partitions of which it has committed nothing; `suokectl events groups reset` moves it")
	}
	return nil
}

func runConsume(ctx context.Context, opts *ConsumeOptions) error {
	scan, err := opts.Places.scan(time.Now())
	if err != nil {
		return err
	}
	client, err := opts.Events()
	if err != nil {
		return err
	}
	c := &consumption{opts: opts, client: client, scan: scan, progress: newReadProgress(opts.IO)}
	if c.filter, err = newFilter(opts.Filter, client.Conventions()); err != nil {
		return err
	}
	if c.printer, err = newRecordPrinter(opts.IO, opts.Print, recordView()); err != nil {
		return err
	}
	reading := ctx
	if opts.Decode {
		if reading, c.filter.decoder, err = newFramedDecoder(ctx, opts.Schemas); err != nil {
			return err
		}
	}
	c.scan.Topic, c.scan.Partitions, c.scan.ByTime = opts.Topic, opts.Partitions, opts.ByTime
	result, err := c.run(reading)
	c.progress.clear()
	err = firstError(c.filter.decoder.close(opts.IO), err, c.printer.close())
	if isClosedPipe(err) {
		return nil // the reader has seen enough
	}
	c.tell(ctx, result)
	return err
}

// consumption is one under way.
type consumption struct {
	opts     *ConsumeOptions
	client   *events.Client
	scan     events.ScanOptions
	filter   *filter
	printer  *recordPrinter
	progress *readProgress
}

func (c *consumption) run(ctx context.Context) (events.ScanResult, error) {
	if c.opts.Group != "" {
		o := events.GroupReadOptions{Group: c.opts.Group, Topic: c.opts.Topic, FromEnd: c.opts.Places.From == "end", Uncommitted: c.scan.Uncommitted}
		return events.ScanResult{}, c.client.ReadGroup(ctx, o, c.visit, c.printer.flush)
	}
	c.scan.Wanted = c.filter.wanted()
	c.scan.OnProgress = func(passed, all int64) { c.progress.show(c.opts.Topic, passed, all) }
	if c.opts.Places.Until == "" || c.opts.Print.Output != formatTable {
		c.scan.OnBatch = c.printer.flush // the next records may be long in coming; a table learns its widths first
	}
	if c.opts.ByTime {
		return c.client.Scan(ctx, c.scan, c.visit)
	}
	set := func(records iter.Seq[*kgo.Record]) []*page { return c.printer.set(records, c.filter.match) }
	return events.ScanParallel(ctx, c.client, c.scan, set, c.printer.put)
}

func (c *consumption) visit(r *kgo.Record) error {
	if !c.filter.match(r) {
		return nil
	}
	return c.printer.add(r)
}

// tell says what the data itself does not.
func (c *consumption) tell(ctx context.Context, result events.ScanResult) {
	ios := c.opts.IO
	if ctx.Err() != nil && len(result.Partitions) > 0 {
		var places []string
		for _, p := range result.Partitions {
			places = append(places, fmt.Sprintf("%d at %d", p.ID, p.Next))
		}
		ios.Infof("records read: %d; the next ones are partition %s", result.Records, strings.Join(places, ", "))
	}
	if places := c.opts.Places; places.From != "" && places.Until != "" && ctx.Err() == nil && isEmpty(result) {
		ios.Infof("there is nothing from %s until %s; `suokectl events topics offsets %s` tells what there is", places.From, places.Until, c.opts.Topic)
	}
	if result.HeldBack > 0 && c.opts.Places.Until != "" {
		ios.Infof("%d offsets at the end were left out: a transaction is open there", result.HeldBack)
	}
	if result.Expired > 0 {
		ios.Infof("%d offsets were deleted by retention before they could be read", result.Expired)
	}
	c.filter.tell(ios)
}

// isEmpty reports that a read passed no offset, read or not.
func isEmpty(result events.ScanResult) bool {
	return len(result.Partitions) > 0 && !slices.ContainsFunc(result.Partitions, func(p events.ScanPartition) bool { return p.Next > p.From })
}

// isClosedPipe reports that whoever read our output has gone, as head does.
func isClosedPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
