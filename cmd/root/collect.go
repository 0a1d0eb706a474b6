package root

import (
	"os"
	"runtime"
	"runtime/debug"
)

// startHeap lets the heap grow to 20 MiB before it is collected for the first
// time: the runtime's minimum is 4 MiB at 100 percent, and in proportion at
// others. No command chooses this percentage for itself.
const startHeap = 500

// collectLater spares a command that is soon over its only collection, which
// would fall into the start and take a tenth of it. The first collection gives
// a command that runs on its usual ones, unless it has chosen others meanwhile.
// GOGC, where set, stands.
func collectLater() {
	if os.Getenv("GOGC") != "" {
		return
	}
	usual := debug.SetGCPercent(startHeap)
	type garbage struct{ _ *int } // has a pointer, so that it is not batched with what lives on
	runtime.AddCleanup(&garbage{}, func(percent int) {
		if chosen := debug.SetGCPercent(percent); chosen != startHeap {
			debug.SetGCPercent(chosen)
		}
	}, usual)
}
