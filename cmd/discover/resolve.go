package discover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// ResolveOptions are what `discover resolve` needs.
type ResolveOptions struct {
	IO       *iostreams.IOStreams
	Discover func() (*discover.Client, error)
	Output   output.Flags
	Name     string
	discover.ResolveOptions
}

// NewCmdResolve returns the verb; runF replaces its run in tests.
func NewCmdResolve(f *app.Factory, runF func(*ResolveOptions) error) *cobra.Command {
	opts := &ResolveOptions{IO: f.IO, Discover: f.Discover}
	var health string
	cmd := &cobra.Command{
		Use:   "resolve NAME",
		Short: "Show Consul's API beside its DNS, and where they disagree",
		Long: `Ask Consul's API and its DNS interface where a service is, and say where they
disagree, and why: a place that one of them alone gives, another port or
address, an answer over UDP that is cut, a form of the name by RFC 2782
(_name._tag.service.consul) that is answered otherwise.

DNS is asked for SRV records over UDP and TCP, with no resolver, cache or
search list between. The exit code is 100 when there is a difference.`,
		Example: `suokectl discover resolve auth-service
suokectl discover resolve auth-service --tag prod -o wide
suokectl discover resolve auth-service --jq '.answers[] | [.transport, .name, .rcode]'
suokectl discover resolve auth-service --dns 127.0.0.1:1 # exits 1`,
		Args:              oneService,
		ValidArgsFunction: serviceNames(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name, opts.Health = args[0], discover.Health(health)
			if err := opts.validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runResolve(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Tag, "tag", "", "only instances with this `tag`")
	flags.StringVar(&health, "health", string(discover.Passing), "least `health` that the API is asked for: "+strings.Join(healthLevels, ", "))
	flags.StringVar(&opts.Server, "dns", "", "`HOST:PORT` of the DNS server; default the agent's host and the DNS port that it tells, else 8600")
	_ = cmd.RegisterFlagCompletionFunc("tag", ofService(f, "tags", func(s discover.Service) []string { return s.Tags }))
	_ = cmd.RegisterFlagCompletionFunc("health", cobra.FixedCompletions(healthLevels, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("dns", cobra.NoFileCompletions)
	opts.Output.Bind(cmd)
	return cmd
}

func (o *ResolveOptions) validate() error {
	if !slices.Contains(healthLevels, string(o.Health)) {
		return failure.Usagef("--health %q is none of %s", o.Health, strings.Join(healthLevels, ", "))
	}
	if o.Server == "" {
		return nil
	}
	if host, port, err := net.SplitHostPort(o.Server); err != nil || host == "" || port == "" {
		return failure.Usagef("--dns %q is not HOST:PORT", o.Server)
	}
	return nil
}

func runResolve(ctx context.Context, opts *ResolveOptions) error {
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	found, err := client.Resolve(ctx, opts.Name, opts.ResolveOptions)
	var silent *discover.DNSError
	if errors.As(err, &silent) {
		return failure.WithHint(err, "--dns HOST:PORT names another server")
	}
	if err != nil {
		return hinted(err)
	}
	if err := showResolution(opts, found); err != nil {
		return err
	}
	return failure.Findings(len(found.Differences))
}

func showResolution(opts *ResolveOptions, r discover.Resolution) error {
	if !opts.Output.Human() {
		return output.One(opts.IO, opts.Output, output.View[discover.Resolution]{
			Name: func(r discover.Resolution) string { return r.Service },
		}, r, nil)
	}
	if err := output.List(opts.IO, opts.Output, placeView(), r.Places); err != nil {
		return err
	}
	var text strings.Builder
	if opts.Output.Format == output.Wide {
		for _, a := range r.Answers {
			fmt.Fprintf(&text, "%s  %s  %s, %s, %s%s\n", strings.ToUpper(a.Transport), opts.IO.Clean(a.Name), a.RCode,
				plural(len(a.Records), "record"), latency(a.LatencyMS), truncated(a))
		}
	}
	for _, d := range r.Differences {
		fmt.Fprintf(&text, "%s %s\n", opts.IO.Style().Bad("differs:"), d.Sentence)
	}
	if len(r.Differences) == 0 {
		opts.IO.Infof("the API and DNS at %s agree", r.Server)
	}
	return output.Text(opts.IO, "%s", text.String())
}

func truncated(a discover.DNSAnswer) string {
	if a.Truncated {
		return ", truncated"
	}
	return ""
}

func placeView() output.View[discover.Place] {
	return output.View[discover.Place]{
		Name: discover.Place.HostPort,
		Columns: []output.Column[discover.Place]{
			{Name: "ADDRESS", Whole: true, Value: discover.Place.HostPort},
			{Name: "API", Value: func(p discover.Place) string { return given(p.InAPI) }, Style: givenStyle},
			{Name: "DNS", Value: func(p discover.Place) string { return given(p.InDNS) }, Style: givenStyle},
			{
				Name: "HEALTH", Value: func(p discover.Place) string { return string(p.Health) },
				Style: func(st iostreams.Style, p discover.Place, cell string) string { return coloured(st, p.Health, cell) },
			},
			{Name: "ID", Value: func(p discover.Place) string { return p.Instance }},
		},
	}
}

func given(in bool) string {
	if in {
		return "given"
	}
	return "-"
}

func givenStyle(st iostreams.Style, p discover.Place, cell string) string {
	if p.InAPI == p.InDNS {
		return st.Good(cell)
	}
	return st.Bad(cell)
}
