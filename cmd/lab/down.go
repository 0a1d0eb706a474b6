package lab

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/lab/state"
)

// downTimeout bounds how long `lab down` waits before it gives up.
const downTimeout = 10 * time.Second

// DownOptions are what `lab down` needs.
type DownOptions struct {
	IO       *iostreams.IOStreams
	StateDir func() (string, error)
}

// NewCmdDown returns the verb; runF replaces its run in tests.
func NewCmdDown(f *app.Factory, runF func(*DownOptions) error) *cobra.Command {
	opts := &DownOptions{IO: f.IO, StateDir: stateDir(f)}
	return &cobra.Command{
		Use:               "down",
		Short:             "End the lab",
		Long:              "End the running lab and wait until it is gone. Its data goes with it. That none runs is not an error.",
		Example:           "suokectl lab down",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(opts)
			}
			return runDown(cmd.Context(), opts)
		},
	}
}

func runDown(ctx context.Context, opts *DownOptions) error {
	dir, err := opts.StateDir()
	if err != nil {
		return err
	}
	s, err := state.Load(dir)
	if err != nil {
		return err
	}
	if s == nil {
		opts.IO.Infof("no lab is running")
		return nil
	}
	if err := terminate(s.PID); err != nil {
		return fmt.Errorf("end the lab, process %d: %w", s.PID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, downTimeout)
	defer cancel()
	if err := state.WaitGone(ctx, dir); err != nil {
		return err
	}
	opts.IO.Infof("the lab is down")
	return nil
}

// terminate asks the process to end; Windows has no way to ask.
func terminate(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		return p.Kill()
	}
	return p.Signal(syscall.SIGTERM)
}
