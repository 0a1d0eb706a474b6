package kv

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"time"
)

// execGrace is how long what the command has left running may hold its output.
const execGrace = 2 * time.Second

// run runs the command of --exec, and waits for it. It ends with ctx.
func (o *WatchOptions) run(ctx context.Context, e event) {
	cmd := exec.CommandContext(ctx, "sh", "-c", o.Exec)
	cmd.Stdin = bytes.NewReader(e.Entry.Value)
	cmd.Stdout, cmd.Stderr = o.IO.ErrOut, o.IO.ErrOut
	cmd.Env = append(os.Environ(), "SUOKECTL_KEY="+e.Key, "SUOKECTL_CHANGE="+e.Type)
	cmd.WaitDelay = execGrace
	err := cmd.Run()
	if err != nil && ctx.Err() == nil && !errors.Is(err, exec.ErrWaitDelay) {
		o.IO.Infof("--exec failed for %q: %v", e.Key, err)
	}
}
