package chaos_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/suokelife/suokectl/internal/lab/kube"
	"github.com/suokelife/suokectl/pkg/chaos"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	jobs            = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	virtualServices = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
)

// cluster is a lab with the specification's VirtualService.
type cluster struct {
	t      *testing.T
	api    *kube.Server
	client dynamic.Interface
	chaos  *chaos.Client
}

func newCluster(t *testing.T, options kube.Options) *cluster {
	t.Helper()
	options.Namespaces = append(options.Namespaces, "shop", "desk")
	api, err := kube.Start(options)
	must(t, err)
	t.Cleanup(func() { must(t, api.Close()) })
	config := rest.CopyConfig(api.Config())
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	must(t, err)
	c := &cluster{t: t, api: api, client: client, chaos: chaos.New(client, chaos.Options{})}
	c.apply("default", "auth-service", readSpec(t, "auth-service.yaml"))
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantIs(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("want %v, got %v", target, err)
	}
}

func readSpec(t testing.TB, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	must(t, err)
	return parseSpec(t, string(text))
}

func parseSpec(t testing.TB, text string) map[string]any {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	must(t, err)
	o := &unstructured.Unstructured{}
	must(t, o.UnmarshalJSON([]byte(`{"apiVersion":"v1","kind":"Any","spec":`+string(raw)+`}`)))
	return o.Object["spec"].(map[string]any)
}

func virtualService(namespace, name string, spec map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "spec": spec}}
	o.SetNamespace(namespace)
	o.SetName(name)
	o.SetLabels(map[string]string{"argocd.argoproj.io/instance": "shop"})
	return o
}

func (c *cluster) apply(namespace, name string, spec map[string]any) {
	c.t.Helper()
	_, err := c.client.Resource(virtualServices).Namespace(namespace).Create(c.t.Context(), virtualService(namespace, name, spec), metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	must(c.t, err)
}

func (c *cluster) objects(r schema.GroupVersionResource) map[string]any {
	c.t.Helper()
	list, err := c.client.Resource(r).List(context.Background(), metav1.ListOptions{})
	must(c.t, err)
	found := map[string]any{}
	for _, o := range list.Items {
		found[o.GetNamespace()+"/"+o.GetName()] = o.Object
	}
	return found
}

// wantOnlyOriginals fails unless nothing of a fault is left in the cluster.
func (c *cluster) wantOnlyOriginals() {
	c.t.Helper()
	if left := c.objects(jobs); len(left) != 0 {
		c.t.Errorf("jobs are left: %v", left)
	}
	left := c.objects(virtualServices)
	for name, o := range left {
		if (&unstructured.Unstructured{Object: o.(map[string]any)}).GetLabels()[chaos.LabelFault] != "" {
			c.t.Errorf("a shadow is left: %s", name)
		}
	}
}

// awaitOnlyOriginals waits until nothing is left. A shadow may come after its Job is gone, by a request that was given
// up; it has no owner, and is collected.
func (c *cluster) awaitOnlyOriginals() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	for {
		list, err := c.client.Resource(virtualServices).List(ctx, metav1.ListOptions{LabelSelector: chaos.LabelFault})
		must(c.t, err)
		if len(list.Items) == 0 {
			break
		}
		events, err := c.client.Resource(virtualServices).Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
		must(c.t, err)
		select {
		case <-events.ResultChan():
		case <-ctx.Done():
			c.t.Fatal("the fault was not taken back")
		}
		events.Stop()
	}
	if left := c.objects(jobs); len(left) != 0 {
		c.t.Errorf("jobs are left: %v", left)
	}
}

// fault is the specification's sample (M3), for a minute, for clients in shop.
func fault() chaos.Fault {
	return chaos.Fault{
		Service: "auth-service", ClientNamespaces: []string{"shop"}, Delay: 5 * time.Second, DelayPercent: 10,
		AbortHTTP: 500, AbortPercent: 5, TTL: time.Minute,
	}
}

func (c *cluster) inject(f chaos.Fault) []chaos.Lease {
	c.t.Helper()
	plan, err := c.chaos.Preflight(c.t.Context(), f)
	must(c.t, err)
	leases, err := c.chaos.Inject(c.t.Context(), plan)
	must(c.t, err)
	return leases
}

