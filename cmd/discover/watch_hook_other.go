//go:build !unix

package discover

import (
	"context"
	"os/exec"
)

// shell is a command line that is killed when ctx ends.
func shell(ctx context.Context, line string) *exec.Cmd {
	return exec.CommandContext(ctx, "cmd", "/C", line)
}

// endGroup has nothing to do: a killed command's children are the system's.
func endGroup(*exec.Cmd) {}
