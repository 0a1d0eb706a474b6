package kube_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/suokelife/suokectl/internal/lab/kube"
)

var configmaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func client(t testing.TB, config *rest.Config) dynamic.ResourceInterface {
	t.Helper()
	config = rest.CopyConfig(config)
	config.QPS = -1
	c, err := dynamic.NewForConfig(config)
	must(t, err)
	return c.Resource(configmaps).Namespace("default")
}

func configMap(name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
	o.SetName(name)
	return o
}

func TestKubeconfigLeadsToTheServer(t *testing.T) {
	server := start(t, kube.Options{})
	path := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, os.WriteFile(path, nil, 0o644))
	must(t, server.WriteKubeconfig(path))
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the kubeconfig has mode %v", info.Mode())
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	must(t, err)
	_, err = client(t, config).List(t.Context(), metav1.ListOptions{})
	must(t, err)
}

// TestSlowWatcherIsToldThatItMissedEvents: what is forgotten is an error, never a gap.
func TestSlowWatcherIsToldThatItMissedEvents(t *testing.T) {
	server := start(t, kube.Options{})
	c := client(t, server.Config())
	o, err := c.Create(t.Context(), configMap("a"), metav1.CreateOptions{})
	must(t, err)
	first := o.GetResourceVersion()
	for i := range 1100 {
		o.SetLabels(map[string]string{"n": strconv.Itoa(i)})
		o, err = c.Update(t.Context(), o, metav1.UpdateOptions{})
		must(t, err)
	}
	events, err := c.Watch(t.Context(), metav1.ListOptions{ResourceVersion: first})
	must(t, err)
	defer events.Stop()
	event := <-events.ResultChan()
	if err := apierrors.FromObject(event.Object); !apierrors.IsResourceExpired(err) {
		t.Fatalf("got %v: %v", event.Type, err)
	}
}