func TestFaultIsInForceThenCleared(t *testing.T) {
	c := newCluster(t, kube.Options{})
	before := c.objects(virtualServices)
	f := fault()
	f.ClientNamespaces = []string{"shop", "desk"}
	leases := c.inject(f)
	if len(leases) != 2 || leases[0].Name != leases[1].Name || leases[0].State != chaos.StateActive || leases[0].SecondsLeft < 50 {
		t.Fatalf("got leases %+v", leases)
	}
	shadow := c.objects(virtualServices)["shop/"+leases[0].Name].(map[string]any)
	meta := (&unstructured.Unstructured{Object: shadow})
	if _, copied := meta.GetLabels()["argocd.argoproj.io/instance"]; copied {
		t.Error("the shadow carries a label of the original")
	}
	if owners := meta.GetOwnerReferences(); len(owners) != 1 || owners[0].Kind != "Job" {
		t.Errorf("the shadow is owned by %v", owners)
	}
	active, err := c.chaos.Status(t.Context())
	must(t, err)
	if len(active) != 2 || active[0].Namespace != "desk" || active[0].Fault != "delay 5s 10%, abort 500 5%" || active[0].Host != "auth-service.default.svc.cluster.local" {
		t.Fatalf("status: %+v", active)
	}
	cleared, err := c.chaos.Clear(t.Context(), leases[0].Name)
	must(t, err)
	if len(cleared) != 2 {
		t.Fatalf("cleared %+v", cleared)
	}
	c.wantOnlyOriginals()
	if diff := cmp.Diff(before, c.objects(virtualServices)); diff != "" {
		t.Errorf("clear after inject is not the identity:\n%s", diff)
	}
	again, err := c.chaos.Clear(t.Context(), leases[0].Name)
	if err != nil || len(again) != 0 {
		t.Errorf("clearing twice: %v, %v", again, err)
	}
}

func TestClusterTakesFaultBack(t *testing.T) {
	c := newCluster(t, kube.Options{})
	f := fault()
	f.TTL = time.Second
	c.inject(f)
	c.awaitOnlyOriginals()
}

func TestRefusals(t *testing.T) {
	private := func(c *cluster) {
		c.apply("shop", "mine", parseSpec(t, `{hosts: [auth-service.default.svc.cluster.local], exportTo: ["."], http: [{route: [{destination: {host: auth-service.default.svc.cluster.local}}]}]}`))
	}
	add := func(spec string) func(*cluster) {
		return func(c *cluster) { c.apply("default", "other", parseSpec(t, spec)) }
	}
	ambient := func(c *cluster) {
		o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
		o.SetName("ambient")
		o.SetLabels(map[string]string{"istio.io/dataplane-mode": "ambient"})
		_, err := c.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).Create(t.Context(), o, metav1.CreateOptions{})
		must(t, err)
	}
	other := func(f *chaos.Fault) { f.Service = "other" }
	for _, c := range []struct {
		name   string
		setup  func(*cluster)
		change func(*chaos.Fault)
		want   error
		text   string
	}{
		{"a private VirtualService is older", private, nil, chaos.ErrBlocked, "shop/mine is older"},
		{"a fault is active", func(c *cluster) { c.inject(fault()) }, nil, chaos.ErrBlocked, "is active"},
		{"a delegate", add(`{hosts: [other], http: [{delegate: {name: x}}]}`), other, chaos.ErrUnfaultable, "delegate"},
		{"TCP only", add(`{hosts: [other], tcp: [{route: [{destination: {host: other}}]}]}`), other, chaos.ErrUnfaultable, "no HTTP route"},
		{"redirects only", add(`{hosts: [other], http: [{redirect: {uri: /}}]}`), other, chaos.ErrUnfaultable, "no HTTP route"},
		{"an ambient namespace", ambient, func(f *chaos.Fault) { f.ClientNamespaces = []string{"ambient"} }, chaos.ErrBlocked, "ambient mode"},
		{"an unknown service", nil, other, nil, `no Service and no VirtualService for "other"`},
		{"an unknown client namespace", nil, func(f *chaos.Fault) { f.ClientNamespaces = []string{"nowhere"} }, nil, `namespaces "nowhere" not found`},
		{"an invalid fault", nil, func(f *chaos.Fault) { f.AbortPercent = 200 }, chaos.ErrInvalidFault, "0.0001 to 100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := newCluster(t, kube.Options{})
			if c.setup != nil {
				c.setup(cluster)
			}
			f := fault()
			if c.change != nil {
				c.change(&f)
			}
			before := cluster.objects(virtualServices)
			_, err := cluster.chaos.Preflight(t.Context(), f)
			if err == nil || !strings.Contains(err.Error(), c.text) || c.want != nil && !errors.Is(err, c.want) {
				t.Fatalf("want %v with %q, got %v", c.want, c.text, err)
			}
			if diff := cmp.Diff(before, cluster.objects(virtualServices)); diff != "" {
				t.Errorf("the cluster was changed:\n%s", diff)
			}
		})
	}
}

func TestUnknownServiceNamesTheKnown(t *testing.T) {
	c := newCluster(t, kube.Options{})
	f := fault()
	f.Service = "auth-servce"
	_, err := c.chaos.Preflight(t.Context(), f)
	var unknown *chaos.UnknownServiceError
	if !errors.As(err, &unknown) || len(unknown.Known) != 1 || unknown.Known[0] != "auth-service" {
		t.Fatalf("got %v", err)
	}
}

func TestSuspendedJobs(t *testing.T) {
	c := newCluster(t, kube.Options{SuspendJobs: true})
	_, err := c.chaos.Preflight(t.Context(), fault())
	wantIs(t, err, chaos.ErrSuspended)
	plan, err := c.chaos.Plan(t.Context(), fault()) // a webhook may let the dry run pass
	must(t, err)
	_, err = c.chaos.Inject(t.Context(), plan)
	wantIs(t, err, chaos.ErrSuspended)
	c.wantOnlyOriginals()
}

