// Package demo is `suokectl demo`: the program's whole story, told on a lab of
// its own by command lines that the reader could type.
package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/lab"
	"github.com/suokelife/suokectl/internal/lab/state"
	"github.com/suokelife/suokectl/internal/output"
)

// Options are what the verb needs.
type Options struct {
	IO *iostreams.IOStreams
}

// NewCmdDemo returns the verb; runF replaces its run in tests.
func NewCmdDemo(f *app.Factory, runF func(*Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	return &cobra.Command{
		Use:   "demo",
		Short: "Tell the whole story on an embedded lab, in seconds",
		Long: `Start a lab of its own and tell one story on it, step by step: each step is a
real command line with its real output. The first step that is not true ends the
story with exit code 1. Nothing is installed and nothing stays.`,
		Example:           "suokectl demo",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(opts)
			}
			return runDemo(cmd.Context(), opts)
		},
	}
}

func runDemo(ctx context.Context, opts *Options) (err error) {
	started := time.Now()
	dir, err := os.MkdirTemp("", "suokectl-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	t := newTeller(opts.IO, dir)
	l, err := lab.Start(ctx, lab.Options{StateDir: state.Dir(config.Paths{State: filepath.Join(t.stateHome(), "suokectl")})})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for _, chapter := range story() {
		if err := t.tell(ctx, chapter); err != nil {
			return err
		}
	}
	return output.Text(opts.IO, "%s\n", opts.IO.Style().Good(
		fmt.Sprintf("Every step was true. (%.1f s)", time.Since(started).Seconds())))
}
