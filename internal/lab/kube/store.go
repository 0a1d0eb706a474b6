package kube

import (
	"sort"
	"strconv"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
)

// historyLimit bounds the events that a late watcher can still read; older ones are gone, as on a compacted etcd.
const historyLimit = 1024

type object = unstructured.Unstructured

type key struct {
	resource        *resource
	namespace, name string
}

func keyOf(r *resource, o *object) key { return key{r, o.GetNamespace(), o.GetName()} }

type event struct {
	revision uint64
	kind     watch.EventType
	key      key
	object   *object
	previous *object // what the object was before, to know when it leaves a selection
}

// store holds the objects. Once stored an object is never changed, only replaced, so readers need no copies.
// Its methods want mu held, wait apart.
type store struct {
	mu       sync.Mutex
	objects  map[key]*object
	revision uint64
	history  []event
	changed  chan struct{} // closed and replaced at each commit
}

func newStore() *store {
	return &store{objects: map[key]*object{}, revision: 1, changed: make(chan struct{})}
}

// put stores o under the next revision. It takes ownership of o.
func (s *store) put(k key, o *object) {
	kind, previous := watch.Added, s.objects[k]
	if previous != nil {
		kind = watch.Modified
	}
	s.commit(kind, k, o, previous)
	s.objects[k] = o
}

func (s *store) remove(k key) {
	previous := s.objects[k]
	s.commit(watch.Deleted, k, previous.DeepCopy(), previous)
	delete(s.objects, k)
}

func (s *store) commit(kind watch.EventType, k key, o, previous *object) {
	s.revision++
	o.SetResourceVersion(strconv.FormatUint(s.revision, 10))
	s.history = append(s.history, event{s.revision, kind, k, o, previous})
	if len(s.history) > historyLimit {
		s.history = append([]event(nil), s.history[len(s.history)-historyLimit/2:]...)
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// list returns the objects that keep accepts, by namespace and name.
func (s *store) list(keep func(key, *object) bool) []*object {
	var keys []key
	for k, o := range s.objects {
		if keep(k, o) {
			keys = append(keys, k)
		}
	}
	sort.Slice(keys, func(i, j int) bool {
		return keys[i].namespace+"/"+keys[i].name < keys[j].namespace+"/"+keys[j].name
	})
	found := make([]*object, len(keys))
	for i, k := range keys {
		found[i] = s.objects[k]
	}
	return found
}

// since returns the events after revision, and false when some of them are forgotten.
func (s *store) since(revision uint64) ([]event, bool) {
	if len(s.history) == 0 || revision >= s.revision {
		return nil, true
	}
	if revision+1 < s.history[0].revision {
		return nil, false
	}
	first := sort.Search(len(s.history), func(i int) bool { return s.history[i].revision > revision })
	return append([]event(nil), s.history[first:]...), true
}
