package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

var (
	namespaces      = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	services        = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	jobs            = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	virtualServices = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
)

// Options of a Client. The zero value suits a stock cluster.
type Options struct {
	// Domain of the cluster. Default [DefaultDomain].
	Domain string
	// Image named by the dead-man Job, for clusters that allow only some; it is never run. Default [DefaultImage].
	Image string
	// Start is how long the Job controller may take to start a Job. Default 10 s.
	Start time.Duration
}

// A Client injects and clears faults in one cluster. It keeps no state: leases live in the cluster. Its methods are
// safe for concurrent use.
type Client struct {
	cluster dynamic.Interface
	options Options
}

// New returns a client of the cluster.
func New(cluster dynamic.Interface, options Options) *Client {
	return &Client{cluster: cluster, options: options.withDefaults()}
}

func (o Options) withDefaults() Options {
	if o.Domain == "" {
		o.Domain = DefaultDomain
	}
	if o.Image == "" {
		o.Image = DefaultImage
	}
	if o.Start == 0 {
		o.Start = 10 * time.Second
	}
	return o
}

func (c *Client) at(r schema.GroupVersionResource, namespace string) dynamic.ResourceInterface {
	if namespace == "" {
		return c.cluster.Resource(r)
	}
	return c.cluster.Resource(r).Namespace(namespace)
}

// await follows one object from its present state until done says so, an error comes, or ctx ends.
// done is given nil while the object does not exist.
func (c *Client) await(ctx context.Context, r schema.GroupVersionResource, namespace, name string, done func(*unstructured.Unstructured) (bool, error)) error {
	for {
		list, err := c.at(r, namespace).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
		if err != nil {
			return explain(fmt.Sprintf("read %s %s/%s", r.Resource, namespace, name), err)
		}
		var o *unstructured.Unstructured
		if len(list.Items) > 0 {
			o = &list.Items[0]
		}
		if finished, err := done(o); finished || err != nil {
			return err
		}
		if err := c.nextEvent(ctx, r, namespace, name, list.GetResourceVersion()); err != nil {
			return explain(fmt.Sprintf("watch %s %s/%s", r.Resource, namespace, name), err)
		}
	}
}

// nextEvent returns when an object has changed since a version, or when the server has ended the watch.
func (c *Client) nextEvent(ctx context.Context, r schema.GroupVersionResource, namespace, name, version string) error {
	events, err := c.at(r, namespace).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name, ResourceVersion: version})
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer events.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-events.ResultChan():
		return nil
	}
}

// remove deletes an object and, in the background, what it owns. That it is gone already is no error, nor that another
// of the same name has taken its place.
func (c *Client) remove(ctx context.Context, r schema.GroupVersionResource, o *unstructured.Unstructured) error {
	background, uid := metav1.DeletePropagationBackground, o.GetUID()
	err := c.at(r, o.GetNamespace()).Delete(ctx, o.GetName(), metav1.DeleteOptions{
		PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &uid}})
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("delete %s %s/%s: %w", r.Resource, o.GetNamespace(), o.GetName(), err)
}

// awaitGone returns when the object with o's uid exists no more.
func (c *Client) awaitGone(ctx context.Context, r schema.GroupVersionResource, o *unstructured.Unstructured) error {
	err := c.await(ctx, r, o.GetNamespace(), o.GetName(), func(now *unstructured.Unstructured) (bool, error) {
		return now == nil || now.GetUID() != o.GetUID(), nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s %s/%s is still there: is the cluster's garbage collector running? %w", r.Resource, o.GetNamespace(), o.GetName(), err)
	}
	return err
}
