package root

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestTheFirstCollectionGivesBackTheUsualOnes(t *testing.T) {
	t.Setenv("GOGC", "")
	usual := percent()
	collectLater()
	if got := percent(); got != startHeap {
		t.Fatalf("the heap may grow by %d percent at the start, want %d", got, startHeap)
	}
	for end := time.Now().Add(10 * time.Second); percent() != usual; runtime.GC() { // cleanups run soon after it, elsewhere
		if time.Now().After(end) {
			t.Fatalf("it may grow by %d percent after collections, want %d", percent(), usual)
		}
	}
}

func TestWhatACommandChoosesStands(t *testing.T) {
	t.Setenv("GOGC", "")
	usual := debug.SetGCPercent(100)
	defer debug.SetGCPercent(usual)
	collectLater()
	debug.SetGCPercent(300)
	collected := make(chan struct{})
	runtime.AddCleanup(&struct{ _ *int }{}, func(int) { close(collected) }, 0)
	for range 3 { // by then the first collection's cleanups have run
		runtime.GC()
		<-collected
	}
	if got := percent(); got != 300 {
		t.Errorf("the heap may grow by %d percent after a collection, want 300", got)
	}
}

func TestGOGCStands(t *testing.T) {
	t.Setenv("GOGC", "77")
	usual := percent()
	collectLater()
	if got := percent(); got != usual {
		t.Errorf("the heap may grow by %d percent, want %d as before", got, usual)
	}
}

func percent() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
