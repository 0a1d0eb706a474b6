package events

import (
	"strings"
	"sync"
)

// window remembers the last ids that were added.
type window struct {
	mu   sync.Mutex
	ring []string
	at   int
	ids  map[string]struct{}
}

func newWindow(n int) *window {
	if n < 1 {
		return nil
	}
	return &window{ring: make([]string, n), ids: make(map[string]struct{}, n)}
}

func (w *window) has(id string) bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.ids[id]
	return ok
}

func (w *window) add(id string) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.ids[id]; ok {
		return
	}
	id = strings.Clone(id) // it is a part of its event's text
	delete(w.ids, w.ring[w.at])
	w.ring[w.at] = id
	w.ids[id] = struct{}{}
	w.at = (w.at + 1) % len(w.ring)
}
