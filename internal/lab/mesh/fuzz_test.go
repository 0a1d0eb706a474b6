package mesh

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// FuzzRoute: whatever a VirtualService holds, a call is routed, refused or sent the default way, and nothing panics.
func FuzzRoute(f *testing.F) {
	f.Add([]byte(`{"hosts":["auth-service"],"http":[{"match":[{"headers":{"x":{"regex":"("}},"uri":{"prefix":"/"}}],"route":[{"destination":{"host":"a"},"weight":-1}]}]}`))
	f.Add([]byte(`{"hosts":["*.cluster.local"],"exportTo":["."],"http":[{"fault":{"delay":{"fixedDelay":"1x"}}},{"redirect":{}}]}`))
	f.Add([]byte(`{"hosts":["*"],"gateways":["mesh"],"http":[{"fault":{"abort":{"grpcStatus":"NO","percentage":null}},"route":[{"destination":{}},{"weight":3}]}]}`))
	f.Add([]byte(`{"hosts":7,"http":{}}`))
	f.Fuzz(func(t *testing.T, spec []byte) {
		vs := unstructured.Unstructured{}
		if vs.UnmarshalJSON([]byte(`{"kind":"VirtualService","metadata":{"name":"a","namespace":"default"},"spec":`+string(spec)+`}`)) != nil {
			return
		}
		r := newRouting([]unstructured.Unstructured{vs}, nil)
		route, _, err := r.route(httptest.NewRequest(http.MethodGet, "/x", nil), "auth-service.default.svc.cluster.local", "shop")
		if err != nil || route == nil {
			return
		}
		for _, chance := range []float64{0, 0.5, 0.999} {
			if host, _, found := route.pick(chance); !found && host != "" {
				t.Errorf("picked %q and found nothing", host)
			}
		}
	})
}
