package root

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/cmd/chaos"
	"github.com/suokelife/suokectl/cmd/config"
	"github.com/suokelife/suokectl/cmd/demo"
	"github.com/suokelife/suokectl/cmd/discover"
	"github.com/suokelife/suokectl/cmd/events"
	"github.com/suokelife/suokectl/cmd/lab"
	"github.com/suokelife/suokectl/cmd/lint"
	"github.com/suokelife/suokectl/cmd/rpc"
	"github.com/suokelife/suokectl/cmd/secret"
	"github.com/suokelife/suokectl/cmd/version"
	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
)

// NewCmdRoot returns the whole command tree on f.
func NewCmdRoot(f *app.Factory) *cobra.Command { return newCmdRoot(f, "") }

// newCmdRoot returns the tree with one noun in it, or the whole one when there is no such noun.
func newCmdRoot(f *app.Factory, asked string) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "suokectl",
		Short: "Debug, gate, repair and drill services that talk over gRPC and Kafka",
		Long: `suokectl knows how the services of a fleet are meant to talk: who is healthy in
Consul and why one is left out, how a gRPC call is retried, what an event must
carry, how dead letters are replayed exactly once, and how a fault is injected
that cannot be forgotten.

With nothing configured, "suokectl lab up --detach" starts a whole world on this
machine, and "suokectl demo" tells its story.`,
		Example:           "suokectl demo # exits 0\nsuokectl discover instances auth-service\nsuokectl lint .",
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if timeout < 0 {
				return failure.Usagef("--timeout %s is negative", timeout)
			}
			if timeout > 0 {
				ctx, cancel := context.WithTimeoutCause(cmd.Context(), timeout, fmt.Errorf("%w after %s", failure.ErrTimeout, timeout))
				context.AfterFunc(ctx, cancel)
				cmd.SetContext(ctx)
			}
			f.IO.Until(cmd.Context())
			return nil
		},
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&f.ContextName, "context", "", "`name` of the context to use")
	flags.DurationVar(&timeout, "timeout", 0, "give up after this `duration`; 0 waits as long as it takes")
	flags.CountVarP(&f.Verbose, "verbose", "v", "say more; twice for still more")
	flags.StringVar(&f.ConfirmName, "confirm", "", "`name` of the protected context that may be changed")
	_ = cmd.RegisterFlagCompletionFunc("context", contextNames(f))
	_ = cmd.RegisterFlagCompletionFunc("confirm", contextNames(f))
	_ = cmd.RegisterFlagCompletionFunc("timeout", cobra.FixedCompletions([]string{"5s", "30s", "5m"}, cobra.ShellCompDirectiveNoFileComp))

	for _, noun := range nouns(asked) {
		cmd.AddCommand(noun(f))
	}
	cmd.AddCommand(newCmdCompletion(f))
	cmd.SetHelpCommand(newCmdHelp())
	cmd.CompletionOptions.DisableDefaultCmd = true
	typed(cmd)
	return cmd
}

// nouns make the commands below the root: the one that is asked for, since to make all of them takes a tenth of the
// time of a short command, or all.
func nouns(asked string) []func(*app.Factory) *cobra.Command {
	all := []struct {
		name string
		make func(*app.Factory) *cobra.Command
	}{
		{"config", config.NewCmdConfig},
		{"lab", lab.NewCmdLab},
		{"events", events.NewCmdEvents},
		{"discover", discover.NewCmdDiscover},
		{"rpc", rpc.NewCmdRPC},
		{"secret", secret.NewCmdSecret},
		{"chaos", chaos.NewCmdChaos},
		{"lint", func(f *app.Factory) *cobra.Command { return lint.NewCmdLint(f, nil) }},
		{"demo", func(f *app.Factory) *cobra.Command { return demo.NewCmdDemo(f, nil) }},
		{"version", func(f *app.Factory) *cobra.Command { return version.NewCmdVersion(f, nil) }},
	}
	var out []func(*app.Factory) *cobra.Command
	for _, noun := range all {
		if noun.name == asked {
			return []func(*app.Factory) *cobra.Command{noun.make}
		}
		out = append(out, noun.make)
	}
	return out
}

// typed makes usage errors of the errors that cobra itself finds, and gives
// every group of verbs one for a verb that it does not have.
func typed(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(flagError)
	cmd.Flags().VisitAll(dropEmptyDefault)
	for _, sub := range cmd.Commands() {
		typed(sub)
	}
	if cmd.HasSubCommands() && cmd.RunE == nil {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = runGroup
		if cmd.ValidArgsFunction == nil {
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
		return
	}
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if err := errors.Join(cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups()); err != nil {
			return &failure.UsageError{Err: togetherError(err)}
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return argumentError(cmd, args, err)
			}
			return nil
		}
	}
}

// togetherError says in words which flags exclude one another.
func togetherError(err error) error {
	_, set, found := strings.Cut(err.Error(), "none of the others can be; [")
	set, _, closed := strings.Cut(set, "]")
	if !found || !closed {
		return err
	}
	return fmt.Errorf("--%s cannot be used together", strings.Join(strings.Fields(set), " and --"))
}

// argumentError names the arguments where cobra only counts them.
func argumentError(cmd *cobra.Command, args []string, err error) error {
	_, wanted, named := strings.Cut(cmd.Use, " ")
	if !named && len(args) > 0 {
		return failure.Usagef("%s takes no arguments, and given is %q", cmd.CommandPath(), args)
	}
	if !named || !strings.Contains(err.Error(), "arg(s)") {
		return &failure.UsageError{Err: err}
	}
	given := "nothing is given"
	if len(args) > 0 {
		given = fmt.Sprintf("given is %q", args)
	}
	return failure.Usagef("%s takes %s, and %s", cmd.CommandPath(), wanted, given)
}

// runGroup answers a noun without a verb with its help, and a verb that does
// not exist with the nearest that do.
func runGroup(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	err := failure.Usagef("%s has no command %q", cmd.CommandPath(), args[0])
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return failure.WithHint(err, "did you mean "+strings.Join(near, " or ")+"?")
	}
	return failure.WithHint(err, fmt.Sprintf("`%s --help` lists them", cmd.CommandPath()))
}

func contextNames(f *app.Factory) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		source, err := f.ConfigSource()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete.Prefixed(source.ContextNames(), prefix), cobra.ShellCompDirectiveNoFileComp
	}
}
