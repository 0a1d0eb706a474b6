package config

import (
	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
)

// UseContextOptions are what `config use-context` needs.
type UseContextOptions struct {
	IO     *iostreams.IOStreams
	Source func() (*config.Source, error)
	Name   string
}

// NewCmdUseContext returns the verb; runF replaces its run in tests.
func NewCmdUseContext(f *app.Factory, runF func(*UseContextOptions) error) *cobra.Command {
	opts := &UseContextOptions{IO: f.IO, Source: f.ConfigSource}
	return &cobra.Command{
		Use:               "use-context NAME",
		Short:             "Choose the context that commands use from now on",
		Long:              "Make NAME the current context in config.yaml. --context and SUOKECTL_CONTEXT still win over it.",
		Example:           "suokectl config set-context shop env=dev consul.address=127.0.0.1:8500\nsuokectl config use-context shop",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: fileContexts(f),
		RunE: func(_ *cobra.Command, args []string) error {
			opts.Name = args[0]
			if runF != nil {
				return runF(opts)
			}
			return runUseContext(opts)
		},
	}
}

func runUseContext(opts *UseContextOptions) error {
	source, err := opts.Source()
	if err != nil {
		return err
	}
	if err := source.File.Use(opts.Name); err != nil {
		return failure.WithHint(err, "`suokectl config get-contexts` lists them")
	}
	if err := source.File.Save(); err != nil {
		return err
	}
	opts.IO.Infof("using context %q", opts.Name)
	return nil
}
