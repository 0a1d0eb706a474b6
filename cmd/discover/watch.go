package discover

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// WatchOptions are what `discover watch` needs.
type WatchOptions struct {
	IO       *iostreams.IOStreams
	Discover func() (*discover.Client, error)
	Output   output.Flags
	Name     string
	Query    discover.Query
	Exec     string // a shell command that is run on changes; none when empty
}

// NewCmdWatch returns the verb; runF replaces its run in tests.
func NewCmdWatch(f *app.Factory, runF func(*WatchOptions) error) *cobra.Command {
	opts := &WatchOptions{IO: f.IO, Discover: f.Discover}
	var query queryFlags
	cmd := &cobra.Command{
		Use:   "watch NAME",
		Short: "Watch the instances of a service change",
		Long: `Watch the instances of a service until Ctrl-C or --timeout, unhealthy ones too
unless --health narrows them.

On a terminal this is a live table: the health of each instance, since when as
seen by this watch, how often it changed and the worst it was in each 15 s of
the last 5 minutes. q leaves, and the last table stays.

Elsewhere it is one line for each change, and nothing for what is there already.
-o ndjson gives objects with time, service, type, fields, before, after, why,
flapping, error and age_seconds. type is added, removed (no longer let in, or
gone), changed (fields says what: health, address, version, tags, meta,
weights), stale (Consul cannot be asked; error says why, age_seconds how old the
last answer is) or fresh (it answers again).

An instance whose health changed 4 times within 5 minutes is flapping.

--exec runs a shell command on changes, one at a time: what changes meanwhile is
given to the next run at once, and what has changed back is not given. Its stdin
is an object with time, service, changes (kind, fields, before, after) and
instances; SUOKECTL_WATCH_SERVICE, SUOKECTL_WATCH_CHANGES, SUOKECTL_WATCH_INSTANCES
and SUOKECTL_WATCH_PASSING say the name and how many. When it fails, that is said,
and the watch goes on. When the watch ends it is ended too, with all it started.`,
		Example: `suokectl discover watch auth-service --timeout 1s # exits 124
suokectl discover watch auth-service --version v1 -o ndjson --timeout 1s # exits 124
suokectl discover watch auth-service --exec 'cat >> changes.ndjson' --timeout 1s # exits 124`,
		Args:              oneService,
		ValidArgsFunction: serviceNames(f),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			opts.Name = args[0]
			if opts.Query, err = query.query(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runWatch(cmd.Context(), opts)
		},
	}
	query.bind(f, cmd)
	health := cmd.Flags().Lookup("health")
	health.DefValue, query.health = string(discover.Any), string(discover.Any)
	cmd.Flags().StringVar(&opts.Exec, "exec", "", "shell `command` to run on changes")
	_ = cmd.RegisterFlagCompletionFunc("exec", cobra.NoFileCompletions)
	opts.Output.Bind(cmd)
	return cmd
}

// runWatch has three parts that run beside each other: the watch itself, the command of --exec, and, in this
// goroutine, what is shown.
func runWatch(ctx context.Context, opts *WatchOptions) (err error) {
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	hook := newHook(opts.Name, opts.Exec)
	updates := make(chan discover.Update)
	running.Go(func() { hook.run(ctx) })
	running.Go(func() {
		for update := range client.Watch(ctx, opts.Name, opts.Query) {
			hook.offer(update)
			select {
			case updates <- update:
			case <-ctx.Done():
			}
		}
	})
	defer func() {
		cancel()
		running.Wait()
		hook.tellLast(opts.IO)
	}()
	w := &watching{opts: opts, updates: updates, hook: hook, seen: newSightings(opts.Name, time.Now())}
	if err := w.first(ctx); err != nil {
		return err
	}
	w.warnOfUnknown(ctx, client)
	if opts.Output.Human() && opts.IO.Redrawable() {
		return w.live(ctx)
	}
	return w.log(ctx)
}

// watching is what shows a watch.
type watching struct {
	opts    *WatchOptions
	updates <-chan discover.Update
	hook    *hook
	seen    *sightings
}

// first takes the first answer. Without one there is nothing to watch: a wrong address is an error at once.
func (w *watching) first(ctx context.Context) error {
	select {
	case update := <-w.updates:
		if update.Err != nil && update.Read.IsZero() {
			return update.Err
		}
		w.seen.take(update, time.Now())
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// warnOfUnknown tells when nobody has registered the service, which may be a slip of the fingers. The watch goes on: it
// may be there later.
func (w *watching) warnOfUnknown(ctx context.Context, client *discover.Client) {
	if len(w.seen.update.Instances) > 0 {
		return
	}
	_, err := client.Instances(ctx, w.opts.Name, w.opts.Query)
	if unknown, ok := errors.AsType[*discover.UnknownServiceError](err); ok {
		w.opts.IO.Infof("%v", unknown)
		w.opts.IO.Infof("waiting until it is there")
	}
}

// log writes a line or an object for each change.
func (w *watching) log(ctx context.Context) error {
	stream, err := output.NewStream(w.opts.IO, w.opts.Output, eventView())
	if err != nil {
		return err
	}
	if w.opts.Output.Human() {
		w.opts.IO.Infof("watching %s: %s", w.opts.Name, w.seen.summary())
	}
	for {
		select {
		case update := <-w.updates:
			if err := w.write(stream, w.seen.take(update, time.Now())); err != nil {
				return err
			}
		case ran := <-w.hook.results:
			ran.tell(w.opts.IO)
		case <-ctx.Done():
			return closing(stream, context.Cause(ctx))
		}
	}
}

func (w *watching) write(stream *output.Stream[event], events []event) error {
	for _, e := range events {
		if w.opts.Output.Human() {
			if err := output.Text(w.opts.IO, "%s %s\n", e.Time.Format(time.RFC3339), w.opts.IO.Clean(e.line())); err != nil {
				return err
			}
		} else if err := stream.Write(e); err != nil {
			return err
		}
	}
	return stream.Flush()
}

// closing ends a stream whose end was no failure of its own.
func closing(stream *output.Stream[event], why error) error {
	if err := stream.Close(); err != nil {
		return err
	}
	return why
}