func TestForbidden(t *testing.T) {
	for _, denied := range []string{"create virtualservices", "create jobs", "list virtualservices"} {
		t.Run(denied, func(t *testing.T) {
			on := false
			c := newCluster(t, kube.Options{Deny: func(verb, resource, _ string) bool { return on && verb+" "+resource == denied }})
			plan, err := c.chaos.Plan(t.Context(), fault())
			must(t, err)
			on = true
			_, err = c.chaos.Preflight(t.Context(), fault())
			if !apierrors.IsForbidden(err) {
				t.Fatalf("preflight: %v", err)
			}
			if _, err = c.chaos.Inject(t.Context(), plan); !strings.HasPrefix(denied, "list") && !apierrors.IsForbidden(err) {
				t.Fatalf("inject: %v", err)
			}
			on = false
			if !strings.HasPrefix(denied, "list") {
				c.wantOnlyOriginals()
			}
		})
	}
}

// TestOneNamespaceFails: a lease is in force in all of its namespaces or in none.
func TestOneNamespaceFails(t *testing.T) {
	c := newCluster(t, kube.Options{Deny: func(verb, resource, namespace string) bool {
		return verb == "create" && resource == "virtualservices" && namespace == "desk"
	}})
	f := fault()
	f.ClientNamespaces = []string{"shop", "desk"}
	plan, err := c.chaos.Plan(t.Context(), f)
	must(t, err)
	if _, err = c.chaos.Inject(t.Context(), plan); !apierrors.IsForbidden(err) {
		t.Fatalf("got %v", err)
	}
	c.awaitOnlyOriginals()
}

func TestChangedSourceIsNotShadowed(t *testing.T) {
	c := newCluster(t, kube.Options{})
	plan, err := c.chaos.Preflight(t.Context(), fault())
	must(t, err)
	at := c.client.Resource(virtualServices).Namespace("default")
	o, err := at.Get(t.Context(), "auth-service", metav1.GetOptions{})
	must(t, err)
	must(t, unstructured.SetNestedStringSlice(o.Object, []string{"auth-service", "auth"}, "spec", "hosts"))
	_, err = at.Update(t.Context(), o, metav1.UpdateOptions{})
	must(t, err)
	_, err = c.chaos.Inject(t.Context(), plan)
	wantIs(t, err, chaos.ErrChanged)
	c.wantOnlyOriginals()
}

func TestInterruptedInjectLeavesNothing(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	c := newCluster(t, kube.Options{Deny: func(verb, resource, namespace string) bool {
		if verb == "create" && resource == "virtualservices" && namespace == "shop" {
			interrupt() // Ctrl-C while the Job is there and the shadow is being written
		}
		return false
	}})
	plan, err := c.chaos.Plan(t.Context(), fault())
	must(t, err)
	_, err = c.chaos.Inject(ctx, plan)
	if err != nil {
		wantIs(t, err, context.Canceled)
		c.awaitOnlyOriginals()
		return
	}
	t.Fatal("an interrupted injection succeeded")
}

func TestOrphansAreSeenAndCleared(t *testing.T) {
	c := newCluster(t, kube.Options{})
	name := c.inject(fault())[0].Name
	must(t, c.client.Resource(jobs).Namespace("shop").Delete(t.Context(), name, metav1.DeleteOptions{})) // no policy: orphans
	leases, err := c.chaos.Status(t.Context(), "shop")
	must(t, err)
	for len(leases) == 1 && leases[0].State != chaos.StateOrphaned { // until the garbage collector is done
		leases, err = c.chaos.Status(t.Context(), "shop")
		must(t, err)
	}
	if len(leases) != 1 || leases[0].Expires.IsZero() {
		t.Fatalf("status: %+v", leases)
	}
	_, err = c.chaos.Clear(t.Context(), "nonsense")
	wantIs(t, err, chaos.ErrNotFound)
	_, err = c.chaos.Clear(t.Context())
	must(t, err)
	c.wantOnlyOriginals()
}

func TestUnreachable(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, closed.Close())
	hole, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
	must(t, err)
	defer hole.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for _, c := range []struct{ name, host, text string }{
		{"refused", "http://" + closed.Addr().String(), "connection refused"},
		{"black hole", "http://" + hole.Addr().String(), "deadline"},
		{"TLS spoken to a plain client", "http://" + secure.Listener.Addr().String(), "HTTPS"},
		{"plain spoken to a TLS client", "https://" + plain.Listener.Addr().String(), "HTTP response to HTTPS client"},
		{"no Kubernetes API", "http://" + plain.Listener.Addr().String(), "has no Istio"},
		{"an unknown authority", "https://" + secure.Listener.Addr().String(), "certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, err := dynamic.NewForConfig(&rest.Config{Host: c.host})
			must(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err = chaos.New(client, chaos.Options{}).Preflight(ctx, fault())
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("want %q, got %v", c.text, err)
			}
		})
	}
}
