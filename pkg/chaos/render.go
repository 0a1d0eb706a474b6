package chaos

import (
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// What marks a lease's objects.
const (
	// LabelFault is the label that holds a lease's name, on its Job and on its shadow VirtualService.
	LabelFault = "suokectl.io/fault"
	// LabelService is the label that holds the name of the faulted service.
	LabelService = "suokectl.io/service"
	// AnnotationExpires holds the time, RFC 3339, after which a shadow that is still there is overdue.
	AnnotationExpires = "suokectl.io/expires"
	// AnnotationFault describes the fault for people.
	AnnotationFault = "suokectl.io/fault-description"
	// AnnotationHost holds the full name of the faulted host.
	AnnotationHost = "suokectl.io/host"
)

// DefaultImage is named in the Job's template, which must have an image though no pod is ever made.
const DefaultImage = "pause:3.10"

// pendingUID stands in rendered objects for the Job's uid, which is known once it is created.
const pendingUID = "known-when-the-job-is-created"

// ErrUnfaultable is wrapped when the routing in force cannot carry a fault.
var ErrUnfaultable = errors.New("the routing cannot carry a fault")

// A Shadow is one client namespace's part of a plan.
type Shadow struct {
	Namespace string
	// Job ends the lease: it has no pods and a deadline.
	Job *unstructured.Unstructured
	// VirtualService is the routing in force with the fault in it.
	VirtualService *unstructured.Unstructured
	// Source is what VirtualService was made from, nil when calls took the default route.
	Source *unstructured.Unstructured
}

// Render makes the objects of one client namespace's lease called name, from the VirtualService in force there (nil
// for none). It reads and changes nothing: the shadow's owner reference still lacks the Job's uid. The error wraps
// [ErrUnfaultable].
func Render(f Fault, name, client string, source *unstructured.Unstructured, options Options) (*Shadow, error) {
	f, options = f.WithDefaults(), options.withDefaults()
	host := qualify(f.Service, f.Namespace, options.Domain)
	spec, err := shadowSpec(f, host, source, options.Domain)
	if err != nil {
		return nil, err
	}
	s := &Shadow{Namespace: client, Source: source}
	s.Job = newObject("batch/v1", "Job", client, name, f, host)
	s.Job.Object["spec"] = deadMan(f, options.Image)
	s.VirtualService = newObject("networking.istio.io/v1", "VirtualService", client, name, f, host)
	s.VirtualService.Object["spec"] = spec
	s.own(pendingUID)
	s.expire(time.Time{})
	return s, nil
}

// own makes the Job with this uid the shadow's owner.
func (s *Shadow) own(uid types.UID) {
	s.VirtualService.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: s.Job.GetName(), UID: uid}})
}

// expire notes when the shadow has to be gone.
func (s *Shadow) expire(at time.Time) {
	text := "ttl after the start of the job"
	if !at.IsZero() {
		text = at.UTC().Format(time.RFC3339)
	}
	annotations := s.VirtualService.GetAnnotations()
	annotations[AnnotationExpires] = text
	s.VirtualService.SetAnnotations(annotations)
}

func newObject(apiVersion, kind, namespace, name string, f Fault, host string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
	o.SetNamespace(namespace)
	o.SetName(name)
	o.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "suokectl", LabelFault: name, LabelService: f.Service})
	o.SetAnnotations(map[string]string{AnnotationFault: f.String(), AnnotationHost: host})
	return o
}

// deadMan is the specification of a Job that does nothing but end: it has no pods. What it says of a container
// satisfies the Pod Security standard "restricted" and is never run.
func deadMan(f Fault, image string) map[string]any {
	unprivileged := map[string]any{
		"allowPrivilegeEscalation": false, "runAsNonRoot": true,
		"capabilities": map[string]any{"drop": []any{"ALL"}}, "seccompProfile": map[string]any{"type": "RuntimeDefault"},
	}
	return map[string]any{
		"parallelism": int64(0), "activeDeadlineSeconds": int64(f.TTL / time.Second), "ttlSecondsAfterFinished": int64(0),
		"template": map[string]any{"spec": map[string]any{
			"restartPolicy": "Never",
			"containers":    []any{map[string]any{"name": "dead-man", "image": image, "securityContext": unprivileged}},
		}},
	}
}

func shadowSpec(f Fault, host string, source *unstructured.Unstructured, domain string) (map[string]any, error) {
	spec := map[string]any{"hosts": []any{host}, "exportTo": []any{"."}}
	if source == nil {
		spec["http"] = []any{map[string]any{
			"name": "default", "fault": f.spec(),
			"route": []any{map[string]any{"destination": map[string]any{"host": host}}},
		}}
		return spec, nil
	}
	http, faulted, err := faultedRoutes(f, source, domain)
	if err != nil {
		return nil, err
	}
	if faulted == 0 {
		return nil, fmt.Errorf("%w: VirtualService %s/%s has no HTTP route to a destination", ErrUnfaultable, source.GetNamespace(), source.GetName())
	}
	spec["http"] = http
	for _, kind := range []string{"tcp", "tls"} {
		if routes := plainRoutes(source, kind, domain); len(routes) > 0 {
			spec[kind] = routes
		}
	}
	return spec, nil
}

// faultedRoutes copies the HTTP routes, each with the fault where one can be. A route with the fault stands in the
// place of the one that it copies: it matches the same calls, so that the plain route would never be reached.
func faultedRoutes(f Fault, source *unstructured.Unstructured, domain string) (routes []any, faulted int, err error) {
	for i, original := range objects(source.Object, "spec", "http") {
		if original["delegate"] != nil {
			return nil, 0, fmt.Errorf("%w: route %d of VirtualService %s/%s is a delegate, which is not followed",
				ErrUnfaultable, i, source.GetNamespace(), source.GetName())
		}
		route := flatten(runtime.DeepCopyJSON(original), source.GetNamespace(), domain)
		if route == nil {
			continue
		}
		if carriesFault(route) {
			route["fault"] = f.spec()
			faulted++
		}
		routes = append(routes, route)
	}
	return routes, faulted, nil
}

// carriesFault reports whether a route goes to a destination: redirects and direct responses take no fault.
func carriesFault(route map[string]any) bool {
	return route["redirect"] == nil && route["directResponse"] == nil
}

func plainRoutes(source *unstructured.Unstructured, kind, domain string) (routes []any) {
	for _, original := range objects(source.Object, "spec", kind) {
		if route := flatten(runtime.DeepCopyJSON(original), source.GetNamespace(), domain); route != nil {
			routes = append(routes, route)
		}
	}
	return routes
}
