package config

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
)

// GetContextsOptions are what `config get-contexts` needs.
type GetContextsOptions struct {
	IO     *iostreams.IOStreams
	Source func() (*config.Source, error)
	Output output.Flags
}

// ContextInfo is one context in the list.
type ContextInfo struct {
	Name      string   `json:"name"`
	Current   bool     `json:"current"`
	Env       string   `json:"env,omitempty"`
	Consul    string   `json:"consul,omitempty"`
	Kafka     []string `json:"kafka,omitempty"`
	Protected bool     `json:"protected"`
	Origin    string   `json:"origin"`
}

// NewCmdGetContexts returns the verb; runF replaces its run in tests.
func NewCmdGetContexts(f *app.Factory, runF func(*GetContextsOptions) error) *cobra.Command {
	opts := &GetContextsOptions{IO: f.IO, Source: f.ConfigSource}
	cmd := &cobra.Command{
		Use:               "get-contexts",
		Short:             "List the contexts",
		Long:              "List the contexts of config.yaml, and the lab's while one runs. A star marks the one in use.",
		Example:           "suokectl config get-contexts\nsuokectl config get-contexts -o name",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			if runF != nil {
				return runF(opts)
			}
			return runGetContexts(opts)
		},
	}
	opts.Output.Bind(cmd)
	return cmd
}

func runGetContexts(opts *GetContextsOptions) error {
	source, err := opts.Source()
	if err != nil {
		return err
	}
	current := ""
	if r, err := source.Merge(); err == nil {
		current = r.Name
	}
	var list []ContextInfo
	for _, name := range source.ContextNames() {
		list = append(list, describe(source, name, name == current))
	}
	return output.List(opts.IO, opts.Output, contextView(), list)
}

func describe(source *config.Source, name string, current bool) ContextInfo {
	c, origin := source.File.Contexts[name], source.File.Path()
	if name == config.LabName && source.Lab != nil {
		c, origin = *source.Lab, "the running lab"
	}
	return ContextInfo{
		Name: name, Current: current, Env: c.Env,
		Consul: c.Consul.Address, Kafka: c.Kafka.Brokers,
		Protected: c.Protected, Origin: origin,
	}
}

func contextView() output.View[ContextInfo] {
	mark := func(set bool, text string) string {
		if set {
			return text
		}
		return ""
	}
	return output.View[ContextInfo]{
		Name:  func(c ContextInfo) string { return c.Name },
		Empty: "no contexts: `suokectl config set-context NAME KEY=VALUE…` makes one, `suokectl lab up --detach` another",
		Columns: []output.Column[ContextInfo]{
			{Name: "", Value: func(c ContextInfo) string { return mark(c.Current, "*") }},
			{Name: "NAME", Value: func(c ContextInfo) string { return c.Name }},
			{Name: "ENV", Value: func(c ContextInfo) string { return c.Env }},
			{Name: "CONSUL", Value: func(c ContextInfo) string { return c.Consul }},
			{Name: "KAFKA", Value: func(c ContextInfo) string { return strings.Join(c.Kafka, ",") }},
			{Name: "PROTECTED", Value: func(c ContextInfo) string { return mark(c.Protected, "yes") }},
			{Name: "ORIGIN", Wide: true, Value: func(c ContextInfo) string { return c.Origin }},
		},
	}
}
