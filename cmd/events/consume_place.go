package events

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/events"
)

// The isolation levels, as Kafka names them.
const (
	readCommitted   = "read_committed"
	readUncommitted = "read_uncommitted"
)

// placeFlags say what part of a topic is read.
type placeFlags struct {
	From      string
	Until     string // empty follows the topic
	Tail      int64  // -1 is off
	Isolation string
}

func (o *placeFlags) bind(cmd *cobra.Command, until, untilHelp string) {
	flags := cmd.Flags()
	flags.StringVar(&o.From, "from", "start", "`place` to begin at")
	flags.StringVar(&o.Until, "until", until, "`place` to end at, not included"+untilHelp)
	flags.Int64Var(&o.Tail, "tail", -1, "begin this `number` of offsets before the end of each partition; -1 is off")
	flags.StringVar(&o.Isolation, "isolation", readCommitted, "`level`: "+readCommitted+", or "+readUncommitted+" for open and aborted transactions too")
	cmd.MarkFlagsMutuallyExclusive("from", "tail")
	places := cobra.FixedCompletions([]string{"start", "end", "now", "-15m", "-1h"}, cobra.ShellCompDirectiveNoFileComp)
	levels := cobra.FixedCompletions([]string{readCommitted, readUncommitted}, cobra.ShellCompDirectiveNoFileComp)
	_ = cmd.RegisterFlagCompletionFunc("from", places)
	_ = cmd.RegisterFlagCompletionFunc("until", places)
	_ = cmd.RegisterFlagCompletionFunc("tail", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("isolation", levels)
}

// scan reads the places.
func (o *placeFlags) scan(now time.Time) (events.ScanOptions, error) {
	var scan events.ScanOptions
	var err error
	if scan.From, err = events.ParseBound(o.From, now); err != nil {
		return scan, failure.Usagef("--from: %w", err)
	}
	switch {
	case o.Tail >= 0:
		scan.From = events.Tail(o.Tail)
	case o.Tail < -1:
		return scan, failure.Usagef("--tail %s is negative", strconv.FormatInt(o.Tail, 10))
	}
	switch o.Isolation {
	case readUncommitted:
		scan.Uncommitted = true
	case readCommitted:
	default:
		return scan, failure.WithHint(failure.Usagef("unknown --isolation %q", o.Isolation), "use "+readCommitted+" or "+readUncommitted)
	}
	if o.Until == "" {
		return scan, nil
	}
	until, err := events.ParseBound(o.Until, now)
	if err != nil {
		return scan, failure.Usagef("--until: %w", err)
	}
	if until.After(now) {
		return scan, failure.WithHint(failure.Usagef("--until %s lies ahead", o.Until), "`suokectl events consume` without --until follows a topic")
	}
	scan.Until = &until
	return scan, nil
}
