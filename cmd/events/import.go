package events

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/archive"
)

// ImportOptions are what `events import` works with.
type ImportOptions struct {
	IO          *iostreams.IOStreams
	Events      func() (*events.Client, error)
	Guard       func(ctx context.Context, what string) error
	File        string
	To          map[string]string
	Timestamps  string
	Compression string
	Create      bool
	Restart     bool
	DryRun      bool
	Output      output.Flags
}

// NewCmdImport returns the verb; runF replaces its run in tests.
func NewCmdImport(f *app.Factory, runF func(*ImportOptions) error) *cobra.Command {
	opts := &ImportOptions{IO: f.IO, Events: f.Events, Guard: f.Guard}
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Produce the records of an archive, exactly once",
		Long: `Produce the records of an archive that "events export" wrote, to topics of the same
names or to those of --to, with their keys, headers and timestamps, and to their
partitions where the topics have as many as those that were exported.

A file is verified from end to end before anything is produced. Each record is
produced once, whatever is interrupted, killed or run again: how far the import has
come is written in the same transaction, under the archive's id, in the topic
suokectl.progress. The same command goes on where an earlier one ended; --restart
imports again. FILE - reads standard input, and verifies it block by block.`,
		Example: "suokectl events export dev.auth-service.user-registered.v1 --file registered.suokarc\n" +
			"suokectl events import registered.suokarc --dry-run\n" +
			"suokectl events import registered.suokarc --to dev.auth-service.user-registered.v1=test.auth-service.user-registered.v1 --create\n" +
			"suokectl events import nowhere.suokarc # exits 2",
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.File = args[0]
			if err := opts.validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return explainImport(opts, explain(runImport(cmd.Context(), opts)))
		},
	}
	flags := cmd.Flags()
	flags.StringToStringVar(&opts.To, "to", nil, "where a topic goes, as `TOPIC=TARGET`; may be repeated")
	flags.StringVar(&opts.Timestamps, "timestamps", timestampsKeep, "`which` the records get: keep their own, or now")
	flags.StringVar(&opts.Compression, "compression", string(events.CompressionNone), "how batches are compressed: "+strings.Join(compressions(), ", "))
	flags.BoolVar(&opts.Create, "create", false, "make the topics that are not there, with as many partitions as those that were exported")
	flags.BoolVar(&opts.Restart, "restart", false, "forget how far an earlier import has come, and import again")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "verify the archive, show what it holds, and produce nothing")
	opts.Output.Bind(cmd)
	for name, values := range map[string][]string{"to": nil, "timestamps": {timestampsKeep, timestampsNow}, "compression": compressions()} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	return cmd
}

func (o *ImportOptions) validate() error {
	switch {
	case o.Timestamps != timestampsKeep && o.Timestamps != timestampsNow:
		return failure.Usagef("--timestamps %q is unknown: use keep or now", o.Timestamps)
	case !slices.Contains(compressions(), o.Compression):
		return failure.Usagef("--compression %q is unknown: use one of %s", o.Compression, strings.Join(compressions(), ", "))
	}
	return o.Output.Validate()
}

func runImport(ctx context.Context, opts *ImportOptions) error {
	in, total, err := opts.open()
	if err != nil {
		return err
	}
	defer in.Close()
	if opts.DryRun {
		h, end, err := archive.Verify(bufio.NewReader(in))
		if err != nil {
			return err
		}
		return output.One(opts.IO, opts.Output, exportedView(), newExported(h, end), nil)
	}
	reader, err := archive.NewReader(in)
	if err != nil {
		return err
	}
	defer reader.Close()
	client, err := opts.Events()
	if err != nil {
		return err
	}
	targets, err := opts.targets(reader.Header())
	if err != nil {
		return err
	}
	if err := opts.Guard(ctx, "import an archive to "+strings.Join(targets, ", ")); err != nil {
		return err
	}
	if err := opts.create(ctx, client, reader.Header(), targets); err != nil {
		return err
	}
	progress := newReadProgress(opts.IO)
	result, err := archive.Import(ctx, client, reader, archive.ImportOptions{
		Targets: opts.To, Present: opts.Timestamps == timestampsNow, Restart: opts.Restart, Compression: events.Compression(opts.Compression),
		OnProgress: func(r archive.ImportResult) {
			progress.show(fmt.Sprintf("%d imported", r.Records), int64(r.Blocks), int64(total))
		},
	})
	progress.clear()
	if err != nil && result.Records == 0 {
		return err
	}
	return firstError(err, output.One(opts.IO, opts.Output, importView(), result, nil))
}

