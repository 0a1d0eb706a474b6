package events

import (
	"context"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/dlq"
)

// DLQShowOptions are what `events dlq show` needs.
type DLQShowOptions struct {
	IO        *iostreams.IOStreams
	Events    func() (*events.Client, error)
	Output    output.Flags
	Topic     string
	Letters   bool
	Selection dlq.Selection // of letters; all when it is empty
}

// NewCmdDLQShow returns the verb; runF replaces its run in tests.
func NewCmdDLQShow(f *app.Factory, runF func(*DLQShowOptions) error) *cobra.Command {
	opts := &DLQShowOptions{IO: f.IO, Events: f.Events}
	var selection selectionFlags
	cmd := &cobra.Command{
		Use:   "show TOPIC",
		Short: "Show why letters failed, grouped by fingerprint",
		Long: `Show the letters of a dead-letter topic, grouped by fingerprint: the original
topic, the event's type, and the error without its numbers and ids. Each group
names its newest letter as an example, which --letters --offset shows whole.`,
		Example: `suokectl events dlq show dev.auth-service.user-registered.v1.dlq
suokectl events dlq show dev.auth-service.user-registered.v1.dlq --letters -o ndjson
suokectl events dlq show dev.auth-service.user-registered.v1.dlq --letters --offset 0:0-9`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: dlqTopics(f),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			opts.Topic = args[0]
			if opts.Selection, err = selection.selection(); err != nil {
				return err
			}
			opts.Selection.All = opts.Selection.Empty()
			opts.Letters = opts.Letters || !opts.Selection.All
			if runF != nil {
				return runF(opts)
			}
			return explainDLQ(runDLQShow(cmd.Context(), opts))
		},
	}
	cmd.Flags().BoolVar(&opts.Letters, "letters", false, "show each letter (implied by --fingerprint and --offset)")
	selection.bind(f, cmd)
	opts.Output.Bind(cmd)
	return cmd
}

func runDLQShow(ctx context.Context, opts *DLQShowOptions) error {
	client, err := openDLQ(ctx, opts.Events)
	if err != nil {
		return err
	}
	if opts.Letters {
		return showLetters(ctx, opts, client)
	}
	groups, err := client.Groups(ctx, opts.Topic)
	if err != nil {
		return err
	}
	rows := make([]groupRow, len(groups))
	for i, g := range groups {
		rows[i] = groupRow{Group: g, Example: newLetterRow(g.Example)}
	}
	return output.List(opts.IO, opts.Output, groupView(), rows)
}

func showLetters(ctx context.Context, opts *DLQShowOptions, client *dlq.Client) error {
	stream, err := output.NewStream(opts.IO, opts.Output, letterView())
	if err != nil {
		return err
	}
	err = client.Letters(ctx, opts.Topic, func(l dlq.Letter) error {
		if !opts.Selection.Has(&l) {
			return nil
		}
		return stream.Write(newLetterRow(l))
	})
	if err != nil {
		return err
	}
	return stream.Close()
}

// groupRow is a group with its example.
type groupRow struct {
	dlq.Group
	Example letterRow `json:"example"`
}

func groupView() output.View[groupRow] {
	return output.View[groupRow]{
		Name:  func(g groupRow) string { return g.Fingerprint },
		Empty: "the topic has no letters",
		Columns: []output.Column[groupRow]{
			{Name: "FINGERPRINT", Value: func(g groupRow) string { return g.Fingerprint }},
			{Name: "PENDING", Value: func(g groupRow) string { return strconv.FormatInt(g.Pending, 10) }},
			{Name: "REPLAYED", Value: func(g groupRow) string { return strconv.FormatInt(g.Replayed, 10) }},
			{Name: "TYPE", Value: func(g groupRow) string { return orDash(g.EventType) }},
			{Name: "EXAMPLE", Value: func(g groupRow) string { return g.Example.place() }},
			{Name: "ERROR", Value: func(g groupRow) string { return orDash(g.Class) }},
			{Name: "TARGET", Value: func(g groupRow) string { return g.OriginalTopic }, Wide: true},
			{Name: "OLDEST", Value: func(g groupRow) string { return g.Oldest.Format(time.RFC3339) }, Wide: true},
			{Name: "NEWEST", Value: func(g groupRow) string { return g.Newest.Format(time.RFC3339) }, Wide: true},
		},
	}
}

