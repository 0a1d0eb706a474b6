// Package config is `suokectl config`: which contexts there are, which one is
// used, and where each of its values comes from.
package config

import (
	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
)

// NewCmdConfig returns the noun with its verbs.
func NewCmdConfig(f *app.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show and change contexts",
		Long: `A context says where Consul, Kafka, the schema registry, gRPC and Kubernetes of
one environment are. Contexts live in $XDG_CONFIG_HOME/suokectl/config.yaml.

A value comes from the first of: SUOKECTL_<KEY> (SUOKECTL_CONSUL_ADDRESS for
consul.address), the context, an ecosystem variable such as CONSUL_HTTP_ADDR,
which fills only what the context leaves empty. With no context configured, a
running lab is the context.

Secrets are written as references: ${env:NAME}, ${file:PATH}, ${cmd:COMMAND}.`,
		Example: "suokectl config get-contexts\nsuokectl config view --show-origin",
	}
	cmd.AddCommand(
		NewCmdView(f, nil),
		NewCmdGetContexts(f, nil),
		NewCmdSetContext(f, nil),
		NewCmdUseContext(f, nil),
	)
	return cmd
}

// fileContexts completes the names of the contexts in the file.
func fileContexts(f *app.Factory) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		source, err := f.ConfigSource()
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return source.File.Names(), cobra.ShellCompDirectiveNoFileComp
	}
}
