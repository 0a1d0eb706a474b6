package events

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/dlq"
)

// DLQReplayOptions are what `events dlq replay` needs.
type DLQReplayOptions struct {
	IO        *iostreams.IOStreams
	Events    func() (*events.Client, error)
	Guard     func(ctx context.Context, what string) error
	Output    output.Flags
	Topic     string
	Selection dlq.Selection
	TakeOver  bool
	DryRun    bool
}

// NewCmdDLQReplay returns the verb; runF replaces its run in tests.
func NewCmdDLQReplay(f *app.Factory, runF func(*DLQReplayOptions) error) *cobra.Command {
	opts := &DLQReplayOptions{IO: f.IO, Events: f.Events, Guard: f.Guard}
	var selection selectionFlags
	cmd := &cobra.Command{
		Use:   "replay TOPIC --all | --fingerprint F | --offset P:O",
		Short: "Put letters back into the topic they came from, exactly once",
		Long: `Put the selected letters of a dead-letter topic back into the topic they came
from: key and headers as they were, the dead-letter fields taken out of the value
byte for byte. Each letter is replayed once, whatever is interrupted, killed or
run twice: the ledger says which were, and is written in the same transaction.
A letter that is already in the ledger is counted and left alone.

While one run is at work another refuses; --take-over stops the first and goes
on. Every consumer group of the target reads what is replayed. Readers that do
not read committed records only may see copies of transactions that were aborted.`,
		Example: `suokectl events dlq replay dev.auth-service.user-registered.v1.dlq --all --dry-run
suokectl events dlq replay dev.auth-service.user-registered.v1.dlq --offset 0:0-99
suokectl events dlq replay dev.auth-service.user-registered.v1.dlq --all -o json
suokectl events dlq replay dev.auth-service.user-registered.v1.dlq # exits 2`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: dlqTopics(f),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			opts.Topic = args[0]
			if opts.Selection, err = selection.selection(); err != nil {
				return err
			}
			if opts.Selection.Empty() {
				return failure.WithHint(failure.Usagef("no letters are selected: say --all, --fingerprint or --offset"),
					"`suokectl events dlq show "+opts.Topic+"` shows the fingerprints")
			}
			if err := opts.Output.Validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return explainDLQ(runDLQReplay(cmd.Context(), opts))
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&selection.all, "all", false, "every letter that is there")
	flags.BoolVar(&opts.TakeOver, "take-over", false, "stop another run that is at work on the topic")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "show what would be replayed, and where to")
	selection.bind(f, cmd)
	opts.Output.Bind(cmd)
	return cmd
}

func runDLQReplay(ctx context.Context, opts *DLQReplayOptions) error {
	client, err := openDLQ(ctx, opts.Events)
	if err != nil {
		return err
	}
	if opts.DryRun {
		plan, err := client.Plan(ctx, opts.Topic, opts.Selection)
		if err != nil {
			return err
		}
		return output.One(opts.IO, opts.Output, planView(), plan, func(w io.Writer) error { return printPlan(opts.IO, w, plan) })
	}
	if err := opts.Guard(ctx, "replay dead letters of "+opts.Topic); err != nil {
		return err
	}
	result, failed := client.Replay(ctx, opts.Topic, dlq.ReplayOptions{
		Selection: opts.Selection, Owner: owner(), TakeOver: opts.TakeOver, Progress: progress(opts.IO),
	})
	if failed != nil && len(result.Partitions) == 0 {
		return failed // nothing was begun
	}
	err = output.One(opts.IO, opts.Output, resultView(), result, func(w io.Writer) error { return printResult(opts.IO, w, result) })
	if failed != nil {
		return failed
	}
	return err
}

// owner names this run to others.
func owner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("process %d on %s", os.Getpid(), host)
}

// progress says every two seconds how far a replay has come; a short one says nothing.
func progress(ios *iostreams.IOStreams) func(dlq.Progress) {
	last := time.Now()
	return func(p dlq.Progress) {
		if time.Since(last) < 2*time.Second {
			return
		}
		last = time.Now()
		ios.Infof("replayed %d; read %d of at most %d letters", p.Replayed, p.Read, p.Total)
	}
}

func planView() output.View[dlq.Plan] {
	return output.View[dlq.Plan]{Name: func(p dlq.Plan) string { return p.Topic }}
}

func resultView() output.View[dlq.Result] {
	return output.View[dlq.Result]{Name: func(r dlq.Result) string { return r.Topic }}
}

func printPlan(ios *iostreams.IOStreams, w io.Writer, p dlq.Plan) error {
	lines := []string{"would replay " + letters(p.Replay) + " of " + ios.Clean(p.Topic)}
	for _, c := range p.Classes {
		class := orDash(ios.Clean(c.Class))
		lines = append(lines, fmt.Sprintf("  %s  %d to %s: %s", c.Fingerprint, c.Replay, ios.Clean(c.Target), class))
	}
	return writeLines(w, append(lines, leftOut(ios, p.Already, p.Unselected, p.Skipped)...))
}

func printResult(ios *iostreams.IOStreams, w io.Writer, r dlq.Result) error {
	lines := []string{"replayed " + letters(r.Replayed) + " of " + ios.Clean(r.Topic)}
	for _, target := range slices.Sorted(maps.Keys(r.Targets)) {
		lines = append(lines, fmt.Sprintf("  %d to %s", r.Targets[target], ios.Clean(target)))
	}
	lines = append(lines, leftOut(ios, r.Already, r.Unselected, r.Skipped)...)
	for _, p := range r.Partitions {
		if p.State != dlq.StateDone {
			lines = append(lines, fmt.Sprintf("  partition %d %s after %s", p.Partition, p.State, letters(p.Replayed)))
		}
	}
	return writeLines(w, lines)
}

// leftOut says which letters were not touched, and why.
func leftOut(ios *iostreams.IOStreams, already, unselected int64, skipped map[string]int64) []string {
	var lines []string
	if already > 0 {
		lines = append(lines, fmt.Sprintf("  %d already replayed", already))
	}
	if unselected > 0 {
		lines = append(lines, fmt.Sprintf("  %d not selected", unselected))
	}
	for _, reason := range slices.Sorted(maps.Keys(skipped)) {
		lines = append(lines, fmt.Sprintf("  %d %s: %s", skipped[reason], ios.Style().Warn("skipped"), reason))
	}
	return lines
}

func letters(n int64) string {
	if n == 1 {
		return "1 letter"
	}
	return strconv.FormatInt(n, 10) + " letters"
}

func writeLines(w io.Writer, lines []string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
