package lint

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/lint/events"
	"github.com/suokelife/suokectl/pkg/lint/protos"
)

// NewCmdProtos returns the verb; runF replaces its run in tests.
func NewCmdProtos(f *app.Factory, runF func(*Options) error) *cobra.Command {
	return newCmdFiles(f, runF, fileVerb{
		use:   "protos [PATH…]",
		short: "Check proto files only",
		long: `Check .proto files: that they are proto3 in a package <organization>.<service>.v<N>,
that names follow the conventions, and that comments say something.

The folder that imports are relative to is taken from buf.yaml where there is
one, and otherwise found out from the packages: for package a.b.v1 in x/a/b/v1
it is x.`,
		example: `printf 'syntax = "proto3";\n\npackage suokelife.auth;\n' > auth.proto
suokectl lint protos auth.proto # exits 100
suokectl lint protos . -o json --timeout 30s # exits 100`,
		kinds: []string{protos.Name},
	})
}

// NewCmdEvents returns the verb; runF replaces its run in tests.
func NewCmdEvents(f *app.Factory, runF func(*Options) error) *cobra.Command {
	return newCmdFiles(f, runF, fileVerb{
		use:   "events [PATH…]",
		short: "Check files of events only",
		long: `Check files of events, .json with one and .ndjson or .jsonl with one a line: that
each wears the whole envelope, and that its time can be read by everyone.`,
		example: `printf '{"meta":{"id":"1","type":"user-registered","version":"v1","source":"auth-service","time":"2023-11-10T12:34:56Z","correlation_id":"none"},"data":{}}\n' > events.ndjson
suokectl lint events events.ndjson`,
		kinds: []string{events.Name},
	})
}

func runFiles(ctx context.Context, opts *Options) error {
	c, config, err := opts.conventions()
	if err != nil {
		return err
	}
	kinds := allKinds(c)
	if opts.Kinds != nil {
		kinds = slices.DeleteFunc(kinds, func(k lint.Kind) bool { return !slices.Contains(opts.Kinds, k.Name) })
	}
	sources, err := lint.Load(kinds, opts.Paths...)
	if err != nil {
		return hint(err)
	}
	if len(sources) == 0 {
		opts.IO.Infof("nothing to lint in %s: no %s", strings.Join(opts.Paths, ", "), kindNames(kinds))
	}
	report, err := lint.Run(ctx, kinds, config, sources)
	if err != nil {
		return err
	}
	return opts.Report.write(opts.IO, report)
}

func hint(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return failure.WithHint(err, "paths are relative to the working folder; `suokectl lint --help` lists the verbs")
	case errors.Is(err, lint.ErrUnrecognized):
		return failure.WithHint(err, "`suokectl lint --help` says what is recognised; names of topics go to `suokectl lint topics`")
	}
	return err
}

func kindNames(kinds []lint.Kind) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.Name
	}
	return strings.Join(names, ", ")
}
