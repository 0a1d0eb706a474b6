package config

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/spec"
)

// SetContextOptions are what `config set-context` needs.
type SetContextOptions struct {
	IO     *iostreams.IOStreams
	Source func() (*config.Source, error)
	Name   string
	Values []string
}

// NewCmdSetContext returns the verb; runF replaces its run in tests.
func NewCmdSetContext(f *app.Factory, runF func(*SetContextOptions) error) *cobra.Command {
	opts := &SetContextOptions{IO: f.IO, Source: f.ConfigSource}
	return &cobra.Command{
		Use:   "set-context NAME KEY=VALUE...",
		Short: "Make a context, or change values of one",
		Long: `Write values into a context of config.yaml, which is made when it is not there;
the first context becomes the current one. KEY= empties a value. Lists are
written with commas.

Keys:
` + keyList(),
		Example: "suokectl config set-context shop env=dev consul.address=127.0.0.1:8500 kafka.brokers=127.0.0.1:9092\n" +
			"suokectl config set-context shop 'consul.token=${env:SHOP_CONSUL_TOKEN}'",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: completeSetContext(f),
		RunE: func(_ *cobra.Command, args []string) error {
			opts.Name, opts.Values = args[0], args[1:]
			if runF != nil {
				return runF(opts)
			}
			return runSetContext(opts)
		},
	}
}

func runSetContext(opts *SetContextOptions) error {
	if opts.Name == config.LabName {
		return failure.Usagef("%q is the name of the running lab's context", config.LabName)
	}
	source, err := opts.Source()
	if err != nil {
		return err
	}
	file := source.File
	c, existed := file.Contexts[opts.Name]
	for _, pair := range opts.Values {
		if err := assign(opts.IO, &c, pair); err != nil {
			return err
		}
	}
	file.Set(opts.Name, c)
	if err := file.Save(); err != nil {
		return err
	}
	verb := "made"
	if existed {
		verb = "changed"
	}
	opts.IO.Infof("%s context %q in %s", verb, opts.Name, file.Path())
	return nil
}

func assign(ios *iostreams.IOStreams, c *config.Context, pair string) error {
	key, value, ok := strings.Cut(pair, "=")
	if !ok {
		return failure.Usagef("%q is not KEY=VALUE", pair)
	}
	setting, ok := config.FindSetting(key)
	if !ok {
		return unknownKey(key)
	}
	if err := setting.Set(c, value); err != nil {
		return failure.Usagef("%w", err)
	}
	if setting.WritesSecret(c) {
		ios.Infof("warning: %s is a secret and is written out; a reference such as ${env:NAME} or ${file:PATH} keeps it out of the file and of your shell's history", key)
	}
	return nil
}

func unknownKey(key string) error {
	var keys []string
	for _, s := range config.Settings() {
		keys = append(keys, s.Key)
	}
	err := failure.Usagef("a context has no key %q", key)
	if near := spec.Nearest(key, keys); near != "" {
		return failure.WithHint(err, "did you mean "+near+"?")
	}
	return failure.WithHint(err, "`suokectl config set-context --help` lists them")
}

func keyList() string {
	var b strings.Builder
	for _, s := range config.Settings() {
		fmt.Fprintf(&b, "  %s\n", s.Key)
	}
	return b.String()
}

// completeSetContext offers context names first, then keys.
func completeSetContext(f *app.Factory) cobra.CompletionFunc {
	names := fileContexts(f)
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return names(cmd, args, prefix)
		}
		var keys []string
		for _, s := range config.Settings() {
			keys = append(keys, s.Key+"=")
		}
		return keys, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}
