package shell

import (
	"context"
	"errors"
	"os/exec"
	"time"
)

// grace is the time between the request to end and the end, and how long what a command leaves running in the
// background may hold its output.
const grace = 2 * time.Second

// Run runs a command line and waits for it; prepare sets its streams and environment. When ctx ends, it is asked to
// end, and killed with all that it started 2 s later. That it leaves something running in the background is no error.
func Run(ctx context.Context, line string, prepare func(*exec.Cmd)) error {
	cmd := command(ctx, line)
	cmd.WaitDelay = grace
	prepare(cmd)
	err := cmd.Run()
	if ctx.Err() != nil {
		endGroup(cmd)
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	return err
}