// open opens a file, verifies it, and returns how many blocks it has; of
// standard input they are not known, and are 0.
func (o *ImportOptions) open() (io.ReadCloser, int, error) {
	if o.File == "-" {
		return io.NopCloser(o.IO.In), 0, nil
	}
	file, err := os.Open(o.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, failure.Usagef("there is no file %s", o.File)
	}
	if err != nil || o.DryRun {
		return file, 0, err
	}
	_, end, err := archive.Verify(file)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, 0, firstError(fmt.Errorf("%s: %w", o.File, err), file.Close())
	}
	return file, end.Blocks, nil
}

// targets names where the topics of the archive go, in their order.
func (o *ImportOptions) targets(h archive.Header) ([]string, error) {
	var names []string
	known := make(map[string]bool)
	for _, t := range h.Topics {
		known[t.Name] = true
		name := t.Name
		if to, ok := o.To[name]; ok {
			name = to
		}
		names = append(names, name)
	}
	for _, topic := range slices.Sorted(maps.Keys(o.To)) {
		if !known[topic] {
			return nil, failure.Usagef("--to %s: the archive has no such topic", topic)
		}
	}
	return names, nil
}

// create makes the topics that are wanted and not there.
func (o *ImportOptions) create(ctx context.Context, client *events.Client, h archive.Header, targets []string) error {
	if !o.Create {
		return nil
	}
	for i, name := range targets {
		partitions := len(h.Topics[i].Partitions)
		err := client.CreateTopic(ctx, events.NewTopic{Name: name, Partitions: int32(partitions)}, false)
		switch {
		case errors.Is(err, events.ErrTopicExists):
			continue
		case err != nil:
			return err
		}
		o.IO.Infof("%s created with %d partitions", name, partitions)
		if err := awaitTopic(ctx, client, name); err != nil {
			return err
		}
	}
	return nil
}

// explainImport says what to do about errors of archives.
func explainImport(o *ImportOptions, err error) error {
	var unknown *events.UnknownTopicError
	var corrupt *archive.CorruptError
	switch {
	case errors.Is(err, archive.ErrIncomplete):
		return failure.WithHint(err, "`suokectl events export TOPIC… --file "+o.File+" --resume` completes it")
	case errors.As(err, &corrupt):
		return failure.WithHint(err, "what was imported before that stays; with a whole copy of the archive the same command goes on there")
	case errors.As(err, &unknown):
		return failure.WithHint(err, "--create makes it with as many partitions as the topic that was exported, --to names another")
	case errors.Is(err, archive.ErrTakenOver):
		return failure.WithHint(err, "the same command goes on where the import is, and stops the other")
	}
	return err
}

func importView() output.View[archive.ImportResult] {
	return output.View[archive.ImportResult]{
		Columns: []output.Column[archive.ImportResult]{
			{Name: "ID", Value: func(r archive.ImportResult) string { return r.ID }},
			{Name: "RECORDS", Value: func(r archive.ImportResult) string { return fmt.Sprint(r.Records) }},
			{Name: "BEFORE", Value: func(r archive.ImportResult) string { return fmt.Sprint(r.Before) }},
			{Name: "BLOCKS", Value: func(r archive.ImportResult) string { return fmt.Sprint(r.Blocks) }},
		},
		Name: func(r archive.ImportResult) string { return r.ID },
	}
}
