package root

import (
	"os"
	"runtime"
	"runtime/debug"
)

// startHeap lets the heap grow to 16 MiB before it is collected for the first
// time: the runtime's minimum is 4 MiB at 100 percent, and in proportion at others.
const startHeap = 400

// collectLater spares a command that is soon over its only collection, which
// would fall into the start and take a tenth of it. The first collection gives
// a command that runs on its usual ones. GOGC, where set, stands.
func collectLater() {
	if os.Getenv("GOGC") != "" {
		return
	}
	usual := debug.SetGCPercent(startHeap)
	type garbage struct{ _ *int } // has a pointer, so that it is not batched with what lives on
	runtime.AddCleanup(&garbage{}, func(percent int) { debug.SetGCPercent(percent) }, usual)
}
