package chaos_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/suokelife/suokectl/internal/lab/kube"
	"github.com/suokelife/suokectl/pkg/chaos"
)

func TestRenderGolden(t *testing.T) {
	abort := chaos.Fault{Service: "auth-service", AbortGRPC: "UNAVAILABLE", AbortPercent: 0.5, TTL: 5 * time.Minute}
	for _, c := range []struct {
		golden string
		fault  chaos.Fault
		source *unstructured.Unstructured
	}{
		{"specification", fault(), virtualService("default", "auth-service", readSpec(t, "auth-service.yaml"))},
		{"everything", abort, virtualService("default", "auth-service", readSpec(t, "everything.yaml"))},
		{"no-source", abort, nil},
	} {
		t.Run(c.golden, func(t *testing.T) {
			shadow, err := chaos.Render(c.fault, "auth-service-fault", "shop", c.source, chaos.Options{})
			must(t, err)
			var got bytes.Buffer
			for _, o := range []*unstructured.Unstructured{shadow.Job, shadow.VirtualService} {
				text, err := yaml.Marshal(o.Object)
				must(t, err)
				got.WriteString("---\n" + string(text))
			}
			path := filepath.Join("testdata", c.golden+".golden.yaml")
			if *update {
				must(t, os.WriteFile(path, got.Bytes(), 0o600))
			}
			want, err := os.ReadFile(path)
			must(t, err)
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("rendered (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*chaos.Fault)
		text   string
	}{
		{"no service", func(f *chaos.Fault) { f.Service = "" }, "service"},
		{"a host for a service", func(f *chaos.Fault) { f.Service = "auth.default" }, "service"},
		{"a bad namespace", func(f *chaos.Fault) { f.Namespace = "A" }, "namespace"},
		{"a namespace twice", func(f *chaos.Fault) { f.ClientNamespaces = []string{"a", "a"} }, "twice"},
		{"nothing", func(f *chaos.Fault) { *f = chaos.Fault{Service: "a", TTL: time.Second} }, "does nothing"},
		{"a tiny delay", func(f *chaos.Fault) { f.Delay = time.Microsecond }, "1ms"},
		{"a delay without a share", func(f *chaos.Fault) { f.DelayPercent = 0 }, "delay percentage"},
		{"a share without a delay", func(f *chaos.Fault) { f.Delay = 0 }, "without a delay"},
		{"a negative share", func(f *chaos.Fault) { f.AbortPercent = -1 }, "abort percentage"},
		{"a share below the resolution", func(f *chaos.Fault) { f.AbortPercent = 0.00001 }, "0.0001"},
		{"both kinds of abort", func(f *chaos.Fault) { f.AbortGRPC = "INTERNAL" }, "not both"},
		{"an odd status", func(f *chaos.Fault) { f.AbortHTTP = 99 }, "200 to 599"},
		{"an unknown status", func(f *chaos.Fault) { f.AbortHTTP, f.AbortGRPC = 0, "OK" }, "UNAVAILABLE"},
		{"a share without a status", func(f *chaos.Fault) { f.AbortHTTP = 0 }, "without an abort status"},
		{"no ttl", func(f *chaos.Fault) { f.TTL = 0 }, "ttl"},
		{"a broken second", func(f *chaos.Fault) { f.TTL = 1500 * time.Millisecond }, "whole seconds"},
	} {
		f := fault()
		c.change(&f)
		err := f.Validate()
		if err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: want %q, got %v", c.name, c.text, err)
			continue
		}
		wantIs(t, err, chaos.ErrInvalidFault)
	}
	must(t, fault().Validate())
}

func TestParseAbort(t *testing.T) {
	var f chaos.Fault
	must(t, f.ParseAbort("unavailable"))
	if f.AbortGRPC != "UNAVAILABLE" || f.AbortHTTP != 0 {
		t.Errorf("got %+v", f)
	}
	must(t, f.ParseAbort("503"))
	if f.AbortGRPC != "" || f.AbortHTTP != 503 {
		t.Errorf("got %+v", f)
	}
	wantIs(t, f.ParseAbort("UNAVAILABEL"), chaos.ErrInvalidFault)
	wantIs(t, f.ParseAbort("700"), chaos.ErrInvalidFault)
}

func TestWarnings(t *testing.T) {
	c := newCluster(t, kube.Options{})
	c.apply("default", "other", parseSpec(t, `{hosts: [other], http: [{redirect: {uri: /}, match: [{uri: {exact: /a}}]}, {fault: {abort: {httpStatus: 500}}, route: [{destination: {host: other}}]}], tcp: [{route: [{destination: {host: other}}]}]}`))
	for service, want := range map[string][]string{
		"auth-service": {"UNKNOWN, which the specification's retry (G3) never retries", "reaches the deadline of a call (5s"},
		"other":        {"redirects or answers by itself", "has a fault of its own", "TCP and TLS routes"},
	} {
		f := fault()
		f.Service = service
		plan, err := c.chaos.Preflight(t.Context(), f)
		must(t, err)
		for _, text := range want {
			if !slices.ContainsFunc(plan.Warnings, func(w string) bool { return strings.Contains(w, text) }) {
				t.Errorf("%s: no warning with %q in %q", service, text, plan.Warnings)
			}
		}
	}
}

// routing draws the specification of a VirtualService in namespace default.
func routing() *rapid.Generator[map[string]any] {
	host := rapid.SampledFrom([]string{"auth-service", "other", "x.elsewhere", "far.example.com"})
	destination := rapid.Custom(func(t *rapid.T) any { return map[string]any{"host": host.Draw(t, "host")} })
	route := rapid.Custom(func(t *rapid.T) any {
		r := map[string]any{"route": []any{map[string]any{"destination": destination.Draw(t, "destination")}}}
		if rapid.Bool().Draw(t, "matched") {
			r["match"] = []any{map[string]any{"uri": map[string]any{"prefix": "/" + rapid.StringMatching(`[a-z]{0,3}`).Draw(t, "prefix")}}}
		}
		if rapid.Bool().Draw(t, "mirrored") {
			r["mirror"] = destination.Draw(t, "mirror")
		}
		if rapid.Bool().Draw(t, "faulted") {
			r["fault"] = map[string]any{"abort": map[string]any{"httpStatus": int64(418), "percentage": map[string]any{"value": float64(1)}}}
		}
		return r
	})
	return rapid.Custom(func(t *rapid.T) map[string]any {
		return map[string]any{"hosts": []any{"auth-service"}, "http": rapid.SliceOfN(route, 1, 4).Draw(t, "http")}
	})
}

// TestShadowIsTheSourceButForTheFault: taking the fault off and reading hosts in the source's namespace gives the source.
func TestShadowIsTheSourceButForTheFault(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source := virtualService("default", "auth-service", routing().Draw(t, "source"))
		before := source.DeepCopy()
		shadow, err := chaos.Render(fault(), "f", "shop", source, chaos.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(before.Object, source.Object) {
			t.Fatal("the source was changed")
		}
		was, _, _ := unstructured.NestedSlice(before.Object, "spec", "http")
		is, _, _ := unstructured.NestedSlice(shadow.VirtualService.Object, "spec", "http")
		for i := range is {
			route := is[i].(map[string]any)
			if route["fault"] == nil {
				t.Fatalf("route %d has no fault", i)
			}
			delete(route, "fault")
			if original := was[i].(map[string]any); original["fault"] != nil {
				route["fault"] = original["fault"]
			}
			shorten(route)
		}
		for i := range was {
			shorten(was[i])
		}
		if diff := cmp.Diff(was, is); diff != "" {
			t.Fatalf("the routes differ:\n%s", diff)
		}
	})
}

// shorten takes the source's namespace off all hosts.
func shorten(node any) {
	switch v := node.(type) {
	case map[string]any:
		if host, ok := v["host"].(string); ok {
			v["host"] = strings.TrimSuffix(host, ".default.svc.cluster.local")
		}
		for _, child := range v {
			shorten(child)
		}
	case []any:
		for _, child := range v {
			shorten(child)
		}
	}
}

// TestClearAfterInjectIsIdentity: whatever the routing, the cluster is afterwards what it was.
func TestClearAfterInjectIsIdentity(t *testing.T) {
	c := newCluster(t, kube.Options{Namespaces: []string{"rapid"}})
	rapid.Check(t, func(r *rapid.T) {
		spec := routing().Draw(r, "source")
		spec["hosts"] = []any{"drawn"}
		c.apply("rapid", "drawn", spec)
		defer func() {
			must(t, c.client.Resource(virtualServices).Namespace("rapid").Delete(t.Context(), "drawn", metav1.DeleteOptions{}))
		}()
		before := c.objects(virtualServices)
		f := fault()
		f.Service, f.Namespace = "drawn", "rapid"
		leases := c.inject(f)
		if len(leases) != 1 {
			r.Fatalf("got leases %v", leases)
		}
		if _, err := c.chaos.Clear(t.Context()); err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(before, c.objects(virtualServices)); diff != "" {
			r.Fatalf("not the identity:\n%s", diff)
		}
	})
}

// FuzzRender: whatever a VirtualService holds, rendering neither panics nor changes it, and what it makes is private.
func FuzzRender(f *testing.F) {
	for _, name := range []string{"auth-service.yaml", "everything.yaml"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		must(f, err)
		raw, err := yaml.YAMLToJSON(text)
		must(f, err)
		f.Add(raw)
	}
	f.Add([]byte(`{"http":[{"route":[1,{"destination":"x"},{"destination":{"host":1}}],"match":[null,{}],"mirror":[]},7,null]}`))
	f.Add([]byte(`{"http":[{"match":"x","route":{},"rewrite":{"authority":2}}],"hosts":"x"}`))
	f.Fuzz(func(t *testing.T, spec []byte) {
		source := &unstructured.Unstructured{}
		if source.UnmarshalJSON([]byte(`{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"namespace":"default","name":"x"},"spec":`+string(spec)+`}`)) != nil {
			return
		}
		before := source.DeepCopy()
		shadow, err := chaos.Render(fault(), "f", "shop", source, chaos.Options{})
		if !reflect.DeepEqual(before.Object, source.Object) {
			t.Fatal("the source was changed")
		}
		if err != nil {
			wantIs(t, err, chaos.ErrUnfaultable)
			return
		}
		if exported, _, _ := unstructured.NestedStringSlice(shadow.VirtualService.Object, "spec", "exportTo"); len(exported) != 1 || exported[0] != "." {
			t.Fatalf("exported to %v", exported)
		}
	})
}