// letterRow is a letter as it is printed. Key, value and headers are spelled as `events consume` spells them: JSON as it
// is, other text as a string, bytes in base64 with a field beside that says so.
type letterRow struct {
	Partition         int32           `json:"partition"`
	Offset            int64           `json:"offset"`
	Timestamp         time.Time       `json:"timestamp"`
	State             string          `json:"state"` // pending or replayed
	Fingerprint       string          `json:"fingerprint"`
	Error             string          `json:"error"`
	OriginalTopic     string          `json:"original_topic"`
	OriginalPartition *int32          `json:"original_partition"`
	OriginalOffset    *int64          `json:"original_offset"`
	Attempts          int             `json:"attempts"`
	FailedAt          *time.Time      `json:"failed_at"`
	EventID           string          `json:"event_id"`
	EventType         string          `json:"event_type"`
	Record            json.RawMessage `json:"record"`

	key, value []byte
}

func newLetterRow(l dlq.Letter) letterRow {
	row := letterRow{
		Partition: l.Partition, Offset: l.Offset, Timestamp: l.Timestamp.UTC(), State: "pending", Fingerprint: l.Fingerprint,
		Error: l.Error, OriginalTopic: l.OriginalTopic, Attempts: l.Attempts, EventID: l.EventID, EventType: l.EventType,
		Record: events.AppendRecord(nil, &kgo.Record{
			Topic: l.Topic, Partition: l.Partition, Offset: l.Offset, Timestamp: l.Timestamp, Key: l.Key, Value: l.Value, Headers: l.Headers,
		}),
		key: l.Key, value: l.Value,
	}
	if l.Replayed {
		row.State = "replayed"
	}
	if l.OriginalPartition != dlq.Unknown {
		row.OriginalPartition = &l.OriginalPartition
	}
	if l.OriginalOffset != dlq.Unknown {
		row.OriginalOffset = &l.OriginalOffset
	}
	if !l.FailedAt.IsZero() {
		row.FailedAt = &l.FailedAt
	}
	return row
}

// place is how --offset names the letter.
func (l letterRow) place() string {
	return dlq.OffsetRange{Partition: l.Partition, First: l.Offset, Last: l.Offset}.String()
}

func letterView() output.View[letterRow] {
	return output.View[letterRow]{
		Name:  letterRow.place,
		Empty: "no letters",
		Columns: []output.Column[letterRow]{
			{Name: "OFFSET", Value: letterRow.place},
			{Name: "STATE", Value: func(l letterRow) string { return l.State }},
			{Name: "FINGERPRINT", Value: func(l letterRow) string { return l.Fingerprint }},
			{Name: "TYPE", Value: func(l letterRow) string { return orDash(l.EventType) }},
			{Name: "KEY", Value: func(l letterRow) string { return shown(l.key) }},
			{Name: "ERROR", Value: func(l letterRow) string { return orDash(l.Error) }},
			{Name: "ATTEMPTS", Value: func(l letterRow) string { return strconv.Itoa(l.Attempts) }, Wide: true},
			{Name: "TIME", Value: func(l letterRow) string { return l.Timestamp.Format(time.RFC3339) }, Wide: true},
			{Name: "ID", Value: func(l letterRow) string { return orDash(l.EventID) }, Wide: true},
			{Name: "VALUE", Value: func(l letterRow) string { return shown(l.value) }, Wide: true},
		},
	}
}

// shown is a key or a value in a cell.
func shown(b []byte) string {
	switch {
	case b == nil:
		return "(null)"
	case !utf8.Valid(b):
		return "(" + strconv.Itoa(len(b)) + " bytes)"
	}
	return orDash(string(b))
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
