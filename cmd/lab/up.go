package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/lab"
	"github.com/suokelife/suokectl/internal/lab/state"
)

var errNotRunning = errors.New("no lab is running")

// readyTimeout bounds how long `lab up --detach` waits for the lab.
const readyTimeout = 20 * time.Second

// UpOptions are what `lab up` needs.
type UpOptions struct {
	IO       *iostreams.IOStreams
	StateDir func() (string, error)
	Detach   bool
}

// NewCmdUp returns the verb; runF replaces its run in tests.
func NewCmdUp(f *app.Factory, runF func(*UpOptions) error) *cobra.Command {
	opts := &UpOptions{IO: f.IO, StateDir: stateDir(f)}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the lab",
		Long: `Start the lab and keep it running until Ctrl-C or "suokectl lab down". With
--detach it runs in the background. One lab runs per user; another folder in
XDG_STATE_HOME makes room for another.`,
		Example:           "suokectl lab down\nsuokectl lab up --detach\nsuokectl lab status",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(opts)
			}
			return runUp(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVarP(&opts.Detach, "detach", "d", false, "return when the lab is ready and leave it running")
	return cmd
}

func runUp(ctx context.Context, opts *UpOptions) error {
	dir, err := opts.StateDir()
	if err != nil {
		return err
	}
	if s, err := state.Load(dir); err != nil || s != nil {
		return errors.Join(err, alreadyRunning(s))
	}
	if opts.Detach {
		return detach(ctx, opts, dir)
	}
	started := time.Now()
	l, err := lab.Start(ctx, lab.Options{StateDir: dir})
	if errors.Is(err, state.ErrRunning) {
		return alreadyRunning(nil)
	}
	if err != nil {
		return err
	}
	opts.IO.Infof("the lab is up after %d ms; Ctrl-C or `suokectl lab down` ends it", time.Since(started).Milliseconds())
	<-ctx.Done()
	opts.IO.Infof("the lab goes down")
	if err := l.Close(); err != nil {
		return err
	}
	if errors.Is(context.Cause(ctx), failure.ErrInterrupted) {
		return nil // the way it is meant to end
	}
	return context.Cause(ctx)
}

func alreadyRunning(s *state.State) error {
	if s == nil {
		return failure.WithHint(state.ErrRunning, "`suokectl lab status` shows it, `suokectl lab down` ends it")
	}
	return failure.WithHint(fmt.Errorf("%w: process %d, since %s", state.ErrRunning, s.PID, s.Started.Format(time.TimeOnly)),
		"`suokectl lab status` shows it, `suokectl lab down` ends it")
}

// detach runs this program again in a session of its own and waits until it
// says that it is ready.
func detach(ctx context.Context, opts *UpOptions, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("start the lab: %w", err)
	}
	logPath := filepath.Join(dir, "lab.log")
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start the lab: %w", err)
	}
	defer func() { _ = logFile.Close() }()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start the lab: %w", err)
	}
	child := exec.Command(self, "lab", "up") //nolint:noctx // it is to outlive us
	child.Stdout, child.Stderr = logFile, logFile
	child.SysProcAttr = ownSession()
	if err := child.Start(); err != nil {
		return fmt.Errorf("start the lab: %w", err)
	}
	s, err := awaitReady(ctx, child, dir)
	if err != nil {
		return failure.WithHint(fmt.Errorf("start the lab: %w", err), "its output is in "+logPath)
	}
	opts.IO.Infof("the lab is up: process %d; `suokectl lab down` ends it", s.PID)
	return nil
}

// awaitReady waits for the state of the child. A child that ends first, or
// does not get ready in time, is an error and does not stay.
func awaitReady(ctx context.Context, child *exec.Cmd, dir string) (*state.State, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	ctx, ended := context.WithCancelCause(ctx)
	defer ended(nil)
	// The child is reaped if it ends while we live; otherwise init does.
	go func() { ended(fmt.Errorf("its process ended: %w", errors.Join(child.Wait(), errNotRunning))) }()
	s, err := state.WaitReady(ctx, dir, child.Process.Pid)
	if err != nil {
		_ = child.Process.Kill()
	}
	return s, err
}
