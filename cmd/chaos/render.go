package chaos

import (
	"context"

	"github.com/spf13/cobra"

	"sigs.k8s.io/yaml"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/chaos"
)

// RenderOptions are what `chaos render` needs.
type RenderOptions struct {
	IO    *iostreams.IOStreams
	Kube  func() (*app.Cluster, error)
	Fault chaos.Fault
}

// NewCmdRender returns the verb; runF replaces its run in tests.
func NewCmdRender(f *app.Factory, runF func(*RenderOptions) error) *cobra.Command {
	opts := &RenderOptions{IO: f.IO, Kube: f.Kube}
	var flags faultFlags
	cmd := &cobra.Command{
		Use:   "render SERVICE",
		Short: "Print the objects that an injection would create, as YAML",
		Long: `Print the objects that an injection would create, made from the routing in force
now. It only reads. The output is for review and not for GitOps: the routing must
name the uid of a living Job, and a controller that put the fault back after its
deadline would keep it for ever.`,
		Example: `suokectl chaos render auth-service --delay 5s --delay-percent 10 --abort 500 --abort-percent 5
suokectl chaos render auth-service --abort UNAVAILABLE --client-namespace shop --client-namespace default
suokectl chaos render auth-service # exits 2`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if opts.Fault, err = flags.parse(cmd, args[0]); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runRender(cmd.Context(), opts)
		},
	}
	flags.bind(f, cmd)
	return cmd
}

func runRender(ctx context.Context, opts *RenderOptions) error {
	cluster, err := opts.Kube()
	if err != nil {
		return err
	}
	plan, err := chaos.New(cluster, chaos.Options{}).Plan(ctx, clientsOf(opts.Fault, cluster.Namespace))
	if err != nil {
		return hinted(err)
	}
	for _, o := range plan.Objects() {
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			return err
		}
		if err := output.Text(opts.IO, "---\n%s", text); err != nil {
			return err
		}
	}
	warn(opts.IO, plan)
	return nil
}
