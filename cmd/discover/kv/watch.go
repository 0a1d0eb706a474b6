package kv

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// WatchOptions are what `discover kv watch` needs.
type WatchOptions struct {
	IO       *iostreams.IOStreams
	Discover func() (*discover.Client, error)
	Output   output.Flags
	Key      string
	Exec     string
}

// The types of events beside discover's changes.
const (
	typePresent = "present" // it is there when the watch begins
	typeStale   = "stale"   // Consul cannot be asked
	typeFresh   = "fresh"   // it answers again
)

// event is one line of a watch: the contract of -o ndjson.
type event struct {
	Time time.Time `json:"time"`
	Type string    `json:"type"`
	item
	Error string  `json:"error"`       // why Consul cannot be asked
	Age   float64 `json:"age_seconds"` // of the last answer, when stale
}

// NewCmdWatch returns the verb; runF replaces its run in tests.
func NewCmdWatch(f *app.Factory, runF func(*WatchOptions) error) *cobra.Command {
	opts := &WatchOptions{IO: f.IO, Discover: f.Discover}
	cmd := &cobra.Command{
		Use:   "watch KEY | FOLDER/",
		Short: "Watch a key, or all keys in a folder, change",
		Long: `Watch a key until Ctrl-C or --timeout, or every key that begins with a prefix that
ends with a slash: what is there when the watch begins, then each change.

Without -o it is a line each, with sizes and no values. -o ndjson gives objects
with time, type, key, value, encoding (utf-8 or base64), flags, create_index,
modify_index, session, error and age_seconds. type is present, added, changed,
removed (with no value), stale (Consul cannot be asked; error says why,
age_seconds how old the last answer is) or fresh (it answers again).

--exec runs a shell command for each of the first four, one at a time, with the
value on stdin, and SUOKECTL_KEY and SUOKECTL_CHANGE in its environment. What
changes meanwhile is given when it is done, as it is then. What it prints goes to
stderr. When it fails, that is said, and the watch goes on. When the watch ends it
is ended too, with all it started.`,
		Example: `printf 30s | suokectl discover kv put app/timeout
suokectl discover kv watch app/timeout --timeout 1s # exits 124
suokectl discover kv watch app/ -o ndjson --timeout 1s # exits 124
suokectl discover kv watch app/timeout --exec 'cat > timeout' --timeout 1s # exits 124`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: keyNames(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Key = args[0]
			if runF != nil {
				return runF(opts)
			}
			return runWatch(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.Exec, "exec", "", "shell `command` to run on changes, with the value on stdin")
	_ = cmd.RegisterFlagCompletionFunc("exec", cobra.NoFileCompletions)
	opts.Output.Bind(cmd)
	return cmd
}

func runWatch(ctx context.Context, opts *WatchOptions) error {
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	sink, err := newSink(opts)
	if err != nil {
		return err
	}
	var before discover.KVUpdate
	for update := range opts.updates(ctx, client.KV()) {
		if update.Err != nil && update.Read.IsZero() {
			return hinted(update.Err) // without a first answer there is nothing to watch
		}
		if before.Read.IsZero() && len(update.Entries) == 0 && opts.Output.Human() {
			opts.IO.Infof("watching %s: nothing is there yet", opts.Key)
		}
		for _, e := range events(before, update) {
			if err := sink.write(e); err != nil {
				return err
			}
			if opts.Exec != "" && e.Key != "" {
				opts.run(ctx, e)
			}
		}
		before = update
	}
	if err := sink.close(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

func (o *WatchOptions) updates(ctx context.Context, kv discover.KV) iter.Seq[discover.KVUpdate] {
	if o.Key == "" || strings.HasSuffix(o.Key, "/") {
		return kv.WatchTree(ctx, o.Key)
	}
	return kv.Watch(ctx, o.Key)
}

// events are what leads from one update to the next.
func events(before, after discover.KVUpdate) []event {
	now := time.Now().UTC()
	if after.Err != nil {
		stale := event{Time: now, Type: typeStale, Error: after.Err.Error()}
		if !after.Read.IsZero() {
			stale.Age = now.Sub(after.Read).Seconds()
		}
		return []event{stale}
	}
	var list []event
	if before.Err != nil {
		list = append(list, event{Time: now, Type: typeFresh})
	}
	old := map[string]discover.Entry{}
	for _, entry := range before.Entries {
		old[entry.Key] = entry
	}
	for _, entry := range after.Entries {
		was, known := old[entry.Key]
		delete(old, entry.Key)
		switch {
		case before.Read.IsZero():
			list = append(list, event{Time: now, Type: typePresent, item: itemOf(entry)})
		case !known:
			list = append(list, event{Time: now, Type: string(discover.Added), item: itemOf(entry)})
		case string(was.Value) != string(entry.Value) || was.Flags != entry.Flags:
			list = append(list, event{Time: now, Type: string(discover.Changed), item: itemOf(entry)})
		}
	}
	for _, entry := range before.Entries {
		if _, gone := old[entry.Key]; gone {
			entry.Value = nil
			list = append(list, event{Time: now, Type: string(discover.Removed), item: itemOf(entry)})
		}
	}
	return list
}

// line says the event in words, without the value.
func (e event) line() string {
	switch e.Type {
	case typeStale:
		return "Consul cannot be asked: " + e.Error
	case typeFresh:
		return "Consul answers again"
	case string(discover.Removed):
		return fmt.Sprintf("removed  %s", e.Key)
	}
	return fmt.Sprintf("%-8s %s (%s, index %d)", e.Type, e.Key, plural(len(e.Entry.Value), "byte"), e.ModifyIndex)
}

// sink takes the events: lines for eyes, objects for programs.
type sink struct {
	ios    *iostreams.IOStreams
	stream *output.Stream[event] // nil: lines
}

func newSink(opts *WatchOptions) (*sink, error) {
	if opts.Output.Human() {
		return &sink{ios: opts.IO}, nil
	}
	stream, err := output.NewStream(opts.IO, opts.Output, output.View[event]{Name: func(e event) string { return e.Key }})
	return &sink{ios: opts.IO, stream: stream}, err
}

func (s *sink) write(e event) error {
	at := e.Time.Format(time.RFC3339)
	switch {
	case s.stream != nil:
		if err := s.stream.Write(e); err != nil {
			return err
		}
		return s.stream.Flush()
	case e.Key == "":
		s.ios.Infof("%s %s", at, e.line())
		return nil
	}
	return output.Text(s.ios, "%s %s\n", at, s.ios.Clean(e.line()))
}

func (s *sink) close() error {
	if s.stream == nil {
		return nil
	}
	return s.stream.Close()
}
