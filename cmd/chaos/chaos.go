// Package chaos is `suokectl chaos`: faults that the cluster takes back by itself.
package chaos

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/chaos"
)

// NewCmdChaos returns the noun with its verbs.
func NewCmdChaos(f *app.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Inject faults that cannot be forgotten",
		Long: `Inject faults into calls through an Istio mesh, as leases: a Job without pods owns
the routing that carries the fault, and the cluster deletes both at the deadline,
even if this program was killed. The routing in force before is never changed.`,
		Example: `suokectl chaos render auth-service --delay 5s --delay-percent 10 --abort 500 --abort-percent 5
suokectl chaos inject auth-service --abort UNAVAILABLE --abort-percent 50 --ttl 30s
suokectl chaos status
suokectl chaos clear --all`,
	}
	cmd.AddCommand(NewCmdRender(f, nil), NewCmdInject(f, nil), NewCmdStatus(f, nil), NewCmdClear(f, nil))
	return cmd
}

// client returns a maker of the context's chaos client.
func client(f *app.Factory) func() (*chaos.Client, error) {
	return func() (*chaos.Client, error) {
		cluster, err := f.Kube()
		if err != nil {
			return nil, err
		}
		return chaos.New(cluster, chaos.Options{}), nil
	}
}

// faultNames completes the name of a lease.
func faultNames(f *app.Factory) cobra.CompletionFunc {
	return complete.At(complete.Values(f, "faults", func(ctx context.Context) ([]string, error) {
		c, err := client(f)()
		if err != nil {
			return nil, err
		}
		leases, err := c.Status(ctx)
		var names []string
		for i, l := range leases {
			if i == 0 || leases[i-1].Name != l.Name {
				names = append(names, l.Name)
			}
		}
		return names, err
	}))
}

func leaseView() output.View[chaos.Lease] {
	return output.View[chaos.Lease]{
		Empty: "no faults",
		Name:  func(l chaos.Lease) string { return l.Name },
		Columns: []output.Column[chaos.Lease]{
			{Name: "NAME", Value: func(l chaos.Lease) string { return l.Name }},
			{Name: "CLIENTS", Value: func(l chaos.Lease) string { return l.Namespace }},
			{Name: "SERVICE", Value: func(l chaos.Lease) string { return l.Service }},
			{Name: "FAULT", Value: func(l chaos.Lease) string { return l.Fault }},
			{Name: "STATE", Value: func(l chaos.Lease) string { return l.State }, Style: colouredState},
			{Name: "LEFT", Value: left},
			{Name: "EXPIRES", Value: func(l chaos.Lease) string { return clock(l.Expires) }, Wide: true},
			{Name: "HOST", Value: func(l chaos.Lease) string { return l.Host }, Wide: true},
		},
	}
}

func colouredState(st iostreams.Style, l chaos.Lease, cell string) string {
	switch l.State {
	case chaos.StateActive, chaos.StateArming:
		return st.Warn(cell)
	default:
		return st.Bad(cell)
	}
}

// hinted adds what to type next to an error that a command can help with.
func hinted(err error) error {
	var unknown *chaos.UnknownServiceError
	switch {
	case errors.Is(err, chaos.ErrInvalidFault):
		return failure.Usagef("%w", err)
	case errors.Is(err, chaos.ErrNotFound):
		return failure.WithHint(err, "`suokectl chaos status` lists them")
	case errors.Is(err, chaos.ErrNoMesh):
		return failure.WithHint(err, "`suokectl config view --show-origin` says which cluster this is; faults go to the one that configures the mesh")
	case apierrors.IsForbidden(err):
		return failure.WithHint(err, "faults need to list and create virtualservices and jobs; `chaos status --client-namespace` looks in one namespace")
	case errors.As(err, &unknown):
		return failure.WithHint(err, "--namespace names the namespace of the service")
	}
	return err
}
