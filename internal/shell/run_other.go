//go:build !unix

package shell

import (
	"context"
	"os/exec"
)

func command(ctx context.Context, line string) *exec.Cmd {
	return exec.CommandContext(ctx, "cmd", "/C", line)
}

// endGroup has nothing to do: a killed command's children are the system's.
func endGroup(*exec.Cmd) {}
