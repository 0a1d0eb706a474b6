package served

import (
	"errors"
	"syscall"
	"time"
)

// sleepUntil sleeps in the kernel: time.Sleep rounds up to whole milliseconds
// while nothing else runs, which is a fifth of a short trip.
func sleepUntil(due time.Time) {
	for {
		left := time.Until(due)
		if left <= 0 {
			return
		}
		rest := syscall.NsecToTimespec(int64(left))
		if err := syscall.Nanosleep(&rest, nil); err != nil && !errors.Is(err, syscall.EINTR) {
			time.Sleep(time.Until(due))
		}
	}
}
