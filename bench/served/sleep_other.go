//go:build !linux

package served

import "time"

func sleepUntil(due time.Time) { time.Sleep(time.Until(due)) }
