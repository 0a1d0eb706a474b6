package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/archive"
)

// ExportOptions are what `events export` works with.
type ExportOptions struct {
	IO     *iostreams.IOStreams
	Events func() (*events.Client, error)
	Topics []string
	File   string
	Resume bool
	Places placeFlags
	Filter filterFlags
	Output output.Flags
}

// NewCmdExport returns the verb; runF replaces its run in tests.
func NewCmdExport(f *app.Factory, runF func(*ExportOptions) error) *cobra.Command {
	opts := &ExportOptions{IO: f.IO, Events: f.Events}
	cmd := &cobra.Command{
		Use:   "export TOPIC... --file FILE",
		Short: "Write topics to an archive, without loss",
		Long: `Write the records of topics to a compressed archive with checksums: keys and values
of any bytes, null as null, headers in their order, timestamps with their type,
partitions and offsets. What comes after the beginning is not in it. The file is
readable by its owner only. "events import" produces it again.

When a run was interrupted or killed, --resume keeps every whole block of the file
and goes on behind the last. --file - writes to standard output.`,
		Example: "suokectl events export dev.auth-service.user-registered.v1 --file users.suokarc\n" +
			"suokectl events export dev.auth-service.user-registered.v1 --file users.suokarc --resume\n" +
			"suokectl events export dev.auth-service.user-registered.v1 --from -1h --file - > hour.suokarc\n" +
			"suokectl events export dev.auth-service.user-registered.v1 # exits 2",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: topicNames(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Topics = args
			if err := opts.validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return explain(runExport(cmd.Context(), opts))
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&opts.File, "file", "f", "", "`file` to write, - for standard output")
	flags.BoolVar(&opts.Resume, "resume", false, "go on with a file that an earlier run left")
	opts.Places.bind(cmd, "now", "")
	opts.Filter.bind(cmd)
	opts.Output.Bind(cmd)
	return cmd
}

func (o *ExportOptions) validate() error {
	switch {
	case o.File == "":
		return failure.Usagef("--file is needed: a file, or - for standard output")
	case o.File == "-" && o.Resume:
		return failure.Usagef("--resume goes on with a file: name it with --file")
	case o.File == "-" && o.IO.StdoutTTY():
		return failure.Usagef("an archive is no text for a terminal: name a --file, or redirect standard output")
	case o.Places.Until == "":
		return failure.Usagef("--until is empty: an archive has an end")
	}
	return o.Output.Validate()
}

// exported is what is printed of an archive.
type exported struct {
	ID      string   `json:"id"`
	Topics  []string `json:"topics"`
	Records int64    `json:"records"`
	Blocks  int      `json:"blocks"`
}

func runExport(ctx context.Context, opts *ExportOptions) error {
	scan, err := opts.Places.scan(time.Now())
	if err != nil {
		return err
	}
	client, err := opts.Events()
	if err != nil {
		return err
	}
	filter, err := newFilter(opts.Filter, client.Conventions())
	if err != nil {
		return err
	}
	progress := newReadProgress(opts.IO)
	o := archive.ExportOptions{Topics: opts.Topics, From: scan.From, Until: scan.Until, Uncommitted: scan.Uncommitted,
		OnProgress: func(records, passed, all int64) { progress.show(fmt.Sprintf("%d exported", records), passed, all) }}
	if opts.Filter != (filterFlags{}) {
		text, _ := json.Marshal(opts.Filter) // texts always marshal
		o.Match, o.Selection = filter.match, string(text)
	}
	h, end, err := opts.export(ctx, client, o)
	progress.clear()
	filter.tell(opts.IO)
	if err != nil {
		return opts.advise(err, end)
	}
	if opts.File == "-" {
		opts.IO.Infof("records exported: %d", end.Records)
		return nil
	}
	return output.One(opts.IO, opts.Output, exportedView(), newExported(h, end), nil)
}

func newExported(h archive.Header, end archive.End) exported {
	e := exported{ID: h.ID, Records: end.Records, Blocks: end.Blocks}
	for _, t := range h.Topics {
		e.Topics = append(e.Topics, t.Name)
	}
	return e
}

// export opens the file and writes it.
func (o *ExportOptions) export(ctx context.Context, client *events.Client, options archive.ExportOptions) (archive.Header, archive.End, error) {
	if o.File == "-" {
		return archive.Export(ctx, client, o.IO.Out, options)
	}
	mode := os.O_RDWR | os.O_CREATE | os.O_EXCL
	if o.Resume {
		mode = os.O_RDWR
	}
	file, err := os.OpenFile(o.File, mode, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return archive.Header{}, archive.End{}, failure.WithHint(failure.Usagef("%s is there already", o.File), "--resume goes on with it")
	case errors.Is(err, fs.ErrNotExist) && o.Resume:
		return archive.Header{}, archive.End{}, failure.Usagef("there is no %s to go on with", o.File)
	case err != nil:
		return archive.Header{}, archive.End{}, err
	}
	var h archive.Header
	var end archive.End
	if o.Resume {
		h, end, err = archive.Resume(ctx, client, file, options)
	} else {
		h, end, err = archive.Export(ctx, client, file, options)
	}
	err = errors.Join(err, closeSynced(file))
	if err != nil && !o.Resume && end.Blocks == 0 { // there is nothing to go on with
		err = errors.Join(err, os.Remove(o.File))
	}
	return h, end, err
}

// closeSynced closes a file that is on the disk.
func closeSynced(file *os.File) error { return firstError(file.Sync(), file.Close()) }

// advise says how to go on with a file that is not complete.
func (o *ExportOptions) advise(err error, end archive.End) error {
	switch {
	case errors.Is(err, archive.ErrOtherExport):
		return failure.WithHint(err, "give the topics and filters that it was begun with, or another --file")
	case o.File != "-" && end.Blocks > 0:
		return failure.WithHint(err, "the same command with --resume goes on behind record "+fmt.Sprint(end.Records))
	}
	return err
}

func exportedView() output.View[exported] {
	return output.View[exported]{
		Columns: []output.Column[exported]{
			{Name: "ID", Value: func(e exported) string { return e.ID }},
			{Name: "TOPICS", Value: func(e exported) string { return strings.Join(e.Topics, ", ") }},
			{Name: "RECORDS", Value: func(e exported) string { return fmt.Sprint(e.Records) }},
			{Name: "BLOCKS", Value: func(e exported) string { return fmt.Sprint(e.Blocks) }},
		},
		Name: func(e exported) string { return e.ID },
	}
}
