// Package gateway is `suokectl discover gateway`: what an API gateway is told of services in Consul.
package gateway

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
)

// NewCmdGateway returns the noun with its verbs.
func NewCmdGateway(f *app.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Render and check Kong's configuration of services in Consul",
		Long: `Write and check Kong's declarative configuration of services that are in Consul,
in two forms. "spec" is the specification's, with the plugin consul-discovery,
which Kong itself does not come with. "dns" needs nothing but Kong's setting
dns_resolver to be Consul's DNS port.`,
		Example: "suokectl discover gateway render auth-service --tag prod --path /auth\nsuokectl discover gateway render auth-service --form dns > kong.yaml\nsuokectl discover gateway check kong.yaml --live",
	}
	cmd.AddCommand(NewCmdRender(f, nil), NewCmdCheck(f, nil))
	return cmd
}

// serviceNames completes the names of services that are not given yet.
func serviceNames(f *app.Factory) cobra.CompletionFunc {
	return complete.Values(f, "services", func(ctx context.Context) ([]string, error) {
		client, err := f.Discover()
		if err != nil {
			return nil, err
		}
		return client.Names(ctx)
	})
}
