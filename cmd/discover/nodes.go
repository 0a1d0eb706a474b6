package discover

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// NodesOptions are what `discover nodes` needs.
type NodesOptions struct {
	IO       *iostreams.IOStreams
	Discover func() (*discover.Client, error)
	Output   output.Flags
	Query    discover.Query
}

// NewCmdNodes returns the verb; runF replaces its run in tests.
func NewCmdNodes(f *app.Factory, runF func(*NodesOptions) error) *cobra.Command {
	opts := &NodesOptions{IO: f.IO, Discover: f.Discover}
	cmd := &cobra.Command{
		Use:   "nodes",
		Short: "List the nodes with their health and what runs on them",
		Long: `List the machines that Consul knows, with the health of their own checks, how many
services and instances are registered on each, and how many of these are critical.`,
		Example: `suokectl discover nodes
suokectl discover nodes --near _agent -o wide
suokectl discover nodes --filter 'Address == "127.0.0.1"' --jq '.[] | [.name, .services]'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(opts)
			}
			return runNodes(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Query.Near, "near", "", nearUsage)
	flags.StringVar(&opts.Query.Filter, "filter", "", "only nodes that Consul's filter `expression` is true of, such as 'Meta.rack == r1'")
	_ = cmd.RegisterFlagCompletionFunc("near", nodeNames(f))
	_ = cmd.RegisterFlagCompletionFunc("filter", cobra.NoFileCompletions)
	opts.Output.Bind(cmd)
	return cmd
}

func runNodes(ctx context.Context, opts *NodesOptions) error {
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	nodes, err := client.Nodes(ctx, opts.Query)
	if err != nil {
		return err
	}
	return output.List(opts.IO, opts.Output, nodeView(), nodes)
}

func nodeView() output.View[discover.Node] {
	return output.View[discover.Node]{
		Name:  func(n discover.Node) string { return n.Name },
		Empty: "Consul knows no such nodes",
		Columns: []output.Column[discover.Node]{
			{Name: "NODE", Whole: true, Value: func(n discover.Node) string { return n.Name }},
			{Name: "ADDRESS", Whole: true, Value: func(n discover.Node) string { return n.Address }},
			{
				Name: "HEALTH", Value: func(n discover.Node) string { return string(n.Health) },
				Style: func(st iostreams.Style, n discover.Node, cell string) string { return coloured(st, n.Health, cell) },
			},
			{Name: "SERVICES", Value: func(n discover.Node) string { return strconv.Itoa(n.Services) }},
			{Name: "INSTANCES", Value: func(n discover.Node) string { return strconv.Itoa(n.Instances) }},
			{
				Name: "CRITICAL", Value: func(n discover.Node) string { return strconv.Itoa(n.Critical) },
				Style: func(st iostreams.Style, n discover.Node, cell string) string {
					if n.Critical == 0 {
						return st.Dim(cell)
					}
					return st.Bad(cell)
				},
			},
			{Name: "WHERE", Value: func(n discover.Node) string { return where(n.Datacenter, n.Locality) }, Wide: true},
			{Name: "META", Value: func(n discover.Node) string { return metaText(n.Meta) }, Wide: true},
		},
	}
}
