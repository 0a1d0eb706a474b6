// Package root is the suokectl command: it adds the nouns, holds the global
// flags, prints errors and turns them into exit codes.
package root

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
)

// release is set by the linker in releases: -X …/cmd/root.release=v1.2.3.
var release string

// Main runs the program on the process's own streams and arguments and
// returns its exit code.
func Main() int {
	collectLater()
	ios := iostreams.System(os.Getenv)
	f, err := app.New(ios, Version())
	if err != nil {
		report(ios, err)
		return failure.CodeFailed
	}
	ctx, stop := withSignals(context.Background())
	defer stop()
	return Run(ctx, f, os.Args[1:])
}

// Run executes one command line with f and returns its exit code. Errors are
// printed to f's stderr.
func Run(ctx context.Context, f *app.Factory, args []string) int {
	asked := ""
	if len(args) > 0 {
		asked = args[0]
	}
	cmd := newCmdRoot(f, asked)
	cmd.SetArgs(args)
	cmd.SetIn(f.IO.In)
	cmd.SetOut(f.IO.Out)
	cmd.SetErr(f.IO.ErrOut)
	ran, err := cmd.ExecuteContextC(ctx)
	err = errors.Join(err, f.Close())
	if err == nil {
		return failure.CodeDone
	}
	if ran.Context() != nil {
		ctx = ran.Context()
	}
	code := failure.Code(ctx, err)
	if !failure.IsSilent(err) {
		report(f.IO, err)
		if code == failure.CodeMisuse {
			f.IO.Infof("usage: %s", ran.UseLine())
		}
	}
	return code
}

func report(ios *iostreams.IOStreams, err error) {
	ios.Infof("error: %v", err)
	if hint := failure.Hint(err); hint != "" {
		ios.Infof("hint: %s", hint)
	}
}

// echo is how soon after a signal another one is taken for the same: timeout(1)
// sends it to the process and then to its group.
const echo = time.Second / 2

// withSignals ends the context on the first SIGINT or SIGTERM; a second one
// kills the process, as without us.
func withSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
			cancel(failure.ErrInterrupted)
			select {
			case <-time.After(echo):
			case <-done:
			}
			signal.Stop(signals)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(context.Canceled)
	}
}

// Version is the release's version, or the module's when it was built with
// `go install …@version`, or "dev".
func Version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
