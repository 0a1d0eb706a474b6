package events

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
)

// ClusterOptions are what `events cluster` works with.
type ClusterOptions struct {
	IO     *iostreams.IOStreams
	Events func() (*events.Client, error)
	Output output.Flags
}

// NewCmdCluster returns the verb; runF replaces its run in tests.
func NewCmdCluster(f *app.Factory, runF func(*ClusterOptions) error) *cobra.Command {
	opts := &ClusterOptions{IO: f.IO, Events: f.Events}
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Show the brokers, the controller and the features",
		Long: `Show the cluster: its id, its brokers with their racks, the controller, how many
partitions lack a replica or a leader, and the levels of its features. A broker's
version is guessed from the requests that it answers; -o wide and -o json list
those as well.`,
		Example: "suokectl events cluster\n" +
			"suokectl events cluster -o wide\n" +
			"suokectl events cluster --jq '.under_replicated + .offline'",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(opts)
			}
			return explain(runCluster(cmd.Context(), opts))
		},
	}
	opts.Output.Bind(cmd)
	return cmd
}

func runCluster(ctx context.Context, opts *ClusterOptions) error {
	client, err := opts.Events()
	if err != nil {
		return err
	}
	cluster, err := client.Cluster(ctx)
	if err != nil {
		return err
	}
	if cluster.Controller < 0 {
		opts.IO.Infof("warning: the cluster has no controller at the moment: topics cannot be created, altered or deleted")
	}
	return output.One(opts.IO, opts.Output, clusterView(), cluster, func(w io.Writer) error {
		return writeCluster(w, opts.IO, opts.Output, cluster)
	})
}

func writeCluster(w io.Writer, ios *iostreams.IOStreams, flags output.Flags, c events.Cluster) error {
	if err := output.Fields(w, ios, flags, clusterView(), c); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(w)
	if err := output.Part(w, ios, flags, brokerView(), c.Brokers); err != nil || flags.Format != output.Wide {
		return err
	}
	_, _ = fmt.Fprintln(w)
	return output.Part(w, ios, flags, apiView(), c.APIs)
}

func clusterView() output.View[events.Cluster] {
	return output.View[events.Cluster]{
		Name: func(c events.Cluster) string { return c.ID },
		Columns: []output.Column[events.Cluster]{
			{Name: "CLUSTER", Value: func(c events.Cluster) string { return c.ID }},
			{Name: "CONTROLLER", Value: controller},
			{Name: "TOPICS", Value: func(c events.Cluster) string { return strconv.Itoa(c.Topics) }},
			{
				Name: "PARTITIONS", Value: func(c events.Cluster) string {
					return strconv.Itoa(c.Partitions) + ", " + health(c.UnderReplicated, c.Offline)
				},
				Style: func(st iostreams.Style, c events.Cluster, cell string) string {
					return styleHealth(st, c.UnderReplicated, c.Offline, cell)
				},
			},
			{Name: "FEATURES", Value: featureList},
		},
	}
}

func controller(c events.Cluster) string {
	if c.Controller < 0 {
		return "none"
	}
	return strconv.Itoa(int(c.Controller))
}

// featureList names the features that are on.
func featureList(c events.Cluster) string {
	var on []string
	for _, f := range c.Features {
		if f.Level > 0 {
			on = append(on, fmt.Sprintf("%s %d", f.Name, f.Level))
		}
	}
	return orDash(strings.Join(on, ", "))
}

// health counts partitions that are not well.
func health(underReplicated, offline int) string {
	switch {
	case offline > 0 && underReplicated > 0:
		return fmt.Sprintf("%d offline, %d under-replicated", offline, underReplicated)
	case offline > 0:
		return fmt.Sprintf("%d offline", offline)
	case underReplicated > 0:
		return fmt.Sprintf("%d under-replicated", underReplicated)
	}
	return "ok"
}

func styleHealth(st iostreams.Style, underReplicated, offline int, cell string) string {
	switch {
	case offline > 0:
		return st.Bad(cell)
	case underReplicated > 0:
		return st.Warn(cell)
	}
	return cell
}

func brokerView() output.View[events.Broker] {
	return output.View[events.Broker]{Columns: []output.Column[events.Broker]{
		{Name: "BROKER", Value: func(b events.Broker) string {
			if b.Controller {
				return strconv.Itoa(int(b.ID)) + "*"
			}
			return strconv.Itoa(int(b.ID))
		}},
		{Name: "ADDRESS", Value: brokerAddress, Whole: true},
		{Name: "RACK", Value: func(b events.Broker) string { return orDash(b.Rack) }},
		{Name: "LEADS", Value: func(b events.Broker) string { return strconv.Itoa(b.Leads) }},
		{Name: "VERSION", Value: func(b events.Broker) string { return orDash(b.Version) }},
		{
			Name: "PROBLEM", Value: func(b events.Broker) string { return orDash(b.Problem) },
			Style: func(st iostreams.Style, b events.Broker, cell string) string {
				if b.Problem == "" {
					return st.Dim(cell)
				}
				return st.Bad(cell)
			},
		},
	}}
}

func brokerAddress(b events.Broker) string {
	if b.Host == "" {
		return "-"
	}
	return net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
}

func apiView() output.View[events.API] {
	return output.View[events.API]{Columns: []output.Column[events.API]{
		{Name: "API", Value: func(a events.API) string { return a.Name }},
		{Name: "KEY", Value: func(a events.API) string { return strconv.Itoa(int(a.Key)) }},
		{Name: "VERSIONS", Value: func(a events.API) string { return fmt.Sprintf("%d-%d", a.Min, a.Max) }},
	}}
}
