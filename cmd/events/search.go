package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/spec"
)

// SearchOptions are what `events search` works with.
type SearchOptions struct {
	IO       *iostreams.IOStreams
	Events   func() (*events.Client, error)
	Patterns []string
	Places   placeFlags
	Count    int64 // 0 is no limit
	Format   string
	Filter   filterFlags
}

// NewCmdSearch returns the verb; runF replaces its run in tests.
func NewCmdSearch(f *app.Factory, runF func(*SearchOptions) error) *cobra.Command {
	opts := &SearchOptions{IO: f.IO, Events: f.Events}
	cmd := &cobra.Command{
		Use:   "search PATTERN...",
		Short: "Find records in many topics",
		Long: `Read every topic that matches a pattern and print the records for which all
conditions hold: * stands for any text within a part of a name, ** for any parts.
Topics are read one after the other, in the order of their names, so that memory
does not grow with their number or size.

--contains looks for bytes in key, value and the values of headers, as they are
stored. A place is what "consume" takes; the search ends at --until.

A topic that cannot be read is told of at the end, when the others are searched.
Like grep it exits 0 when something was found, and 1 when nothing was or a topic
could not be read.`,
		Example: `suokectl events emit user-registered --service auth-service --data '{"user_id":"u-7","email":"eve@example.org"}' --key u-7` + "\n" +
			"suokectl events search 'dev.auth-service.**' --contains eve@example.org\n" +
			"suokectl events search 'dev.**' --key u-7 --from -15m -o table\n" +
			"suokectl events search 'dev.**' --correlation-id no-such-request # exits 1",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: complete.At(topicNames(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Patterns = args
			switch {
			case opts.Count < 0:
				return failure.Usagef("-n %d is negative", opts.Count)
			case opts.Filter == filterFlags{}:
				return failure.WithHint(failure.Usagef("nothing to search for"), "give --contains, --where, --type, --correlation-id or --key")
			case opts.Places.Until == "":
				return failure.Usagef("a search must end: --until is empty")
			}
			if runF != nil {
				return runF(opts)
			}
			return explain(runSearch(cmd.Context(), opts))
		},
	}
	opts.Places.bind(cmd, "now", "")
	opts.Filter.bind(cmd)
	flags := cmd.Flags()
	flags.Int64VarP(&opts.Count, "count", "n", 0, "end after this `number` of records; 0 is no limit")
	flags.StringVarP(&opts.Format, "output", "o", formatNDJSON, "output `format`: "+strings.Join(recordFormats(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("count", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(recordFormats(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runSearch(ctx context.Context, opts *SearchOptions) error {
	scan, err := opts.Places.scan(time.Now())
	if err != nil {
		return err
	}
	client, err := opts.Events()
	if err != nil {
		return err
	}
	s := &search{client: client, scan: scan, count: opts.Count}
	if s.filter, err = newFilter(opts.Filter, client.Conventions()); err != nil {
		return err
	}
	if s.printer, err = newRecordPrinter(opts.IO, opts.Format, foundView()); err != nil {
		return err
	}
	s.scan.OnBatch = s.flush // what is found is shown while the search goes on
	topics, err := opts.topics(ctx, client)
	if err == nil {
		err = s.run(ctx, topics)
	}
	s.broken = firstError(s.broken, s.printer.close())
	if isClosedPipe(s.broken) {
		return nil // the reader has seen enough
	}
	opts.IO.Infof("records found: %d, of %d read in %d of %d topics", s.found, s.read, s.searched, len(topics))
	s.filter.tell(opts.IO)
	if err = firstError(s.broken, err); err == nil && s.found == 0 {
		return failure.Silent(1)
	}
	return err
}

// topics are the names that match, sorted. A name in full that is not there is
// an error; a pattern without a match is one only when all are.
func (o *SearchOptions) topics(ctx context.Context, client *events.Client) ([]string, error) {
	all, err := client.TopicNames(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, pattern := range o.Patterns {
		if !strings.ContainsAny(pattern, "*?") {
			names = append(names, pattern)
			continue
		}
		for _, name := range all {
			if spec.MatchTopic(pattern, name) {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return nil, failure.WithHint(fmt.Errorf("no topic matches %s", strings.Join(o.Patterns, " ")), "`suokectl events topics list` shows what there is")
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// search is one under way.
type search struct {
	client  *events.Client
	scan    events.ScanOptions
	filter  *filter
	printer *recordPrinter
	count   int64

	found, read int64
	searched    int
	broken      error // the output's, which ends the search
}

// run reads one topic after the other. What one of them refuses does not keep
// the others from being searched.
func (s *search) run(ctx context.Context, topics []string) error {
	var refused []error
	for _, topic := range topics {
		s.scan.Topic = topic
		result, err := s.client.Scan(ctx, s.scan, s.visit)
		s.read += result.Records
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case s.broken != nil:
			return s.broken
		case err != nil:
			refused = append(refused, fmt.Errorf("search %s: %w", topic, err))
			continue
		}
		s.searched++
		if s.enough() {
			break
		}
	}
	return errors.Join(refused...)
}

func (s *search) visit(r *kgo.Record) error {
	if !s.filter.match(r) {
		return nil
	}
	s.found++
	if s.broken = s.printer.add(r); s.broken != nil {
		return s.broken
	}
	if s.enough() {
		return events.ErrStopScan
	}
	return nil
}

func (s *search) enough() bool { return s.count > 0 && s.found >= s.count }

func (s *search) flush() error {
	s.broken = s.printer.flush()
	return s.broken
}

// foundView shows a record with the topic that it was found in.
func foundView() output.View[*kgo.Record] {
	view := recordView()
	topic := output.Column[*kgo.Record]{Name: "TOPIC", Value: func(r *kgo.Record) string { return r.Topic }}
	view.Columns = append([]output.Column[*kgo.Record]{topic}, view.Columns...)
	view.Empty = "nothing found"
	return view
}
