//go:build unix

package conformance

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	contract "github.com/suokelife/suokectl/internal/contract/kube"
	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/chaos"
)

var (
	kubeNamespaces  = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	kubeJobs        = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	virtualServices = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
)

func TestKube(t *testing.T) {
	t.Parallel()
	contract.Run(t, kubeConfig(t, sharedKube.get(t)))
}

// TestKubeFaults injects with our own client into a real control plane: cleared by hand, taken back at the deadline,
// orphaned by a careless delete.
func TestKubeFaults(t *testing.T) {
	t.Parallel()
	m := newMesh(t, sharedKube.get(t), "faults")

	lease := m.inject(10 * time.Minute)
	m.wantState(lease, chaos.StateActive)
	_, err := m.chaos.Clear(m.ctx, lease.Name)
	noError(t, err)
	m.wantOnlyTheOriginal()

	m.inject(2 * time.Second)
	m.awaitNoShadow()
	m.wantOnlyTheOriginal()

	lease = m.inject(10 * time.Minute)
	noError(t, m.client.Resource(kubeJobs).Namespace(m.clients).Delete(m.ctx, lease.Name, metav1.DeleteOptions{}))
	m.awaitState(lease, chaos.StateOrphaned)
	_, err = m.chaos.Clear(m.ctx, lease.Name)
	noError(t, err)
	m.wantOnlyTheOriginal()
}

// TestKubeControllersDown: with the controller manager dead a fault is refused, and one that is in force goes overdue, until
// the controllers are back.
func TestKubeControllersDown(t *testing.T) {
	t.Parallel()
	server := testenv.Kube(t)
	m := newMesh(t, server, "down")
	lease := m.inject(3 * time.Second)
	server.StopControllerManager()
	m.awaitState(lease, chaos.StateOverdue)

	impatient := chaos.New(m.client, chaos.Options{Start: time.Second})
	f := m.fault(time.Minute)
	f.ClientNamespaces = []string{m.services}
	plan, err := impatient.Preflight(m.ctx, f)
	noError(t, err)
	_, err = impatient.Inject(m.ctx, plan)
	wantText(t, err, "is the cluster's Job controller running?")

	noError(t, server.StartControllerManager())
	m.awaitNoShadow()
	m.wantOnlyTheOriginal()
}

// mesh is a service's namespace with the specification's routing and its clients' namespace.
type mesh struct {
	t                 *testing.T
	ctx               context.Context
	client            dynamic.Interface
	chaos             *chaos.Client
	services, clients string
	original          *unstructured.Unstructured
}

func kubeConfig(t *testing.T, server *testenv.KubeServer) *rest.Config {
	t.Helper()
	config, err := server.Config()
	noError(t, err)
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	return config
}

func newMesh(t *testing.T, server *testenv.KubeServer, name string) *mesh {
	t.Helper()
	client, err := dynamic.NewForConfig(kubeConfig(t, server))
	noError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	m := &mesh{t: t, ctx: ctx, client: client, chaos: chaos.New(client, chaos.Options{}), services: name + "-services", clients: name + "-clients"}
	for _, ns := range []string{m.services, m.clients} {
		o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
		o.SetName(ns)
		o.SetLabels(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
		_, err := client.Resource(kubeNamespaces).Create(ctx, o, metav1.CreateOptions{})
		noError(t, err)
	}
	destination := map[string]any{"destination": map[string]any{"host": "auth-service", "subset": "v1"}}
	vs := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
		"spec": map[string]any{"hosts": []any{"auth-service"}, "http": []any{map[string]any{"name": "v1-routes", "route": []any{destination}}}},
	}}
	vs.SetName("auth-service")
	m.original, err = client.Resource(virtualServices).Namespace(m.services).Create(ctx, vs, metav1.CreateOptions{})
	noError(t, err)
	return m
}

func (m *mesh) fault(ttl time.Duration) chaos.Fault {
	return chaos.Fault{
		Service: "auth-service", Namespace: m.services, ClientNamespaces: []string{m.clients},
		Delay: 5 * time.Second, DelayPercent: 10, AbortGRPC: "UNAVAILABLE", AbortPercent: 5, TTL: ttl,
	}
}

func (m *mesh) inject(ttl time.Duration) chaos.Lease {
	m.t.Helper()
	plan, err := m.chaos.Preflight(m.ctx, m.fault(ttl))
	noError(m.t, err)
	leases, err := m.chaos.Inject(m.ctx, plan)
	noError(m.t, err)
	return leases[0]
}

func (m *mesh) state(lease chaos.Lease) string {
	m.t.Helper()
	leases, err := m.chaos.Status(m.ctx, m.clients)
	noError(m.t, err)
	for _, l := range leases {
		if l.Name == lease.Name {
			return l.State
		}
	}
	return "gone"
}

func (m *mesh) wantState(lease chaos.Lease, want string) {
	m.t.Helper()
	if got := m.state(lease); got != want {
		m.t.Fatalf("the lease is %s, want %s", got, want)
	}
}

// awaitState asks until the lease is in a state that time alone brings about.
func (m *mesh) awaitState(lease chaos.Lease, want string) {
	m.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for m.state(lease) != want {
		select {
		case <-tick.C:
		case <-m.ctx.Done():
			m.t.Fatalf("the lease is %s, never %s", m.state(lease), want)
		}
	}
}

func (m *mesh) awaitNoShadow() {
	m.t.Helper()
	for {
		list, err := m.client.Resource(virtualServices).Namespace(m.clients).List(m.ctx, metav1.ListOptions{})
		noError(m.t, err)
		if len(list.Items) == 0 {
			return
		}
		events, err := m.client.Resource(virtualServices).Namespace(m.clients).Watch(m.ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
		noError(m.t, err)
		select {
		case <-events.ResultChan():
		case <-m.ctx.Done():
			m.t.Fatal("the cluster did not take the fault back")
		}
		events.Stop()
	}
}

// wantOnlyTheOriginal fails unless the shadow is gone and the original is what it was.
func (m *mesh) wantOnlyTheOriginal() {
	m.t.Helper()
	list, err := m.client.Resource(virtualServices).Namespace(m.clients).List(m.ctx, metav1.ListOptions{})
	noError(m.t, err)
	if len(list.Items) != 0 {
		m.t.Errorf("%d shadows are left", len(list.Items))
	}
	now, err := m.client.Resource(virtualServices).Namespace(m.services).Get(m.ctx, "auth-service", metav1.GetOptions{})
	noError(m.t, err)
	if now.GetResourceVersion() != m.original.GetResourceVersion() || now.GetUID() != m.original.GetUID() {
		m.t.Error("the original was touched")
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
