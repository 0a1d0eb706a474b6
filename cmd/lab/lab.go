// Package lab is `suokectl lab`: a whole world of services, events and a mesh
// in one process, to try things on and to test against.
package lab

import (
	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/lab/state"
)

// NewCmdLab returns the noun with its verbs.
func NewCmdLab(f *app.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Run the embedded world: Consul, Kafka, a registry, services, a mesh",
		Long: `The lab is a small world in one process, on free loopback ports, with nothing to
install: Consul with real health checks, Kafka, a schema registry, demo services
(one flaky instance, one dead one), a Kubernetes API for what chaos touches, and
a proxy that obeys VirtualServices. While it runs and no context is configured,
it is the context.`,
		Example: "suokectl lab status\nsuokectl lab env",
	}
	cmd.AddCommand(
		NewCmdUp(f, nil),
		NewCmdDown(f, nil),
		NewCmdStatus(f, nil),
		NewCmdEnv(f, nil),
	)
	return cmd
}

func stateDir(f *app.Factory) func() (string, error) {
	return func() (string, error) {
		paths, err := f.Paths()
		if err != nil {
			return "", err
		}
		return state.Dir(paths), nil
	}
}

// running returns the running lab's state; that none runs is an error.
func running(dir func() (string, error)) (*state.State, error) {
	d, err := dir()
	if err != nil {
		return nil, err
	}
	s, err := state.Load(d)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, failure.WithHint(errNotRunning, "start it with `suokectl lab up --detach`")
	}
	return s, nil
}
