package events

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// task is a record on its way to its end.
type task struct {
	assignment *assignment
	record     *kgo.Record
	number     uint64 // of the record in the assignment's tracker
	delivery   Delivery
	handler    Handler
}

// worker handles tasks one after another. All records of a key are one worker's,
// in their order. A key whose record waits for its next try is parked: what
// follows it of the same key lines up behind, other keys go on.
type worker struct {
	wake chan struct{}

	mu     sync.Mutex
	ready  []*task
	parked map[lineKey]*line // touched by its goroutine alone
}

// lineKey is what keeps its order. Records without a key have a number in its
// place: they wait for nobody.
type lineKey struct {
	assignment *assignment
	key        string
	number     uint64
}

// line is a key's record that waits, and those behind it.
type line struct {
	at    time.Time
	tasks []*task
}

func newWorker() *worker {
	return &worker{wake: make(chan struct{}, 1), parked: map[lineKey]*line{}}
}

func (t *task) key() lineKey {
	if t.record.Key == nil {
		return lineKey{t.assignment, "", t.number + 1}
	}
	return lineKey{t.assignment, string(t.record.Key), 0}
}

// push hands tasks over; it does not wait.
func (w *worker) push(tasks []*task) {
	w.mu.Lock()
	w.ready = append(w.ready, tasks...)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// take returns what is ready.
func (w *worker) take() []*task {
	w.mu.Lock()
	defer w.mu.Unlock()
	ready := w.ready
	w.ready = nil
	return ready
}

// run works until stop is closed. work brings a task one step on: to its end, or
// to another try after a wait.
func (w *worker) run(stop <-chan struct{}, work func(*task) (wait time.Duration, again bool)) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		for _, t := range w.take() {
			w.first(t, work)
			w.due(work)
		}
		timer.Reset(w.due(work))
		select {
		case <-w.wake:
		case <-timer.C:
		case <-stop:
			return
		}
	}
}

// first tries a task for the first time, unless its key is parked.
func (w *worker) first(t *task, work func(*task) (time.Duration, bool)) {
	if len(w.parked) > 0 {
		if waiting := w.parked[t.key()]; waiting != nil {
			waiting.tasks = append(waiting.tasks, t)
			return
		}
	}
	if wait, again := work(t); again {
		w.parked[t.key()] = &line{at: time.Now().Add(wait), tasks: []*task{t}}
	}
}

// due tries again what has waited long enough, and returns how long the next
// has to wait.
func (w *worker) due(work func(*task) (time.Duration, bool)) time.Duration {
	next := time.Hour
	for key, waiting := range w.parked {
		for len(waiting.tasks) > 0 && !time.Now().Before(waiting.at) {
			if wait, again := work(waiting.tasks[0]); again {
				waiting.at = time.Now().Add(wait)
				break
			}
			waiting.tasks = waiting.tasks[1:]
		}
		if len(waiting.tasks) == 0 {
			delete(w.parked, key)
			continue
		}
		next = min(next, time.Until(waiting.at))
	}
	return max(next, 0)
}
