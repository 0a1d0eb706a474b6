package discover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
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
	StaleOK  bool
}

// NewCmdInstances returns the verb; runF replaces its run in tests.
func NewCmdInstances(f *app.Factory, runF func(*InstancesOptions) error) *cobra.Command {
	opts := &InstancesOptions{IO: f.IO, Discover: f.Discover}
	var query queryFlags
	cmd := &cobra.Command{
		Use:   "instances NAME",
		Short: "List the instances of a service that a caller would be given",
		Long: `List the instances of a service: passing ones of the version, with all of the
tags and the metadata that are wanted. An instance without a version never
matches one. A subset of an Istio DestinationRule wants what its labels say.

When no instance is let in, the exit code is 1 and the error says why.

With --stale-ok the instances that were found last are listed when Consul cannot
be asked or hides a part of its answer; stderr and the JSON say how old they are.`,
		Example: `suokectl discover instances auth-service
suokectl discover instances auth-service --version v1 --tag prod -o json
suokectl discover instances auth-service --health any -o wide
suokectl discover instances auth-service --filter 'Service.Port != 0' --near _agent --stale-ok
printf 'kind: DestinationRule\nspec: {host: auth-service, subsets: [{name: new, labels: {version: v2}}]}\n' > rule.yaml
suokectl discover instances auth-service --subset new --destination-rule rule.yaml
suokectl discover instances auth-service --version v9 # exits 1`,
		Args:              oneService,
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
	cmd.Flags().BoolVar(&opts.StaleOK, "stale-ok", false, "list what was found last when Consul cannot be asked")
	opts.Output.Bind(cmd)
	return cmd
}

func runInstances(ctx context.Context, opts *InstancesOptions) error {
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	all := opts.Query // all that Consul would tell: for how many are left out, and as what is remembered
	all.Version, all.Tags, all.Meta, all.Health = "", nil, nil, discover.Any
	known, err := client.Instances(ctx, opts.Name, all)
	var request *discover.RequestError
	if errors.As(err, &request) && opts.StaleOK && ctx.Err() == nil {
		return listRemembered(client, opts, err)
	}
	in := slices.DeleteFunc(slices.Clone(known), func(i discover.Instance) bool { return !opts.Query.Admits(i) })
	var none *discover.NoInstanceError
	if errors.As(err, &none) || err == nil && len(in) == 0 {
		in, err = client.Instances(ctx, opts.Name, opts.Query) // for the error that says why
	}
	if err != nil {
		return hinted(err)
	}
	if err := output.List(opts.IO, opts.Output, instanceView(), rows(in)); err != nil {
		return err
	}
	if opts.Output.Human() {
		remark(opts, in, len(known)-len(in))
	}
	return nil
}

// listRemembered lists what was found last, and says why and how old it is.
func listRemembered(client *discover.Client, opts *InstancesOptions, why error) error {
	last, err := client.Remembered(opts.Name, opts.Query)
	switch {
	case errors.Is(err, discover.ErrNotRemembered):
		return failure.WithHint(why, "--stale-ok does not help: nothing is remembered of "+opts.Name+" as it is asked for here")
	case err != nil:
		return hinted(fmt.Errorf("as known %s ago (%w): %w", age(last.Age()), why, err))
	}
	list := rows(last.Instances)
	for i := range list {
		list[i].Stale, list[i].AgeSeconds = true, last.Age().Round(time.Millisecond).Seconds()
	}
	opts.IO.Infof("stale, as known %s ago: %v", age(last.Age()), why)
	return output.List(opts.IO, opts.Output, instanceView(), list)
}

// remark says beside a table what it does not show.
func remark(opts *InstancesOptions, in []discover.Instance, out int) {
	if out > 0 {
		opts.IO.Infof("%s left out: `%s` says why", plural(out, "instance"), explainCommand(opts.Name, opts.Query))
	}
	var others []string
	for _, i := range in {
		if i.Name != opts.Name && !slices.Contains(others, i.Name) {
			others = append(others, i.Name)
		}
	}
	if len(others) > 0 {
		opts.IO.Infof("Consul does not tell names apart by case: some of these are registered as %s", strings.Join(others, ", "))
	}
}

// instanceRow is an instance as it is listed.
type instanceRow struct {
	discover.Instance
	Stale      bool    `json:"stale,omitempty"` // Consul could not be asked
	AgeSeconds float64 `json:"age_seconds,omitempty"`
}

func rows(list []discover.Instance) []instanceRow {
	out := make([]instanceRow, len(list))
	for i, instance := range list {
		out[i].Instance = instance
	}
	return out
}

func instanceView() output.View[instanceRow] {
	return output.View[instanceRow]{
		Name: func(i instanceRow) string { return i.ID },
		Columns: []output.Column[instanceRow]{
			{Name: "ADDRESS", Whole: true, Value: func(i instanceRow) string { return reach(i.Instance) }},
			{Name: "VERSION", Value: func(i instanceRow) string { return i.Version }},
			{
				Name: "HEALTH", Value: func(i instanceRow) string { return string(i.Health) },
				Style: func(st iostreams.Style, i instanceRow, cell string) string { return coloured(st, i.Health, cell) },
			},
			{Name: "TAGS", Value: func(i instanceRow) string { return strings.Join(i.Tags, ",") }},
			{Name: "ID", Value: func(i instanceRow) string { return i.ID }, Wide: true},
			{Name: "NODE", Value: func(i instanceRow) string { return i.Node }, Wide: true},
			{Name: "WHERE", Value: func(i instanceRow) string { return where(i.Datacenter, i.Locality) }, Wide: true},
			{Name: "WEIGHT", Value: func(i instanceRow) string { return strconv.Itoa(i.Weight()) }, Wide: true},
			{Name: "META", Value: func(i instanceRow) string { return metaText(i.Meta) }, Wide: true},
		},
	}
}

// reach is where callers reach an instance.
func reach(i discover.Instance) string {
	if i.Port == 0 {
		return i.Address + " (no port)"
	}
	return i.HostPort()
}

// where is a datacenter with the region and zone in it.
func where(datacenter string, at discover.Locality) string {
	parts := []string{datacenter, at.Region, at.Zone}
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), "/")
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

// age is a duration in its largest unit.
func age(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return plural(int(d/time.Second), "second")
	case d < 2*time.Hour:
		return plural(int(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return plural(int(d/time.Hour), "hour")
	}
	return plural(int(d/(24*time.Hour)), "day")
}
