package kube

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (s *Server) delete(q *request, r *http.Request, body []byte) (any, error) {
	options, err := deleteOptions(q, r, body)
	if err != nil {
		return nil, err
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if q.verb == "deletecollection" {
		for _, o := range s.store.list(q.selects) {
			if !options.dryRun {
				s.deleteObject(keyOf(q.resource, o), options.policy)
			}
		}
		return metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess}, nil
	}
	o, err := s.lookup(q)
	if err != nil {
		return nil, err
	}
	if err := options.check(q, o); err != nil {
		return nil, err
	}
	if !options.dryRun {
		s.deleteObject(q.key(), options.policy)
	}
	if left := s.store.objects[q.key()]; left != nil && !options.dryRun {
		return present(q, left).Object, nil
	}
	return metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess,
		Details: &metav1.StatusDetails{Name: q.name, Group: q.resource.group, Kind: q.resource.plural, UID: o.GetUID()},
	}, nil
}

type deletion struct {
	policy        metav1.DeletionPropagation
	dryRun        bool
	preconditions *metav1.Preconditions
}

// deleteOptions come in the body, or in the query when there is none.
func deleteOptions(q *request, r *http.Request, body []byte) (deletion, error) {
	d := deletion{policy: metav1.DeletePropagationBackground, dryRun: q.dryRun}
	if q.resource.orphans {
		d.policy = metav1.DeletePropagationOrphan
	}
	var sent metav1.DeleteOptions
	if err := decodeInto(body, &sent); err != nil {
		return d, err
	}
	if policy := metav1.DeletionPropagation(r.URL.Query().Get("propagationPolicy")); policy != "" && sent.PropagationPolicy == nil {
		sent.PropagationPolicy = &policy
	}
	if sent.PropagationPolicy != nil {
		d.policy = *sent.PropagationPolicy
	}
	switch d.policy {
	case metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan:
	default:
		return d, apierrors.NewBadRequest(fmt.Sprintf("propagationPolicy: Unsupported value: %q", d.policy))
	}
	d.dryRun = d.dryRun || len(sent.DryRun) > 0
	d.preconditions = sent.Preconditions
	return d, nil
}

func (d deletion) check(q *request, o *object) error {
	p := d.preconditions
	if p == nil {
		return nil
	}
	if p.UID != nil && *p.UID != o.GetUID() {
		return apierrors.NewConflict(q.resource.groupResource(), q.name,
			fmt.Errorf("Precondition failed: UID in precondition: %s, UID in object meta: %s", *p.UID, o.GetUID()))
	}
	if p.ResourceVersion != nil && *p.ResourceVersion != o.GetResourceVersion() {
		return apierrors.NewConflict(q.resource.groupResource(), q.name,
			fmt.Errorf("Precondition failed: ResourceVersion in precondition: %s, ResourceVersion in object meta: %s", *p.ResourceVersion, o.GetResourceVersion()))
	}
	return nil
}

// deleteObject removes an object, or marks it when finalizers (the policy's or its own) must be worked off first.
func (s *Server) deleteObject(k key, policy metav1.DeletionPropagation) {
	current := s.store.objects[k]
	next := current.DeepCopy()
	finalizers := slices.DeleteFunc(next.GetFinalizers(), func(f string) bool {
		return f == metav1.FinalizerOrphanDependents || f == metav1.FinalizerDeleteDependents
	})
	switch policy {
	case metav1.DeletePropagationOrphan:
		finalizers = append(finalizers, metav1.FinalizerOrphanDependents)
	case metav1.DeletePropagationForeground:
		finalizers = append(finalizers, metav1.FinalizerDeleteDependents)
	}
	if len(finalizers) == 0 && k.resource != namespaces {
		s.store.remove(k)
		return
	}
	next.SetFinalizers(finalizers)
	if next.GetDeletionTimestamp() == nil {
		now, grace := metav1.NewTime(time.Now()), int64(0)
		next.SetDeletionTimestamp(&now)
		next.SetDeletionGracePeriodSeconds(&grace)
	}
	if k.resource == namespaces {
		next.SetFinalizers(nil)
		next.Object["status"] = map[string]any{"phase": "Terminating"}
	}
	s.store.put(k, next)
}
