// Package kube says what suokectl relies on in a Kubernetes API, as tests that run alike against the lab's server
// and a real kube-apiserver with its controllers. The cases of the dead-man Job are those that were measured on real
// controllers; a case that only one side passes is a defect of the lab.
package kube

import (
	"context"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

var (
	namespaces      = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	configmaps      = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	jobs            = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	virtualservices = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
)

// patience is how long a case waits for what controllers do by themselves.
const patience = 30 * time.Second

// A world is one namespace of the API under test.
type world struct {
	t         *testing.T
	ctx       context.Context
	client    dynamic.Interface
	namespace string
}

// Run runs every case, each in a namespace of its own, against the API that config leads to.
func Run(t *testing.T, config *rest.Config) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // client-go's own brake would only make the suite slow
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &world{t: t, ctx: t.Context(), client: client, namespace: "contract-" + rand.String(8)}
			ns := object("v1", "Namespace", w.namespace, nil)
			_, err := client.Resource(namespaces).Create(w.ctx, ns, metav1.CreateOptions{})
			w.must(err)
			t.Cleanup(func() {
				err := client.Resource(namespaces).Delete(context.Background(), w.namespace, metav1.DeleteOptions{})
				if err != nil {
					t.Errorf("delete namespace %s: %v", w.namespace, err)
				}
			})
			c.run(w)
		})
	}
}

func object(apiVersion, kind, name string, spec map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
	o.SetName(name)
	if spec != nil {
		o.Object["spec"] = spec
	}
	return o
}

// deadMan is the Job that ends a lease: no pods, a deadline, gone as soon as it has failed.
func deadMan(name string, seconds int64) *unstructured.Unstructured {
	return object("batch/v1", "Job", name, map[string]any{
		"parallelism": int64(0), "activeDeadlineSeconds": seconds, "ttlSecondsAfterFinished": int64(0),
		"template": map[string]any{"spec": map[string]any{
			"restartPolicy": "Never",
			"containers":    []any{map[string]any{"name": "none", "image": "pause:3.10"}},
		}},
	})
}

func virtualService(name string) *unstructured.Unstructured {
	return object("networking.istio.io/v1", "VirtualService", name, map[string]any{
		"hosts": []any{"auth-service"},
		"http":  []any{map[string]any{"route": []any{map[string]any{"destination": map[string]any{"host": "auth-service"}}}}},
	})
}

func configMap(name string, labels map[string]string) *unstructured.Unstructured {
	o := object("v1", "ConfigMap", name, nil)
	o.SetLabels(labels)
	o.Object["data"] = map[string]any{"k": "v"}
	return o
}

func ownedBy(o, owner *unstructured.Unstructured) *unstructured.Unstructured {
	o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: owner.GetAPIVersion(), Kind: owner.GetKind(), Name: owner.GetName(), UID: owner.GetUID()}})
	return o
}

func (w *world) at(r schema.GroupVersionResource) dynamic.ResourceInterface {
	return w.client.Resource(r).Namespace(w.namespace)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) want(what string, is func(error) bool, err error) {
	w.t.Helper()
	if !is(err) {
		w.t.Fatalf("want %s, got %v", what, err)
	}
}

func (w *world) create(r schema.GroupVersionResource, o *unstructured.Unstructured) *unstructured.Unstructured {
	w.t.Helper()
	created, err := w.at(r).Create(w.ctx, o, metav1.CreateOptions{})
	w.must(err)
	return created
}

func (w *world) get(r schema.GroupVersionResource, name string) *unstructured.Unstructured {
	w.t.Helper()
	o, err := w.at(r).Get(w.ctx, name, metav1.GetOptions{})
	w.must(err)
	return o
}

// waitFor watches one object until it is as wanted; nil is passed once it is gone.
func (w *world) waitFor(r schema.GroupVersionResource, name string, done func(*unstructured.Unstructured) bool) time.Time {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	for {
		o, err := w.at(r).Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			if done(nil) {
				return time.Now()
			}
			w.t.Fatalf("%s %s is gone", r.Resource, name)
		case err != nil:
			w.t.Fatalf("waiting for %s %s: %v", r.Resource, name, err)
		case done(o):
			return time.Now()
		}
		if err := w.nextChange(ctx, r, o); err != nil {
			w.t.Fatalf("waiting for %s %s: %v; it is %v", r.Resource, name, err, o.Object)
		}
	}
}

// nextChange returns when the object has changed since it was read.
func (w *world) nextChange(ctx context.Context, r schema.GroupVersionResource, o *unstructured.Unstructured) error {
	events, err := w.at(r).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + o.GetName(), ResourceVersion: o.GetResourceVersion()})
	if err != nil {
		return err
	}
	defer events.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("nothing changed in %v", patience)
	case <-events.ResultChan(): // an event, or the end of this watch: either way look again
		return nil
	}
}

func gone(o *unstructured.Unstructured) bool { return o == nil }

func started(job *unstructured.Unstructured) bool {
	if job == nil {
		return false
	}
	_, found, _ := unstructured.NestedString(job.Object, "status", "startTime")
	return found
}
