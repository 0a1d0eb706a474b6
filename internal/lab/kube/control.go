package kube

import (
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// control plays the controllers until ctx ends: after every change, and when a deadline comes, it brings the
// objects to the state that the controllers would bring them to.
func (s *Server) control(ctx context.Context) {
	for {
		due, changed := s.reconcile()
		timer := time.NewTimer(due)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// reconcile steps the controllers until nothing changes, and returns how long nothing will.
func (s *Server) reconcile() (time.Duration, <-chan struct{}) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for {
		before, now := s.store.revision, time.Now()
		wait := time.Hour
		for k, o := range s.store.objects {
			if k.resource == jobs {
				if due := s.stepJob(k, o, now); !due.IsZero() {
					wait = min(wait, max(due.Sub(now), 0))
				}
			}
		}
		s.collectGarbage()
		s.emptyNamespaces()
		if s.store.revision == before {
			return wait, s.store.changed
		}
	}
}

// collectGarbage does one round of the garbage collector: owners that wait on finalizers, then orphans of absent owners.
func (s *Server) collectGarbage() {
	owners := map[types.UID]key{}
	for k, o := range s.store.objects {
		owners[o.GetUID()] = k
	}
	for k, o := range s.store.objects {
		switch {
		case o.GetDeletionTimestamp() != nil && slices.Contains(o.GetFinalizers(), metav1.FinalizerOrphanDependents):
			s.orphanDependents(k, o)
		case o.GetDeletionTimestamp() != nil && slices.Contains(o.GetFinalizers(), metav1.FinalizerDeleteDependents):
			s.deleteDependents(k, o)
		case len(o.GetOwnerReferences()) > 0:
			s.checkOwners(k, o, owners)
		}
	}
}

func (s *Server) orphanDependents(k key, owner *object) {
	for dk, dependent := range s.dependents(owner.GetUID()) {
		next := dependent.DeepCopy()
		next.SetOwnerReferences(slices.DeleteFunc(next.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == owner.GetUID() }))
		s.store.put(dk, next)
	}
	s.dropFinalizer(k, owner, metav1.FinalizerOrphanDependents)
}

func (s *Server) deleteDependents(k key, owner *object) {
	blocked := false
	for dk, dependent := range s.dependents(owner.GetUID()) {
		if dependent.GetDeletionTimestamp() == nil {
			s.deleteObject(dk, metav1.DeletePropagationBackground)
		}
		if s.store.objects[dk] == nil {
			continue
		}
		for _, r := range dependent.GetOwnerReferences() {
			blocked = blocked || r.UID == owner.GetUID() && r.BlockOwnerDeletion != nil && *r.BlockOwnerDeletion
		}
	}
	if !blocked {
		s.dropFinalizer(k, owner, metav1.FinalizerDeleteDependents)
	}
}

func (s *Server) dependents(owner types.UID) map[key]*object {
	found := map[key]*object{}
	for k, o := range s.store.objects {
		for _, r := range o.GetOwnerReferences() {
			if r.UID == owner {
				found[k] = o
			}
		}
	}
	return found
}

func (s *Server) dropFinalizer(k key, o *object, finalizer string) {
	next := o.DeepCopy()
	next.SetFinalizers(slices.DeleteFunc(next.GetFinalizers(), func(f string) bool { return f == finalizer }))
	if len(next.GetFinalizers()) == 0 {
		s.store.remove(k)
		return
	}
	s.store.put(k, next)
}

// checkOwners deletes an object none of whose owners exists in its namespace, and drops references to absent
// ones while another is there.
func (s *Server) checkOwners(k key, o *object, owners map[types.UID]key) {
	present := slices.DeleteFunc(o.GetOwnerReferences(), func(r metav1.OwnerReference) bool {
		owner, exists := owners[r.UID]
		return !exists || owner.name != r.Name || owner.namespace != "" && owner.namespace != k.namespace || s.store.objects[owner] == nil
	})
	switch {
	case len(present) == len(o.GetOwnerReferences()):
	case len(present) > 0:
		next := o.DeepCopy()
		next.SetOwnerReferences(present)
		s.store.put(k, next)
	case o.GetDeletionTimestamp() == nil:
		s.deleteObject(k, metav1.DeletePropagationBackground)
	}
}

// emptyNamespaces deletes what is in terminating namespaces, then the namespaces.
func (s *Server) emptyNamespaces() {
	for k, ns := range s.store.objects {
		if k.resource != namespaces || ns.GetDeletionTimestamp() == nil {
			continue
		}
		empty := true
		for inner, o := range s.store.objects {
			if inner.namespace != k.name {
				continue
			}
			if o.GetDeletionTimestamp() == nil {
				s.deleteObject(inner, metav1.DeletePropagationBackground)
			}
			empty = empty && s.store.objects[inner] == nil
		}
		if empty {
			s.store.remove(k)
		}
	}
}
