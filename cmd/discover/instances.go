package discover

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// InstancesOptions are what `discover instances` needs.
type InstancesOptions struct {
	IO       *iostreams.IOStreams
	Discover func() (*discover.Client, error)
	Output   output.Flags
	Name     string
	Query    discover.Query
}

// NewCmdInstances returns the verb; runF replaces its run in tests.
func NewCmdInstances(f *app.Factory, runF func(*InstancesOptions) error) *cobra.Command {
	opts := &InstancesOptions{IO: f.IO, Discover: f.Discover}
	var query queryFlags
	cmd := &cobra.Command{
		Use:   "instances NAME",
		Short: "List the instances of a service that a caller would be given",
		Long: `List the instances of a service: passing ones of the version and with all of the
tags that are wanted. An instance without a version never matches one.

When no instance is let in, the exit code is 1 and the error says why.`,
		Example: `suokectl discover instances auth-service
suokectl discover instances auth-service --version v1 --tag prod -o json
suokectl discover instances auth-service --health any -o wide
suokectl discover instances auth-service --version v9 # exits 1`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: serviceNames(f),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			opts.Name = args[0]
			if opts.Query, err = query.query(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runInstances(cmd.Context(), opts)
		},
	}
	query.bind(f, cmd)
	opts.Output.Bind(cmd)
	return cmd
}

func runInstances(ctx context.Context, opts *InstancesOptions) error {
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	all, err := client.Explain(ctx, opts.Name, opts.Query)
	if err != nil {
		return hinted(err)
	}
	instances := discover.Included(all)
	if len(instances) == 0 {
		return hinted(&discover.NoInstanceError{Service: opts.Name, Query: opts.Query, Known: all})
	}
	if err := output.List(opts.IO, opts.Output, instanceView(), instances); err != nil {
		return err
	}
	if out := len(all) - len(instances); out > 0 && opts.Output.Human() {
		opts.IO.Infof("%s left out: `%s` says why", plural(out, "instance"), explainCommand(opts.Name, opts.Query))
	}
	return nil
}

func instanceView() output.View[discover.Instance] {
	return output.View[discover.Instance]{
		Name: func(i discover.Instance) string { return i.ID },
		Columns: []output.Column[discover.Instance]{
			{Name: "ADDRESS", Value: discover.Instance.HostPort},
			{Name: "VERSION", Value: func(i discover.Instance) string { return i.Version }},
			{
				Name: "HEALTH", Value: func(i discover.Instance) string { return string(i.Health) },
				Style: func(st iostreams.Style, i discover.Instance, cell string) string { return coloured(st, i.Health, cell) },
			},
			{Name: "TAGS", Value: func(i discover.Instance) string { return strings.Join(i.Tags, ",") }},
			{Name: "ID", Value: func(i discover.Instance) string { return i.ID }, Wide: true},
			{Name: "NODE", Value: func(i discover.Instance) string { return i.Node }, Wide: true},
			{Name: "DATACENTER", Value: func(i discover.Instance) string { return i.Datacenter }, Wide: true},
			{Name: "META", Value: func(i discover.Instance) string { return metaText(i.Meta) }, Wide: true},
		},
	}
}

// metaText is metadata on one line, sorted.
func metaText(meta map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(meta)) {
		parts = append(parts, key+"="+meta[key])
	}
	return strings.Join(parts, ",")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
