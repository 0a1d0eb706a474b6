package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// The states of a lease.
const (
	// StateActive: the fault is in force and its deadline runs.
	StateActive = "active"
	// StateArming: the Job is there and the shadow is not, yet or any more.
	StateArming = "arming"
	// StateOverdue: the deadline is past and the shadow is still there; the cluster's controllers are late or dead.
	StateOverdue = "overdue"
	// StateOrphaned: the shadow has lost its Job; nothing but Clear will end it.
	StateOrphaned = "orphaned"
)

// ErrNotFound is wrapped when no lease has a given name.
var ErrNotFound = errors.New("no such fault")

// A Lease is a fault in one client namespace as the cluster holds it.
type Lease struct {
	Name string `json:"name"`
	// Namespace of the clients that feel the fault.
	Namespace string `json:"namespace"`
	Service   string `json:"service"`
	Host      string `json:"host"`
	// Fault describes the effect.
	Fault string `json:"fault"`
	// State is one of active, arming, overdue and orphaned.
	State string `json:"state"`
	// Expires is when the cluster takes the fault back; zero when that is not known.
	Expires time.Time `json:"expires,omitzero"`
	// SecondsLeft until then, not below 0.
	SecondsLeft int64 `json:"seconds_left"`

	job, shadow *unstructured.Unstructured
}

// newLease joins the two objects of a lease, either of which may be nil.
func newLease(job, shadow *unstructured.Unstructured, now time.Time) Lease {
	l := Lease{job: job, shadow: shadow, State: StateActive}
	for _, o := range []*unstructured.Unstructured{job, shadow} {
		if o != nil {
			l.Name, l.Namespace, l.Service = o.GetLabels()[LabelFault], o.GetNamespace(), o.GetLabels()[LabelService]
			l.Fault, l.Host = o.GetAnnotations()[AnnotationFault], o.GetAnnotations()[AnnotationHost]
		}
	}
	switch {
	case job != nil:
		l.Expires = deadline(job)
	case shadow != nil:
		l.Expires, _ = time.Parse(time.RFC3339, shadow.GetAnnotations()[AnnotationExpires])
	}
	l.SecondsLeft = max(0, int64(l.Expires.Sub(now)/time.Second))
	switch {
	case job == nil:
		l.State = StateOrphaned
	case shadow == nil:
		l.State = StateArming
	case now.After(l.Expires):
		l.State = StateOverdue
	}
	return l
}

// Status returns the leases of the given namespaces, of all when none is given, by name and namespace.
func (c *Client) Status(ctx context.Context, in ...string) ([]Lease, error) {
	if len(in) == 0 {
		in = []string{metav1.NamespaceAll}
	}
	var leases []Lease
	for _, namespace := range in {
		found, err := c.leasesIn(ctx, namespace)
		if err != nil {
			return nil, err
		}
		leases = append(leases, found...)
	}
	sort.Slice(leases, func(i, j int) bool {
		return leases[i].Name+"/"+leases[i].Namespace < leases[j].Name+"/"+leases[j].Namespace
	})
	return leases, nil
}

// leasesIn joins Jobs and shadows by owner: a Job of the same name may be another's.
func (c *Client) leasesIn(ctx context.Context, namespace string) ([]Lease, error) {
	shadows, err := c.labelled(ctx, virtualServices, namespace) // first, so that a new lease is not taken for an orphan
	if err != nil {
		return nil, err
	}
	owners, err := c.labelled(ctx, jobs, namespace)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	byUID := map[types.UID]*unstructured.Unstructured{}
	for i := range owners {
		byUID[owners[i].GetUID()] = &owners[i]
	}
	var leases []Lease
	for i := range shadows {
		job := byUID[ownerOf(&shadows[i])]
		if job != nil {
			delete(byUID, job.GetUID())
		}
		leases = append(leases, newLease(job, &shadows[i], now))
	}
	for _, job := range byUID {
		leases = append(leases, newLease(job, nil, now))
	}
	return leases, nil
}

func ownerOf(shadow *unstructured.Unstructured) types.UID {
	for _, r := range shadow.GetOwnerReferences() {
		if r.Kind == "Job" {
			return r.UID
		}
	}
	return ""
}

func (c *Client) labelled(ctx context.Context, r schema.GroupVersionResource, namespace string) ([]unstructured.Unstructured, error) {
	list, err := c.at(r, namespace).List(ctx, metav1.ListOptions{LabelSelector: LabelFault})
	if err != nil {
		where := "all namespaces"
		if namespace != "" {
			where = "namespace " + namespace
		}
		return nil, explain("list the "+r.Resource+" of faults in "+where, noMesh(err))
	}
	return list.Items, nil
}

// Find returns the leases with the given names, or all. A name that no lease has wraps [ErrNotFound] while there are
// others; when there is none at all, nothing is found and that is no error.
func (c *Client) Find(ctx context.Context, names ...string) ([]Lease, error) {
	leases, err := c.Status(ctx)
	if err != nil || len(names) == 0 {
		return leases, err
	}
	return choose(leases, names)
}

// Clear ends leases before their time, those that [Client.Find] finds, and returns them once they are verified to be gone.
func (c *Client) Clear(ctx context.Context, names ...string) ([]Lease, error) {
	chosen, err := c.Find(ctx, names...)
	if err != nil {
		return nil, err
	}
	return chosen, c.End(ctx, chosen...)
}

// End ends leases before their time, orphans too, and returns once they are verified to be gone. That one is gone already
// is no error.
func (c *Client) End(ctx context.Context, leases ...Lease) error {
	var errs []error
	for _, l := range leases {
		errs = append(errs, c.end(ctx, l))
	}
	return errors.Join(errs...)
}

func choose(leases []Lease, names []string) (chosen []Lease, err error) {
	for _, name := range names {
		if len(leases) > 0 && !slices.ContainsFunc(leases, func(l Lease) bool { return l.Name == name }) {
			return nil, fmt.Errorf("%w: %s; there is %s", ErrNotFound, name, leaseNames(leases))
		}
	}
	for _, l := range leases {
		if slices.Contains(names, l.Name) {
			chosen = append(chosen, l)
		}
	}
	return chosen, nil
}

// leaseNames lists the names of sorted leases.
func leaseNames(leases []Lease) string {
	var names []string
	for _, l := range leases {
		names = append(names, l.Name)
	}
	return strings.Join(slices.Compact(names), ", ")
}

// end deletes a lease's objects and waits until they are gone. The shadow is deleted by itself too: its owner may be lost,
// and the fault shall end though the garbage collector stands still.
func (c *Client) end(ctx context.Context, l Lease) error {
	var errs []error
	if l.shadow != nil {
		errs = append(errs, c.remove(ctx, virtualServices, l.shadow))
	}
	if l.job != nil {
		errs = append(errs, c.remove(ctx, jobs, l.job))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if l.shadow != nil {
		errs = append(errs, c.awaitGone(ctx, virtualServices, l.shadow))
	}
	if l.job != nil {
		errs = append(errs, c.awaitGone(ctx, jobs, l.job))
	}
	return errors.Join(errs...)
}
