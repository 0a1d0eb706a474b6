package events

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/schema"
	"github.com/suokelife/suokectl/pkg/spec"
)

// SearchOptions are what `events search` works with.
type SearchOptions struct {
	IO       *iostreams.IOStreams
	Events   func() (*events.Client, error)
	Schemas  func() (*schema.Registry, error)
	Patterns []string
	Places   placeFlags
	Print    printFlags
	Filter   filterFlags
	Decode   bool // values that are framed for a schema registry
}

// NewCmdSearch returns the verb; runF replaces its run in tests.
func NewCmdSearch(f *app.Factory, runF func(*SearchOptions) error) *cobra.Command {
	opts := &SearchOptions{IO: f.IO, Events: f.Events, Schemas: f.Schemas}
	cmd := &cobra.Command{
		Use:   "search PATTERN...",
		Short: "Find records in many topics",
		Long: `Read every topic that matches a pattern and print the records for which all
conditions hold: * stands for any text within a part of a name, ** for any parts.
Several topics are read at a time, the first by their names first; memory does not
grow with their number or size.

Text is looked for in the bytes as they are stored, before records are parsed:
that of --contains, --key, --type and --correlation-id, and in --where what is
compared with ==. --contains looks for bytes in key, value and the values of headers, as they are
stored. --decode looks at values that are framed for the schema registry as JSON,
which takes longer. A place is what "consume" takes; the search ends at --until.

A topic that cannot be read is told of at the end, when the others are searched.
Like grep it exits 0 when something was found, and 1 when nothing was or a topic
could not be read.

` + layoutHelp,
		Example: `suokectl events emit user-registered --service auth-service --data '{"user_id":"u-7","email":"eve@example.org"}' --key u-7` + "\n" +
			"suokectl events search 'dev.auth-service.**' --contains eve@example.org\n" +
			"suokectl events search 'dev.**' --key u-7 --from -15m -o table\n" +
			"suokectl events search 'dev.**' --key u-7 --jq '.topic + \" \" + .value.meta.id'\n" +
			"suokectl events search 'dev.**' --correlation-id no-such-request # exits 1",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: complete.At(topicNames(f)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Patterns = args
			_, err := opts.Print.layout()
			switch {
			case err != nil:
				return err
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
	opts.Print.bind(cmd)
	opts.Filter.bind(cmd)
	bindDecode(cmd, &opts.Decode)
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
	s := &search{client: client, scan: scan, progress: newReadProgress(opts.IO), shares: make(map[string]float64)}
	if s.filter, err = newFilter(opts.Filter, client.Conventions()); err != nil {
		return err
	}
	if s.printer, err = newRecordPrinter(opts.IO, opts.Print, foundView()); err != nil {
		return err
	}
	reading := ctx
	if opts.Decode {
		if reading, s.filter.decoder, err = newFramedDecoder(ctx, opts.Schemas); err != nil {
			return err
		}
	}
	topics, err := opts.topics(ctx, client)
	if err == nil {
		err = s.run(reading, topics)
	}
	s.progress.clear()
	s.broken = firstError(s.filter.decoder.close(opts.IO), s.broken, s.printer.close())
	if isClosedPipe(s.broken) {
		return nil // the reader has seen enough
	}
	opts.IO.Infof("records found: %d, of %d read in %d of %d topics", s.printer.count, s.read, s.searched, len(topics))
	s.filter.tell(opts.IO)
	if err = firstError(s.broken, err); err == nil && s.printer.count == 0 {
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
