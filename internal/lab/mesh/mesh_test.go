package mesh_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/suokelife/suokectl/internal/lab/kube"
	"github.com/suokelife/suokectl/internal/lab/mesh"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const demo = `
hosts: [auth-service]
http:
- name: v2
  match: [{headers: {x-api-version: {exact: v2}}}]
  route: [{destination: {host: auth-service, subset: v2}}]
- name: v1
  route: [{destination: {host: auth-service, subset: v1}}]
`

const subsets = `
host: auth-service
subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
`

// world is a mesh with a Kubernetes API and instances that answer with their version.
type world struct {
	t       *testing.T
	cluster dynamic.Interface
	mesh    *mesh.Server
	client  *http.Client
}

func newWorld(t *testing.T, endpoints map[string][]string) *world {
	t.Helper()
	api, err := kube.Start(kube.Options{Namespaces: []string{"shop", "other-client"}})
	must(t, err)
	t.Cleanup(func() { must(t, api.Close()) })
	config := rest.CopyConfig(api.Config())
	config.QPS = -1
	cluster, err := dynamic.NewForConfig(config)
	must(t, err)
	w := &world{t: t, cluster: cluster, client: &http.Client{Transport: &http.Transport{}}}
	w.apply("default", "auth-service", "DestinationRule", subsets)
	w.apply("default", "auth-service", "VirtualService", demo)
	source := rand.New(rand.NewPCG(1, 2))
	w.mesh, err = mesh.Start(t.Context(), mesh.Options{Kube: api.Config(), Random: source.Float64, Endpoints: func(_ context.Context, service string, labels map[string]string) ([]string, error) {
		return endpoints[service+"/"+labels["version"]], nil
	}})
	must(t, err)
	t.Cleanup(func() { must(t, w.mesh.Close()); w.client.CloseIdleConnections() })
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func answering(t *testing.T, text string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// httpWorld has one instance of each version.
func httpWorld(t *testing.T) *world {
	return newWorld(t, map[string][]string{"auth-service/v1": {answering(t, "v1")}, "auth-service/v2": {answering(t, "v2")}})
}

func (w *world) apply(namespace, name, kind, spec string) {
	w.t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(spec))
	must(w.t, err)
	o := &unstructured.Unstructured{}
	must(w.t, o.UnmarshalJSON(fmt.Appendf(nil, `{"apiVersion":"networking.istio.io/v1","kind":%q,"metadata":{"name":%q},"spec":%s}`, kind, name, raw)))
	plural := map[string]string{"VirtualService": "virtualservices", "DestinationRule": "destinationrules"}[kind]
	_, err = w.cluster.Resource(schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: plural}).Namespace(namespace).
		Create(w.t.Context(), o, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	must(w.t, err)
}

func (w *world) get(host, path string, header ...string) (int, string) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://"+w.mesh.Address()+path, nil)
	must(w.t, err)
	request.Host = host
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := w.client.Do(request)
	must(w.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(w.t, err)
	return response.StatusCode, string(body)
}

// eventually calls until check holds: the proxy takes a change over a moment after it is written.
func (w *world) eventually(what string, check func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if check() {
			return
		}
	}
	w.t.Fatalf("never: %s", what)
}

func TestRoutes(t *testing.T) {
	w := httpWorld(t)
	for _, c := range []struct {
		host   string
		header []string
		status int
		body   string
	}{
		{"auth-service", nil, 200, "v1"},
		{"auth-service:80", nil, 200, "v1"},
		{"auth-service.default", []string{"X-Api-Version", "v2"}, 200, "v2"},
		{"auth-service.default.svc.cluster.local", []string{"x-api-version", "v3"}, 200, "v1"},
		{"nobody", nil, 503, "no healthy upstream"},
	} {
		if status, body := w.get(c.host, "/", c.header...); status != c.status || body != c.body {
			t.Errorf("%s %v: got %d %q, want %d %q", c.host, c.header, status, body, c.status, c.body)
		}
	}
}

func TestMatches(t *testing.T) {
	w := httpWorld(t)
	w.apply("shop", "private", "VirtualService", `
hosts: [auth-service.default.svc.cluster.local]
exportTo: ["."]
http:
- match: [{uri: {prefix: /v2/}}, {uri: {regex: "/old/[0-9]+"}}, {headers: {x-beta: {}}}]
  route: [{destination: {host: auth-service.default.svc.cluster.local, subset: v2}}]
- match: [{method: {exact: GET}, uri: {exact: /redirected}}]
  redirect: {uri: /x}
- match: [{uri: {exact: /}}]
  route: [{destination: {host: auth-service.default.svc.cluster.local, subset: v1}}]
- match: [{uri: {exact: /nosubset}}]
  route: [{destination: {host: auth-service.default.svc.cluster.local, subset: v9}}]
`)
	w.eventually("the private one rules", func() bool { _, body := w.get("auth-service", "/v2/x"); return body == "v2" })
	for _, c := range []struct {
		path   string
		header []string
		status int
	}{
		{"/", nil, 200}, {"/old/12", nil, 200}, {"/old/12x", nil, 404}, {"/none", nil, 404}, {"/none", []string{"X-Beta", "1"}, 200},
		{"/redirected", nil, 501}, {"/nosubset", nil, 503},
	} {
		if status, body := w.get("auth-service", c.path, c.header...); status != c.status {
			t.Errorf("%s: got %d %q, want %d", c.path, status, body, c.status)
		}
	}
}

