package lab

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/lab/state"
	"github.com/suokelife/suokectl/internal/output"
)

// EnvOptions are what `lab env` needs.
type EnvOptions struct {
	IO       *iostreams.IOStreams
	StateDir func() (string, error)
}

// NewCmdEnv returns the verb; runF replaces its run in tests.
func NewCmdEnv(f *app.Factory, runF func(*EnvOptions) error) *cobra.Command {
	opts := &EnvOptions{IO: f.IO, StateDir: stateDir(f)}
	return &cobra.Command{
		Use:   "env",
		Short: "Print variables with which other tools reach the lab",
		Long: `Print shell commands that set the variables with which consul, kubectl, kcat and
curl reach the running lab. suokectl itself needs none of them.`,
		Example:           "suokectl lab env\neval \"$(suokectl lab env)\"",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			if runF != nil {
				return runF(opts)
			}
			return runEnv(opts)
		},
	}
}

func runEnv(opts *EnvOptions) error {
	s, err := running(opts.StateDir)
	if err != nil {
		return err
	}
	return output.Text(opts.IO, "%s", exports(s))
}

func exports(s *state.State) string {
	quote := func(v string) string { return "'" + strings.ReplaceAll(v, "'", `'\''`) + "'" }
	lines := []string{
		"export CONSUL_HTTP_ADDR=" + quote(s.Context.Consul.Address),
		"export KAFKA_BROKERS=" + quote(strings.Join(s.Context.Kafka.Brokers, ",")),
		"export SCHEMA_REGISTRY_URL=" + quote(s.Context.Registry.URL),
		"export MESH_ADDRESS=" + quote(s.Context.RPC.MeshAddress),
		"export KUBECONFIG=" + quote(s.Context.Kube.Config),
	}
	return strings.Join(lines, "\n") + "\n"
}
