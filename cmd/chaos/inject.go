package chaos

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/chaos"
)

const (
	// proofTime is how long calls are made to see the fault: a mesh may take 10 s to take it over.
	proofTime = 15 * time.Second
	// proofParallel bounds the calls that are under way at once.
	proofParallel = 32
)

// InjectOptions are what `chaos inject` needs.
type InjectOptions struct {
	IO        *iostreams.IOStreams
	Kube      func() (*app.Cluster, error)
	Context   func() (*config.Context, error)
	Guard     func(ctx context.Context, what string) error
	Output    output.Flags
	Fault     chaos.Fault
	DryRun    bool
	ProofTime time.Duration
}

// injected is what `chaos inject` prints.
type injected struct {
	Name     string        `json:"name"`
	Host     string        `json:"host"`
	Fault    string        `json:"fault"`
	DryRun   bool          `json:"dry_run"`
	Expires  time.Time     `json:"expires,omitzero"`
	Leases   []chaos.Lease `json:"leases"`
	Warnings []string      `json:"warnings"`
	// Proof is null when no calls could be made from here.
	Proof *chaos.Proof `json:"proof"`
}

// NewCmdInject returns the verb; runF replaces its run in tests.
func NewCmdInject(f *app.Factory, runF func(*InjectOptions) error) *cobra.Command {
	opts := &InjectOptions{IO: f.IO, Kube: f.Kube, Context: f.Context, Guard: f.Guard}
	var flags faultFlags
	cmd := &cobra.Command{
		Use:   "inject SERVICE",
		Short: "Inject a fault that ends by itself",
		Long: `Inject a fault into the calls from client namespaces to a service, for a time. The
plan and its warnings are shown, the cluster rehearses it, and only when the
deadline runs is the fault written. Where the context has a mesh address, calls of
the standard health check are made through it until the fault is felt; that it is
not is an error, and the fault stays until its deadline or "chaos clear".`,
		Example: `suokectl chaos inject auth-service --abort 500 --abort-percent 5 --ttl 30s --dry-run
suokectl chaos inject auth-service --delay 50ms --delay-percent 10 --abort UNAVAILABLE --abort-percent 50 --ttl 2s -o json
suokectl chaos clear --all
suokectl chaos inject auth-service --abort NONSENSE # exits 2`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if opts.Fault, err = flags.parse(cmd, args[0]); err != nil {
				return err
			}
			if err := opts.Output.Validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runInject(cmd.Context(), opts)
		},
	}
	flags.bind(f, cmd)
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "plan and rehearse, and write nothing")
	cmd.Flags().DurationVar(&opts.ProofTime, "proof-time", proofTime, "longest `duration` to look for the fault in live calls; 0 makes none")
	_ = cmd.RegisterFlagCompletionFunc("proof-time", cobra.NoFileCompletions)
	opts.Output.Bind(cmd)
	return cmd
}

func runInject(ctx context.Context, opts *InjectOptions) error {
	cluster, err := opts.Kube()
	if err != nil {
		return err
	}
	c := chaos.New(cluster, chaos.Options{})
	plan, err := c.Preflight(ctx, clientsOf(opts.Fault, cluster.Namespace))
	if err != nil {
		return hinted(err)
	}
	showPlan(opts.IO, plan)
	result := injected{Name: plan.Name, Host: plan.Host, Fault: plan.Fault.String(), DryRun: opts.DryRun, Leases: []chaos.Lease{}, Warnings: append([]string{}, plan.Warnings...)}
	if opts.DryRun {
		opts.IO.Infof("dry run: nothing was written")
		return show(opts, result)
	}
	if err := opts.Guard(ctx, "inject "+plan.Fault.String()+" into "+plan.Host); err != nil {
		return err
	}
	if result.Leases, err = c.Inject(ctx, plan); err != nil {
		return hinted(err)
	}
	result.Expires = result.Leases[0].Expires
	opts.IO.Infof("injected %s; the cluster takes it back at %s", plan.Name, clock(result.Expires))
	if result.Proof, err = prove(ctx, opts, plan); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return failure.WithHint(context.Cause(ctx), fmt.Sprintf("fault %s stays until then; `suokectl chaos clear %s` ends it", plan.Name, plan.Name))
	}
	if err := show(opts, result); err != nil {
		return err
	}
	return judge(opts.IO, plan, result.Proof)
}

// prove looks for the fault in live calls; nil when none can be made.
func prove(ctx context.Context, opts *InjectOptions, plan *chaos.Plan) (*chaos.Proof, error) {
	target, err := opts.Context()
	if err != nil {
		return nil, err
	}
	if target.RPC.MeshAddress == "" || opts.ProofTime <= 0 {
		return nil, nil
	}
	probe, done := meshProbe(target.RPC.MeshAddress, plan.Host)
	defer done()
	ctx, cancel := context.WithTimeout(ctx, opts.ProofTime)
	defer cancel()
	proof := chaos.Prove(ctx, plan.Fault, probe, proofParallel)
	return &proof, nil
}

// judge says what the proof found. Calls that were made and did not feel the fault are a failure.
func judge(ios *iostreams.IOStreams, plan *chaos.Plan, proof *chaos.Proof) error {
	switch {
	case proof == nil:
		ios.Infof("not proved: no call was made from here (a laptop's calls pass no sidecar; rpc.mesh_address names one)")
	case proof.Proved:
		ios.Infof("felt in live calls, %d made: %s", proof.Calls, felt(plan.Fault, proof))
	case proof.Calls == 0:
		ios.Infof("not proved: %s", proof.Reason)
	default:
		return failure.WithHint(fmt.Errorf("fault %s is written, but not felt at the mesh address: %s", plan.Name, proof.Reason),
			fmt.Sprintf("is that a sidecar of namespace %s? `suokectl chaos clear %s` ends the fault", plan.Fault.ClientNamespaces[0], plan.Name))
	}
	return nil
}

// felt sets the observed rates beside the wanted ones.
func felt(f chaos.Fault, proof *chaos.Proof) string {
	var parts []string
	if f.DelayPercent > 0 {
		parts = append(parts, fmt.Sprintf("%d delayed (%.1f%%, wanted %v%%)", proof.Delayed, proof.DelayPercent, f.DelayPercent))
	}
	if f.AbortPercent > 0 {
		parts = append(parts, fmt.Sprintf("%d aborted (%.1f%%, wanted %v%%)", proof.Aborted, proof.AbortPercent, f.AbortPercent))
	}
	return strings.Join(parts, ", ")
}

func show(opts *InjectOptions, result injected) error {
	view := output.View[injected]{Name: func(i injected) string { return i.Name }}
	return output.One(opts.IO, opts.Output, view, result, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, result.Name)
		return err
	})
}
