package discover

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// ExplainOptions are what `discover explain` needs.
type ExplainOptions struct {
	IO       *iostreams.IOStreams
	Discover func() (*discover.Client, error)
	Context  func() (*config.Context, error)
	Output   output.Flags
	Name     string
	Query    discover.Query
	ID       string // the one instance to explain; empty is all
	Here     bool   // look at nothing but the catalogue of the datacenter that is asked
	Probe    bool   // look at each instance from here, too
}

// elsewhere bounds the look at the agent and at the other datacenters.
const elsewhere = 2 * time.Second

// NewCmdExplain returns the verb; runF replaces its run in tests.
func NewCmdExplain(f *app.Factory, runF func(*ExplainOptions) error) *cobra.Command {
	opts := &ExplainOptions{IO: f.IO, Discover: f.Discover, Context: f.Context}
	var query queryFlags
	cmd := &cobra.Command{
		Use:   "explain NAME",
		Short: "Say for each known instance whether a caller would be given it, and why not",
		Long: `Show every known instance of a service. For one that the same flags of
"discover instances" leave out, say what keeps it out: the check that fails,
with its last output; maintenance or draining; its node; a version, tag or
metadata that it does not have, and what it has that is nearly that; with
--probe, that it does not answer well from here.

Instances are looked for where a caller would not find them, too: in the other
datacenters, for two seconds, and with the agent that is asked, which may know
of some that the catalogue lacks or that ACLs hide. --here leaves that out.
More than twenty that a caller would be given are only counted; -o wide lists
each, and those of other datacenters.

Consul keeps no time of a change. For how long a check fails is told as far as it
was seen from here: each look at the service is kept, and while "suokectl discover
watch" runs, every change.

With -o json each element is {instance, causes, notes}. A cause has its kind,
what is wanted, what the instance has, its sentence and, where there is one, the
check, how it failed, since when (after the last look at which it did not, before
the first at which it did), and what is near to what is wanted; with no cause the
instance is let in. A note is about what keeps nobody out and yet is odd.

The exit code is 0 when there is an answer, also when it lets no instance in.
It is 1 when nobody knows the service, and when ACLs hide a part of the answer.`,
		Example: `suokectl discover explain auth-service
suokectl discover explain auth-service --version v2 --tag prod
suokectl discover explain auth-service --probe
suokectl discover explain auth-service --jq '.[] | select(.causes != []) | .causes[0].sentence'`,
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
			return runExplain(cmd.Context(), opts)
		},
	}
	query.bind(f, cmd)
	flags := cmd.Flags()
	flags.StringVar(&opts.ID, "id", "", "only the instance with this `ID`")
	flags.BoolVar(&opts.Here, "here", false, "ask nothing but the catalogue of this datacenter")
	flags.BoolVar(&opts.Probe, "probe", false, `ask each instance from here, too, as "discover probe" does`)
	_ = cmd.RegisterFlagCompletionFunc("id", instanceIDs(f))
	opts.Output.Bind(cmd)
	return cmd
}

func runExplain(ctx context.Context, opts *ExplainOptions) error {
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	look, err := opts.look()
	if err != nil {
		return err
	}
	all, err := client.Explain(ctx, opts.Name, opts.Query, look)
	if len(all) == 0 {
		return hinted(err)
	}
	if opts.ID != "" {
		known := all
		if all = withID(all, opts.ID); len(all) == 0 {
			return unknownID(known, opts.Name, opts.ID)
		}
	}
	if writeErr := opts.write(all); writeErr != nil {
		return writeErr
	}
	return hinted(err)
}

// look is where to look beside the catalogue.
func (o *ExplainOptions) look() (look discover.ExplainOptions, err error) {
	if !o.Here {
		look.Elsewhere = elsewhere
	}
	if o.Probe {
		look.Probe, err = (&ProbeOptions{Context: o.Context}).prober()
	}
	return look, err
}

func (o *ExplainOptions) write(all []discover.Explanation) error {
	if o.Output.Human() {
		return output.Text(o.IO, "%s", newExplainText(o).render(all))
	}
	return output.List(o.IO, o.Output, explanationView(), all)
}

// withID keeps the instance with the id, of which there may be one on each of several nodes.
func withID(all []discover.Explanation, id string) []discover.Explanation {
	return slices.DeleteFunc(slices.Clone(all), func(e discover.Explanation) bool { return e.Instance.ID != id })
}

func unknownID(known []discover.Explanation, name, id string) error {
	const some = 5
	var ids []string
	for _, e := range known[:min(some, len(known))] {
		ids = append(ids, e.Instance.ID)
	}
	more := ""
	if len(known) > some {
		more = fmt.Sprintf(" and %d more", len(known)-some)
	}
	return fmt.Errorf("no known instance of %s has the id %s; there are %s%s", name, id, strings.Join(ids, ", "), more)
}

// explanationView is for the formats that are not read by eyes.
func explanationView() output.View[discover.Explanation] {
	return output.View[discover.Explanation]{Name: func(e discover.Explanation) string { return e.Instance.ID }}
}

// instanceIDs completes the id of an instance of the named service.
func instanceIDs(f *app.Factory) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete.Values(f, "ids of "+args[0], func(ctx context.Context) ([]string, error) {
			client, err := f.Discover()
			if err != nil {
				return nil, err
			}
			list, err := client.Instances(ctx, args[0], discover.Query{Health: discover.Any})
			var ids []string
			for _, instance := range list {
				ids = append(ids, instance.ID)
			}
			return ids, err
		})(cmd, args, prefix)
	}
}