const aborting = `
hosts: [auth-service.default.svc.cluster.local]
%s
http:
- fault: {abort: {percentage: {value: 100}, httpStatus: 418}}
  route: [{destination: {host: auth-service.default.svc.cluster.local, subset: v1}}]
`

// TestPrecedence holds what was measured on istiod: only a private VirtualService beats an older one.
func TestPrecedence(t *testing.T) {
	w := httpWorld(t)
	w.apply("default", "auth-service-fault-injection", "VirtualService", fmt.Sprintf(aborting, ""))
	w.apply("shop", "younger", "VirtualService", fmt.Sprintf(aborting, ""))
	w.apply("other-client", "foreign", "VirtualService", fmt.Sprintf(aborting, `exportTo: ["."]`))
	w.apply("default", "marker", "VirtualService", `{hosts: [marker], http: [{route: [{destination: {host: auth-service, subset: v2}}]}]}`)
	w.eventually("the proxy has seen them all", func() bool { _, body := w.get("marker", "/"); return body == "v2" })
	if status, body := w.get("auth-service", "/"); status != 200 || body != "v1" {
		t.Fatalf("a younger public one took over: %d %q", status, body)
	}
	w.apply("shop", "shadow", "VirtualService", fmt.Sprintf(aborting, `exportTo: ["."]`))
	w.eventually("the private one rules", func() bool { status, _ := w.get("auth-service", "/"); return status == 418 })
}

func TestRatesAndFlags(t *testing.T) {
	w := httpWorld(t)
	w.apply("shop", "shadow", "VirtualService", `
hosts: [auth-service.default.svc.cluster.local]
exportTo: ["."]
http:
- fault:
    delay: {percentage: {value: 10}, fixedDelay: 1ms}
    abort: {percentage: {value: 5}, httpStatus: 500}
  route: [{destination: {host: auth-service.default.svc.cluster.local, subset: v1}}]
`)
	w.eventually("the fault is in force", func() bool { w.get("auth-service", "/"); return w.mesh.Stats().AbortsInjected > 0 })
	before := w.mesh.Stats()
	const calls = 4000
	failed := uint64(0)
	for range calls {
		switch status, body := w.get("auth-service", "/"); {
		case status == 500 && body == "fault filter abort":
			failed++
		case status != 200:
			t.Fatalf("got %d %q", status, body)
		}
	}
	after := w.mesh.Stats()
	aborts, delays := after.AbortsInjected-before.AbortsInjected, after.DelaysInjected-before.DelaysInjected
	// Five standard deviations around 200 and 400; the source is seeded, so this cannot flake.
	if aborts != failed || aborts < 130 || aborts > 270 || delays < 305 || delays > 495 {
		t.Errorf("of %d calls %d were aborted (callers saw %d), %d delayed", calls, aborts, failed, delays)
	}
	if both := after.Flags["DI,FI"]; both == 0 || both > 60 {
		t.Errorf("%d calls were delayed and aborted, want about 20: the two are independent", both)
	}
	response, err := w.client.Get(w.mesh.AdminURL() + "/stats")
	must(t, err)
	defer response.Body.Close()
	var shown mesh.Stats
	must(t, json.NewDecoder(response.Body).Decode(&shown))
	if shown.AbortsInjected != after.AbortsInjected {
		t.Errorf("the admin page counts %d aborts, want %d", shown.AbortsInjected, after.AbortsInjected)
	}
}

func TestGRPC(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	backend := grpc.NewServer()
	healthpb.RegisterHealthServer(backend, health.NewServer())
	served := make(chan struct{})
	go func() { defer close(served); _ = backend.Serve(listener) }()
	t.Cleanup(func() { backend.Stop(); <-served })
	w := newWorld(t, map[string][]string{"auth-service/v1": {listener.Addr().String()}})
	conn, err := grpc.NewClient(w.mesh.Address(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("auth-service"), grpc.WithDisableRetry())
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close()) })
	client := healthpb.NewHealthClient(conn)
	check := func() error { _, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{}); return err }

	must(t, check())
	stream, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	must(t, err)
	if _, err := stream.Recv(); err != nil {
		t.Fatalf("a stream's first message does not pass at once: %v", err)
	}
	if err := conn.Invoke(t.Context(), "/no.Such/Method", &healthpb.HealthCheckRequest{}, &healthpb.HealthCheckResponse{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("an unknown method: %v", err)
	}
	for _, c := range []struct {
		abort string
		want  codes.Code
	}{{"httpStatus: 500", codes.Unknown}, {"httpStatus: 503", codes.Unavailable}, {"grpcStatus: UNAVAILABLE", codes.Unavailable}, {"grpcStatus: DATA_LOSS", codes.DataLoss}} {
		name := fmt.Sprintf("shadow-%d", c.want)
		w.apply("shop", name, "VirtualService", `{hosts: [auth-service.default.svc.cluster.local], exportTo: ["."], http: [{fault: {abort: {`+c.abort+`, percentage: {value: 100}}}, route: [{destination: {host: auth-service.default.svc.cluster.local}}]}]}`)
		w.eventually(c.abort, func() bool {
			err := check()
			return status.Code(err) == c.want && status.Convert(err).Message() == "fault filter abort"
		})
		must(t, w.cluster.Resource(schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}).Namespace("shop").Delete(t.Context(), name, metav1.DeleteOptions{}))
		w.eventually("it is over", func() bool { return check() == nil })
	}
}
