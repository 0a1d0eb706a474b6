// Package discover is `suokectl discover`: where a service is, in what state, and why an instance is left out.
package discover

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/cmd/discover/gateway"
	"github.com/suokelife/suokectl/cmd/discover/kv"
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
	for _, free := range []string{"datacenter", "namespace", "partition"} {
		_ = cmd.RegisterFlagCompletionFunc(free, cobra.NoFileCompletions)
	}
	cmd.AddCommand(
		NewCmdServices(f, nil),
		NewCmdInstances(f, nil),
		NewCmdNodes(f, nil),
		NewCmdWatch(f, nil),
		NewCmdExplain(f, nil),
		NewCmdRegister(f, nil),
		NewCmdDeregister(f, nil),
		NewCmdMaintenance(f, nil),
		NewCmdProbe(f, nil),
		NewCmdResolve(f, nil),
		kv.NewCmdKV(f),
		gateway.NewCmdGateway(f),
	)
	return cmd
}

// selectionFlags are the flags that narrow instances by what they are registered with.
type selectionFlags struct {
	version, filter  string
	tags, meta       []string
	subset, ruleFile string
}

func (s *selectionFlags) bind(f *app.Factory, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.version, "version", "", "only instances of this `version`, as their metadata says")
	flags.StringArrayVar(&s.tags, "tag", nil, "only instances with this `tag`; may be repeated, all are wanted")
	flags.StringArrayVar(&s.meta, "meta", nil, "only instances with this `KEY=VALUE` in their metadata; may be repeated, all are wanted")
	flags.StringVar(&s.subset, "subset", "", "only instances whose metadata has the labels of this `subset` of --destination-rule")
	flags.StringVar(&s.ruleFile, "destination-rule", "", "`file` with the Istio DestinationRule that has the --subset")
	flags.StringVar(&s.filter, "filter", "", "only instances that Consul's filter `expression` is true of, such as 'Service.Port == 50051'")
	cmd.MarkFlagsRequiredTogether("subset", "destination-rule")
	_ = cmd.RegisterFlagCompletionFunc("version", ofService(f, "versions", func(s discover.Service) []string { return s.Versions }))
	_ = cmd.RegisterFlagCompletionFunc("tag", ofService(f, "tags", func(s discover.Service) []string { return s.Tags }))
	for _, free := range []string{"meta", "subset", "filter"} {
		_ = cmd.RegisterFlagCompletionFunc(free, cobra.NoFileCompletions)
	}
}

func (s *selectionFlags) query() (discover.Query, error) {
	query := discover.Query{Version: s.version, Tags: s.tags, Filter: s.filter}
	meta := map[string]string{}
	if s.subset != "" {
		labels, err := subsetLabels(s.ruleFile, s.subset)
		if err != nil {
			return query, err
		}
		maps.Copy(meta, labels)
	}
	for _, pair := range s.meta {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return query, failure.Usagef("--meta %q is not KEY=VALUE", pair)
		}
		meta[key] = value
	}
	if len(meta) > 0 {
		query.Meta = meta
	}
	return query, nil
}

// queryFlags are the flags that narrow the instances of a service.
type queryFlags struct {
	selectionFlags
	health, near string
}

var healthLevels = []string{string(discover.Passing), string(discover.Warning), string(discover.Any)}

const nearUsage = "sort by the estimated round trip from this `node`; _agent is the agent that is asked"

func (q *queryFlags) bind(f *app.Factory, cmd *cobra.Command) {
	q.selectionFlags.bind(f, cmd)
	flags := cmd.Flags()
	flags.StringVar(&q.near, "near", "", nearUsage)
	flags.StringVar(&q.health, "health", string(discover.Passing), "least `health` wanted: "+strings.Join(healthLevels, ", "))
	_ = cmd.RegisterFlagCompletionFunc("near", nodeNames(f))
	_ = cmd.RegisterFlagCompletionFunc("health", cobra.FixedCompletions(healthLevels, cobra.ShellCompDirectiveNoFileComp))
}

func (q *queryFlags) query() (discover.Query, error) {
	query, err := q.selectionFlags.query()
	query.Near, query.Health = q.near, discover.Health(q.health)
	if err == nil && !slices.Contains(healthLevels, q.health) {
		err = failure.Usagef("--health %q is none of %s", q.health, strings.Join(healthLevels, ", "))
	}
	return query, err
}

// values completes from what Consul tells of the datacenter, namespace and partition that the command line names.
func values(f *app.Factory, kind string, ask func(context.Context, *discover.Client) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		kind := strings.TrimRight(strings.Join([]string{kind, f.Scope.Datacenter, f.Scope.Namespace, f.Scope.Partition}, " "), " ")
		return complete.Values(f, kind, func(ctx context.Context) ([]string, error) {
			client, err := f.Discover()
			if err != nil {
				return nil, err
			}
			return ask(ctx, client)
		})(cmd, args, prefix)
	}
}

// serviceNames completes the name of a service.
func serviceNames(f *app.Factory) cobra.CompletionFunc {
	return complete.At(values(f, "services", func(ctx context.Context, client *discover.Client) ([]string, error) {
		return client.Names(ctx)
	}))
}

// nodeNames completes the name of a node, or the agent that is asked.
func nodeNames(f *app.Factory) cobra.CompletionFunc {
	return values(f, "nodes", func(ctx context.Context, client *discover.Client) ([]string, error) {
		names, err := client.NodeNames(ctx)
		return append(names, "_agent"), err
	})
}

// ofService completes what the instances of the named service have.
func ofService(f *app.Factory, kind string, of func(discover.Service) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return values(f, kind+" of "+args[0], func(ctx context.Context, client *discover.Client) ([]string, error) {
			service, err := client.Service(ctx, args[0])
			return of(service), err
		})(cmd, args, prefix)
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

// oneService takes the name of one service. Consul is asked for it by a path, in which a part of dots leads elsewhere.
func oneService(cmd *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(cmd, args); err != nil {
		return err
	}
	dots := func(part string) bool { return part == "." || part == ".." }
	if args[0] == "" || slices.ContainsFunc(strings.Split(args[0], "/"), dots) {
		return failure.Usagef("NAME %q names no service", args[0])
	}
	return nil
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
