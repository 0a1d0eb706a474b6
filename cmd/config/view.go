package config

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
)

// ViewOptions are what `config view` needs.
type ViewOptions struct {
	IO         *iostreams.IOStreams
	Source     func() (*config.Source, error)
	Output     output.Flags
	ShowOrigin bool
}

// Value is one setting of the context as `config view` shows it.
type Value struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin string `json:"origin,omitempty"`
}

// NewCmdView returns the verb; runF replaces its run in tests.
func NewCmdView(f *app.Factory, runF func(*ViewOptions) error) *cobra.Command {
	opts := &ViewOptions{IO: f.IO, Source: f.ConfigSource}
	cmd := &cobra.Command{
		Use:   "view",
		Short: "Show the context that is used, value by value",
		Long: `Show every value of the context that commands would use. References to secrets
are shown as they are written; a secret that is written out is hidden.`,
		Example:           "suokectl config view\nsuokectl config view --show-origin\nsuokectl config view -o json --jq '.[].key'",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			if runF != nil {
				return runF(opts)
			}
			return runView(opts)
		},
	}
	cmd.Flags().BoolVar(&opts.ShowOrigin, "show-origin", false, "say where each value comes from")
	opts.Output.Bind(cmd)
	return cmd
}

func runView(opts *ViewOptions) error {
	source, err := opts.Source()
	if err != nil {
		return err
	}
	r, err := source.Merge()
	if errors.Is(err, config.ErrNoContext) {
		return failure.WithHint(err, "start one with `suokectl lab up --detach`, or see `suokectl config set-context --help`")
	}
	if err != nil {
		return err
	}
	return output.List(opts.IO, opts.Output, valueView(opts.ShowOrigin), values(r, opts.ShowOrigin))
}

func values(r *config.Resolved, origins bool) []Value {
	list := []Value{{Key: "name", Value: r.Name}}
	for _, s := range config.Settings() {
		text := s.Shown(&r.Context)
		if text == "" {
			continue
		}
		v := Value{Key: s.Key, Value: text}
		if origins {
			v.Origin = r.Origins[s.Key]
		}
		list = append(list, v)
	}
	return list
}

func valueView(origins bool) output.View[Value] {
	v := output.View[Value]{
		Name: func(v Value) string { return v.Key },
		Columns: []output.Column[Value]{
			{Name: "KEY", Value: func(v Value) string { return v.Key }},
			{Name: "VALUE", Value: func(v Value) string { return v.Value }},
		},
	}
	if origins {
		v.Columns = append(v.Columns, output.Column[Value]{Name: "ORIGIN", Value: func(v Value) string { return v.Origin }})
	}
	return v
}
