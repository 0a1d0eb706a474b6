// Package lint holds the verbs that find what breaks the communication
// specification in files and names.
package lint

import (
	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/lint/events"
	"github.com/suokelife/suokectl/pkg/lint/protos"
	"github.com/suokelife/suokectl/pkg/lint/topics"
	"github.com/suokelife/suokectl/pkg/spec"
)

// agreement is what the repository has agreed on.
type agreement struct {
	Conventions func() (spec.Conventions, error)
	Config      func() (lint.Config, error)
}

func agreementOf(f *app.Factory) agreement {
	return agreement{Conventions: f.Conventions, Config: f.LintConfig}
}

// conventions returns both, valid.
func (a agreement) conventions() (spec.Conventions, lint.Config, error) {
	c, err := a.Conventions()
	if err != nil {
		return spec.Conventions{}, lint.Config{}, err
	}
	config, err := a.Config()
	if err == nil {
		err = config.Validate(catalogue())
	}
	if err != nil {
		return spec.Conventions{}, lint.Config{}, failure.WithHint(err, "`suokectl lint rules` lists the rules")
	}
	return c, config, nil
}

// Options are what `lint` and its verbs for one kind of file need.
type Options struct {
	agreement
	IO     *iostreams.IOStreams
	Report ReportFlags
	// Kinds are what is looked for, by name; nil for all.
	Kinds []string
	Paths []string
}

// NewCmdLint returns the noun, which is a verb too; runF replaces its run in tests.
func NewCmdLint(f *app.Factory, runF func(*Options) error) *cobra.Command {
	cmd := newCmdFiles(f, runF, fileVerb{
		use:   "lint [PATH…]",
		short: "Find what breaks the specification in protos, topics and events",
		long: `Check files, and everything in folders, against the communication specification
and the conventions of suokectl.yaml. What a file is, is told by its content:

  protos  .proto files: proto3, a versioned package, names, comments
  topics  lists of topic names: topics.txt or *.topics, one name a line
  events  .json, .ndjson and .jsonl files of events in their envelope

With no PATH the working folder is checked. Findings go to stdout, a summary to
stderr; the exit code is 100 when there are any. Rules that buf has too carry
buf's ids, and a comment switches one off for what it stands above:

  // buf:lint:ignore FIELD_LOWER_SNAKE_CASE
  // suokectl:ignore FIELD_SECRET_COMMENT the mobile client logs none of it

An ignore that covers no finding is a finding itself. What holds for a whole
repository is in the section lint of its suokectl.yaml, in buf's words:

  lint:
    except: [COMMENT_ENUM_VALUE]
    severities: {COMMENT_DETAILED: error}
    ignore: [third_party]
    ignore_only: {PACKAGE_ORG_PREFIX: [proto/legacy]}

Nothing uses the network.`,
		example: `suokectl lint
printf 'dev.auth-service.UserRegistered.v1\n' > topics.txt
suokectl lint topics.txt # exits 100
suokectl lint . -o sarif > findings.sarif # exits 100
suokectl lint explain TOPIC_EVENT`,
	})
	cmd.AddCommand(
		NewCmdTopics(f, nil),
		NewCmdProtos(f, nil),
		NewCmdEvents(f, nil),
		NewCmdRules(f, nil),
		NewCmdExplain(f, nil),
	)
	return cmd
}

// fileVerb is the text of a verb that checks files.
type fileVerb struct {
	use, short, long, example string
	kinds                     []string
}

func newCmdFiles(f *app.Factory, runF func(*Options) error, verb fileVerb) *cobra.Command {
	opts := &Options{agreement: agreementOf(f), IO: f.IO, Kinds: verb.kinds}
	cmd := &cobra.Command{
		Use:     verb.use,
		Short:   verb.short,
		Long:    verb.long,
		Example: verb.example,
		Args:    cobra.ArbitraryArgs,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault // paths, which the shell knows best
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.Paths = args; len(args) == 0 {
				opts.Paths = []string{"."}
			}
			if err := opts.Report.validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runFiles(cmd.Context(), opts)
		},
	}
	opts.Report.bind(cmd)
	return cmd
}

// allKinds returns all that can be linted.
func allKinds(c spec.Conventions) []lint.Kind {
	return []lint.Kind{protos.Kind(c), topics.Kind(c), events.Kind(c)}
}
