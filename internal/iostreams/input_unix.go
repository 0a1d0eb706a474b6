//go:build unix

package iostreams

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const canAwait = true

// awaitInput waits until a read would return at once, and reports false when
// ctx ended first: a read of a terminal itself cannot be given up.
func awaitInput(ctx context.Context, in io.Reader) bool {
	file, ok := in.(*os.File)
	if !ok {
		return ctx.Err() == nil
	}
	fds := []unix.PollFd{{Fd: int32(file.Fd()), Events: unix.POLLIN}}
	for ctx.Err() == nil {
		n, err := unix.Poll(fds, 100) // ms
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return true // the read tells what is wrong
		}
	}
	return false
}
