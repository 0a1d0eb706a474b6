package discover

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// ServicesOptions are what `discover services` needs.
type ServicesOptions struct {
	IO       *iostreams.IOStreams
	Discover func() (*discover.Client, error)
	Output   output.Flags
	Query    discover.Query
}

// NewCmdServices returns the verb; runF replaces its run in tests.
func NewCmdServices(f *app.Factory, runF func(*ServicesOptions) error) *cobra.Command {
	opts := &ServicesOptions{IO: f.IO, Discover: f.Discover}
	var selection selectionFlags
	cmd := &cobra.Command{
		Use:   "services",
		Short: "List the services with the health of their instances",
		Long: `List every service that Consul knows, with how many of its instances are in which
health, and their versions; -o wide and the JSON count by version and by tag too,
"v1 2/3" being three instances of v1 of which two pass.
Flags narrow which instances are counted; a service without any is left out.`,
		Example: `suokectl discover services
suokectl discover services --tag prod -o wide
suokectl discover services --filter 'Service.Meta.version == v2'
suokectl discover services --jq '.[] | select(.critical > 0) | .name'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opts.Query, err = selection.query(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runServices(cmd.Context(), opts)
		},
	}
	selection.bind(f, cmd)
	opts.Output.Bind(cmd)
	return cmd
}

func runServices(ctx context.Context, opts *ServicesOptions) error {
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	services, err := client.Services(ctx, opts.Query)
	if err != nil {
		return err
	}
	return output.List(opts.IO, opts.Output, serviceView(), services)
}

func serviceView() output.View[discover.Service] {
	count := func(of func(discover.Service) int) func(discover.Service) string {
		return func(s discover.Service) string { return strconv.Itoa(of(s)) }
	}
	// alarm colours a count that should be nought.
	alarm := func(of func(discover.Service) int, health discover.Health) func(iostreams.Style, discover.Service, string) string {
		return func(st iostreams.Style, s discover.Service, cell string) string {
			if of(s) == 0 {
				return st.Dim(cell)
			}
			return coloured(st, health, cell)
		}
	}
	warning := func(s discover.Service) int { return s.Warning }
	critical := func(s discover.Service) int { return s.Critical }
	return output.View[discover.Service]{
		Name:  func(s discover.Service) string { return s.Name },
		Empty: "Consul knows no such services",
		Columns: []output.Column[discover.Service]{
			{Name: "SERVICE", Whole: true, Value: func(s discover.Service) string { return s.Name }},
			{Name: "PASSING", Value: count(func(s discover.Service) int { return s.Passing })},
			{Name: "WARNING", Value: count(warning), Style: alarm(warning, discover.Warning)},
			{Name: "CRITICAL", Value: count(critical), Style: alarm(critical, discover.Critical)},
			{Name: "VERSIONS", Value: func(s discover.Service) string { return strings.Join(s.Versions, ",") }},
			{Name: "BY VERSION", Value: func(s discover.Service) string { return shares(s.ByVersion) }, Wide: true},
			{Name: "BY TAG", Value: func(s discover.Service) string { return shares(s.ByTag) }, Wide: true},
		},
	}
}

// shares says of each how many of its instances pass.
func shares(by map[string]discover.Counts) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("%s %d/%d", orNone(name), by[name].Passing, by[name].Instances))
	}
	return strings.Join(parts, ", ")
}

func orNone(name string) string {
	if name == "" {
		return "(none)"
	}
	return name
}
