package events

import (
	"context"
	"errors"
	"fmt"
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
)

// ConsumeOptions are what `events consume` works with.
type ConsumeOptions struct {
	IO     *iostreams.IOStreams
	Events func() (*events.Client, error)
	Topic  string
	Places placeFlags
	// Partitions are the only ones to be read; empty for all.
	Partitions []int32
	Count      int64 // 0 is no limit
	Format     string
	Filter     filterFlags
}

// NewCmdConsume returns the verb; runF replaces its run in tests.
func NewCmdConsume(f *app.Factory, runF func(*ConsumeOptions) error) *cobra.Command {
	opts := &ConsumeOptions{IO: f.IO, Events: f.Events}
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
compaction or transactions fewer records may follow.

ndjson prints {"topic", "partition", "offset", "timestamp", "key", "headers",
"value"}, a value that is JSON passed through byte for byte, any other in base64
with "value_encoding". raw prints values alone, each with a newline.`,
		Example: "suokectl events consume dev.auth-service.user-registered.v1 --until now\n" +
			"suokectl events consume dev.auth-service.user-registered.v1 --from -15m --until now -o table\n" +
			"suokectl events consume dev.auth-service.user-registered.v1 --until now --where '.value.data.user_id == \"u-1\"' -o raw",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.At(topicNames(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Topic = args[0]
			if opts.Count < 0 {
				return failure.Usagef("-n %d is negative", opts.Count)
			}
			if runF != nil {
				return runF(opts)
			}
			return explain(runConsume(cmd.Context(), opts))
		},
	}
	flags := cmd.Flags()
	flags.Int32SliceVar(&opts.Partitions, "partition", nil, "only these partitions, by `number`")
	flags.Int64VarP(&opts.Count, "count", "n", 0, "end after this `number` of records; 0 is no limit")
	flags.StringVarP(&opts.Format, "output", "o", formatNDJSON, "output `format`: "+strings.Join(recordFormats(), ", "))
	opts.Places.bind(cmd, "", "; follows the topic when empty")
	opts.Filter.bind(cmd)
	_ = cmd.RegisterFlagCompletionFunc("partition", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("count", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(recordFormats(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runConsume(ctx context.Context, opts *ConsumeOptions) error {
	scan, err := opts.Places.scan(time.Now())
	if err != nil {
		return err
	}
	scan.Topic, scan.Partitions = opts.Topic, opts.Partitions
	client, err := opts.Events()
	if err != nil {
		return err
	}
	filter, err := newFilter(opts.Filter, client.Conventions())
	if err != nil {
		return err
	}
	printer, err := newRecordPrinter(opts.IO, opts.Format, recordView())
	if err != nil {
		return err
	}
	if opts.Places.Until == "" {
		scan.OnBatch = printer.flush // a follower waits for the next record
	}
	matched := int64(0)
	result, err := client.Scan(ctx, scan, func(r *kgo.Record) error {
		if !filter.match(r) {
			return nil
		}
		matched++
		if err := printer.add(r); err != nil {
			return err
		}
		if matched == opts.Count {
			return events.ErrStopScan
		}
		return nil
	})
	err = firstError(err, printer.close())
	if isClosedPipe(err) {
		return nil // the reader has seen enough
	}
	opts.tell(ctx, result, filter)
	return err
}

// tell says what the data itself does not.
func (o *ConsumeOptions) tell(ctx context.Context, result events.ScanResult, filter *filter) {
	if ctx.Err() != nil && len(result.Partitions) > 0 {
		var places []string
		for _, p := range result.Partitions {
			places = append(places, fmt.Sprintf("%d at %d", p.ID, p.Next))
		}
		o.IO.Infof("records read: %d; the next ones are partition %s", result.Records, strings.Join(places, ", "))
	}
	if result.HeldBack > 0 && o.Places.Until != "" {
		o.IO.Infof("%d offsets at the end were left out: a transaction is open there", result.HeldBack)
	}
	filter.tell(o.IO)
}

// isClosedPipe reports that whoever read our output has gone, as head does.
func isClosedPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
