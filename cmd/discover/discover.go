// Package discover is `suokectl discover`: where a service is, in what state, and why an instance is left out.
package discover

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/discover"
)

// NewCmdDiscover returns the noun with its verbs.
func NewCmdDiscover(f *app.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "discover",
		Short: "Find services in Consul, and why an instance is left out",
		Long: `Ask Consul where a service is. Only passing instances are let in unless --health
says otherwise; when none is, the answer is the reason and not an empty table.`,
		Example: "suokectl discover services\nsuokectl discover instances auth-service --version v1\nsuokectl discover explain auth-service",
	}
	scope := cmd.PersistentFlags()
	scope.StringVar(&f.Scope.Datacenter, "datacenter", "", "`datacenter` to ask about; default the context's, else the agent's own")
	scope.StringVar(&f.Scope.Namespace, "namespace", "", "`namespace` to ask about (Consul Enterprise)")
	scope.StringVar(&f.Scope.Partition, "partition", "", "admin `partition` to ask about (Consul Enterprise)")
	cmd.AddCommand(
		NewCmdServices(f, nil),
		NewCmdInstances(f, nil),
		NewCmdExplain(f, nil),
	)
	return cmd
}

// queryFlags are the flags that narrow the instances of a service.
type queryFlags struct {
	version, health, near, filter string
	tags, meta                    []string
}

var healthLevels = []string{string(discover.Passing), string(discover.Warning), string(discover.Any)}

func (q *queryFlags) bind(f *app.Factory, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&q.version, "version", "", "only instances of this `version`, as their metadata says")
	flags.StringArrayVar(&q.tags, "tag", nil, "only instances with this `tag`; may be repeated, all are wanted")
	flags.StringArrayVar(&q.meta, "meta", nil, "only instances with this `KEY=VALUE` in their metadata; may be repeated, all are wanted")
	flags.StringVar(&q.near, "near", "", "sort by the estimated round trip from this `node`; _agent is the agent that is asked")
	flags.StringVar(&q.filter, "filter", "", "only instances that Consul's filter `expression` is true of, such as 'Service.Port == 50051'")
	flags.StringVar(&q.health, "health", string(discover.Passing), "least `health` wanted: "+strings.Join(healthLevels, ", "))
	_ = cmd.RegisterFlagCompletionFunc("version", ofService(f, "versions", func(s discover.Service) []string { return s.Versions }))
	_ = cmd.RegisterFlagCompletionFunc("tag", ofService(f, "tags", func(s discover.Service) []string { return s.Tags }))
	_ = cmd.RegisterFlagCompletionFunc("health", cobra.FixedCompletions(healthLevels, cobra.ShellCompDirectiveNoFileComp))
}

func (q *queryFlags) query() (discover.Query, error) {
	query := discover.Query{Version: q.version, Tags: q.tags, Health: discover.Health(q.health), Near: q.near, Filter: q.filter}
	if !slices.Contains(healthLevels, q.health) {
		return query, failure.Usagef("--health %q is none of %s", q.health, strings.Join(healthLevels, ", "))
	}
	for _, pair := range q.meta {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return query, failure.Usagef("--meta %q is not KEY=VALUE", pair)
		}
		if query.Meta == nil {
			query.Meta = map[string]string{}
		}
		query.Meta[key] = value
	}
	return query, nil
}

// serviceNames completes the name of a service.
func serviceNames(f *app.Factory) cobra.CompletionFunc {
	return complete.At(complete.Values(f, "services", func(ctx context.Context) ([]string, error) {
		client, err := f.Discover()
		if err != nil {
			return nil, err
		}
		return client.Names(ctx)
	}))
}

// ofService completes what the instances of the named service have.
func ofService(f *app.Factory, kind string, values func(discover.Service) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		fetch := func(ctx context.Context) ([]string, error) {
			client, err := f.Discover()
			if err != nil {
				return nil, err
			}
			service, err := client.Service(ctx, args[0])
			return values(service), err
		}
		return complete.Values(f, kind+" of "+args[0], fetch)(cmd, args, prefix)
	}
}

// coloured shows a health as good as it is.
func coloured(st iostreams.Style, health discover.Health, text string) string {
	switch health {
	case discover.Passing:
		return st.Good(text)
	case discover.Warning, discover.Maintenance:
		return st.Warn(text)
	default:
		return st.Bad(text)
	}
}

// hinted adds what to type next to an error that a command can help with.
func hinted(err error) error {
	var none *discover.NoInstanceError
	var unknown *discover.UnknownServiceError
	switch {
	case errors.As(err, &none) && len(none.Unhealthy()) > 0:
		return failure.WithHint(err, "`"+explainCommand(none.Service, none.Query)+"` says why for each; --health any lets them in")
	case errors.As(err, &none):
		return failure.WithHint(err, "`"+explainCommand(none.Service, none.Query)+"` shows what each instance has")
	case errors.As(err, &unknown):
		return failure.WithHint(err, "`suokectl discover services` lists them")
	}
	return err
}

// explainCommand is the command line that explains the answer to a query.
func explainCommand(name string, q discover.Query) string {
	line := "suokectl discover explain " + quoted(name)
	if q.Version != "" {
		line += " --version " + quoted(q.Version)
	}
	for _, tag := range q.Tags {
		line += " --tag " + quoted(tag)
	}
	for _, key := range slices.Sorted(maps.Keys(q.Meta)) {
		line += " --meta " + quoted(key+"="+q.Meta[key])
	}
	if q.Filter != "" {
		line += " --filter " + quoted(q.Filter)
	}
	if q.Health != "" && q.Health != discover.Passing {
		line += " --health " + string(q.Health)
	}
	return line
}

// quoted is a word as a shell reads it.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+=", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
