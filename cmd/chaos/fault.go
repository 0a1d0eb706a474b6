package chaos

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/chaos"
)

// defaultTTL is short: a drill that needs longer says so.
const defaultTTL = 5 * time.Minute

// faultFlags are the flags that describe a fault.
type faultFlags struct {
	fault chaos.Fault
	abort string
}

func (ff *faultFlags) bind(f *app.Factory, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&ff.fault.Namespace, "namespace", "default", "`namespace` of the service")
	flags.StringArrayVar(&ff.fault.ClientNamespaces, "client-namespace", nil,
		"`namespace` whose calls feel the fault; may be repeated (default the context's, or else the service's)")
	flags.DurationVar(&ff.fault.Delay, "delay", 0, "hold calls up for this `duration`")
	flags.Float64Var(&ff.fault.DelayPercent, "delay-percent", 100, "`percentage` of the calls that are held up")
	flags.StringVar(&ff.abort, "abort", "", "answer calls with this HTTP or gRPC `status`, such as 503 or UNAVAILABLE")
	flags.Float64Var(&ff.fault.AbortPercent, "abort-percent", 100, "`percentage` of the calls that are aborted")
	flags.DurationVar(&ff.fault.TTL, "ttl", defaultTTL, "`duration` after which the cluster takes the fault back")
	_ = cmd.RegisterFlagCompletionFunc("namespace", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("client-namespace", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("delay", cobra.FixedCompletions([]string{"100ms", "1s", "5s"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("abort", cobra.FixedCompletions(append(chaos.GRPCStatuses(), "500", "503"), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("ttl", cobra.FixedCompletions([]string{"30s", "5m", "1h"}, cobra.ShellCompDirectiveNoFileComp))
	for _, name := range []string{"delay-percent", "abort-percent"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions([]string{"5", "10", "50", "100"}, cobra.ShellCompDirectiveNoFileComp))
	}
	cmd.ValidArgsFunction = complete.At(complete.Values(f, "routed services", func(ctx context.Context) ([]string, error) {
		c, err := client(f)()
		if err != nil {
			return nil, err
		}
		return c.Services(ctx, ff.fault.Namespace)
	}))
}

// parse returns the fault that the flags and the argument describe.
func (ff *faultFlags) parse(cmd *cobra.Command, service string) (chaos.Fault, error) {
	fault := ff.fault
	fault.Service = service
	if fault.Delay == 0 && !cmd.Flags().Changed("delay-percent") {
		fault.DelayPercent = 0
	}
	if ff.abort == "" && !cmd.Flags().Changed("abort-percent") {
		fault.AbortPercent = 0
	}
	if ff.abort != "" {
		if err := fault.ParseAbort(ff.abort); err != nil {
			return fault, failure.Usagef("--abort: %w", err)
		}
	}
	return fault, hinted(fault.Validate())
}

// clientsOf fills in whose calls feel the fault when no flag says: those from the context's namespace.
func clientsOf(fault chaos.Fault, context string) chaos.Fault {
	if len(fault.ClientNamespaces) == 0 && context != "" {
		fault.ClientNamespaces = []string{context}
	}
	return fault.WithDefaults()
}
