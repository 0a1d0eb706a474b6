package kv

import (
	"bytes"
	"context"
	"os"
	"os/exec"

	"github.com/suokelife/suokectl/internal/shell"
)

// run runs the command of --exec, and waits for it. It ends with ctx.
func (o *WatchOptions) run(ctx context.Context, e event) {
	err := shell.Run(ctx, o.Exec, func(cmd *exec.Cmd) {
		cmd.Stdin = bytes.NewReader(e.Entry.Value)
		cmd.Stdout, cmd.Stderr = o.IO.ErrOut, o.IO.ErrOut
		cmd.Env = append(os.Environ(), "SUOKECTL_KEY="+e.Key, "SUOKECTL_CHANGE="+e.Type)
	})
	if err != nil && ctx.Err() == nil {
		o.IO.Infof("--exec failed for %q: %v", e.Key, err)
	}
}