func TestBadRequests(t *testing.T) {
	server := start(t, kube.Options{})
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/", "", 404},
		{"GET", "/api/v1/nonsense", "", 404},
		{"GET", "/api/v1/namespaces/default/configmaps/a/b/c", "", 404},
		{"GET", "/apis/networking.istio.io/v9/virtualservices", "", 404},
		{"GET", "/api/v1/configmaps?labelSelector=((", "", 400},
		{"GET", "/api/v1/configmaps?fieldSelector=data.k=v", "", 400},
		{"GET", "/api/v1/configmaps?watch=true&resourceVersion=soon", "", 400},
		{"GET", "/api/v1/configmaps?watch=true&sendInitialEvents=true", "", 422},
		{"POST", "/api/v1/configmaps", "{}", 405},
		{"POST", "/api/v1/namespaces/default/configmaps", "", 400},
		{"POST", "/api/v1/namespaces/default/configmaps", "{", 400},
		{"POST", "/api/v1/namespaces/default/configmaps", `{"kind":"Job","apiVersion":"batch/v1"}`, 400},
		{"POST", "/api/v1/namespaces/default/configmaps", `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"namespace":"other","name":"a"}}`, 400},
		{"POST", "/api/v1/namespaces/default/configmaps", `{"kind":"ConfigMap","apiVersion":"v1"}`, 422},
		{"POST", "/api/v1/namespaces/default/configmaps", `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"A_B"}}`, 422},
		{"POST", "/api/v1/namespaces/default/configmaps?dryRun=Some", `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"}}`, 400},
		{"POST", "/apis/batch/v1/namespaces/default/jobs", `{"kind":"Job","apiVersion":"batch/v1","metadata":{"name":"a"}}`, 422},
		{"PATCH", "/api/v1/namespaces/default", "{}", 400},
		{"DELETE", "/api/v1/namespaces/default?propagationPolicy=Sometimes", "", 400},
		{"POST", "/api/v1/namespaces/default/configmaps", `"` + strings.Repeat("x", 4<<20) + `"`, 413},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, server.URL()+c.path, bytes.NewBufferString(c.body))
		must(t, err)
		response, err := http.DefaultClient.Do(request)
		must(t, err)
		var status metav1.Status
		decodeErr := json.NewDecoder(response.Body).Decode(&status)
		must(t, response.Body.Close())
		if response.StatusCode != c.want || decodeErr != nil || status.Kind != "Status" || int(status.Code) != c.want || status.Message == "" {
			t.Errorf("%s %s: got %d, %+v (%v), want %d", c.method, c.path, response.StatusCode, status, decodeErr, c.want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestDiscovery(t *testing.T) {
	server := start(t, kube.Options{})
	for path, want := range map[string]string{
		"/version": `"minor":"34"`, "/api": `"v1"`, "/apis": `"networking.istio.io/v1beta1"`, "/readyz": "ok",
		"/api/v1": `"configmaps"`, "/apis/batch/v1": `"jobs"`, "/apis/security.istio.io/v1": `"peerauthentications"`,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL()+path, nil)
		must(t, err)
		response, err := http.DefaultClient.Do(request)
		must(t, err)
		body, err := io.ReadAll(response.Body)
		must(t, err)
		must(t, response.Body.Close())
		if !strings.Contains(string(body), want) {
			t.Errorf("%s: %s", path, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestCloseEndsWatches: Close neither waits for watchers nor leaves them hanging.
func TestCloseEndsWatches(t *testing.T) {
	server, err := kube.Start(kube.Options{})
	must(t, err)
	events, err := client(t, server.Config()).Watch(context.Background(), metav1.ListOptions{})
	must(t, err)
	must(t, server.Close())
	for range events.ResultChan() { // until the stream ends
	}
}

// FuzzRequest: whatever is sent, the server answers with a status and goes on.
func FuzzRequest(f *testing.F) {
	server, err := kube.Start(kube.Options{})
	must(f, err)
	f.Cleanup(func() { _ = server.Close() })
	f.Add("PATCH", "/api/v1/namespaces/default", "application/json-patch+json", []byte(`[{"op":"add","path":"/metadata/labels/a","value":"b"},{"op":"move","from":"/metadata/labels","path":"/x"}]`))
	f.Add("PATCH", "/api/v1/namespaces/default", "application/merge-patch+json", []byte(`{"metadata":{"labels":null},"spec":{"finalizers":[1]}}`))
	f.Add("POST", "/apis/batch/v1/namespaces/default/jobs", "application/json", []byte(`{"kind":"Job","apiVersion":"batch/v1","metadata":{"name":"a","ownerReferences":[{}]},"spec":{"template":7}}`))
	f.Add("POST", "/apis/networking.istio.io/v1/namespaces/default/virtualservices", "application/json", []byte(`{"kind":"VirtualService","apiVersion":"networking.istio.io/v1","metadata":{"generateName":"a"},"spec":{"http":[{"fault":{"delay":{"fixedDelay":"x"}}}]}}`))
	f.Add("DELETE", "/apis/batch/v1/namespaces/default/jobs/a", "application/json", []byte(`{"propagationPolicy":"Foreground","preconditions":{"uid":"x"}}`))
	f.Fuzz(func(t *testing.T, method, path, contentType string, body []byte) {
		if strings.Contains(path, "watch") || !strings.HasPrefix(path, "/") {
			return // a watch does not end
		}
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL(), bytes.NewReader(body))
		if err != nil {
			return
		}
		request.URL.Path = path
		request.Header = http.Header{"Content-Type": {contentType}}
		recorded := &discard{header: http.Header{}}
		server.ServeHTTP(recorded, request)
		if recorded.status < 200 || recorded.status >= 500 {
			t.Fatalf("%s %s: %d", method, path, recorded.status)
		}
	})
}

// discard is a response writer that keeps the status only.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(status int) {
	d.status = status
}

func (d *discard) Write(b []byte) (int, error) {
	if d.status == 0 {
		d.status = http.StatusOK
	}
	return len(b), nil
}
