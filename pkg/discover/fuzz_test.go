package discover_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/suokelife/suokectl/pkg/discover"
)

// FuzzReply plays an agent that answers with anything. Whatever it is, the answer is instances that the query wants,
// or an error of one line that says what was attempted.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{
		`[{"Node": {"Node": "n", "Address": "a"}, "Service": {"ID": "i", "Service": "s", "Port": 1, "Meta": {"version": "v1"}}, "Checks": [{"CheckID": "c", "Status": "critical"}]}]`,
		`[{}]`, `[null]`, `null`, `{}`, ``, `[{"Node": {}, "Service": {}, "Checks": [null]}]`, `[{"Node": {}, "Service": {"Tags": null}}]`,
		`[{"Node": {}, "Service": {"Port": -1, "Meta": null}, "Checks": [{"Status": ""}]}]`, `[{"Node": {}, "Service": {"Port": "1"}}]`,
	} {
		f.Add(seed, "v1")
	}
	f.Fuzz(func(t *testing.T, reply, version string) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, reply)
		}))
		defer server.Close()
		c := client(t, discover.Config{Address: server.URL})
		got, err := c.Instances(t.Context(), "s", discover.Query{Version: version})
		var request *discover.RequestError
		switch {
		case err == nil && len(got) == 0:
			t.Error("an empty list without an error")
		case err != nil && !errors.Is(err, discover.ErrNoInstance) && !errors.As(err, &request):
			t.Errorf("%#v is of no known type", err)
		case request != nil && !strings.HasPrefix(err.Error(), "list the "):
			t.Errorf("%v does not say what was attempted", err)
		}
		for _, instance := range got {
			if version != "" && instance.Version != version || instance.Health != discover.Passing {
				t.Errorf("%+v was let in", instance)
			}
		}
	})
}

// FuzzCatalogue plays an agent that answers with anything to whatever is asked of all services and nodes.
func FuzzCatalogue(f *testing.F) {
	for _, seed := range []string{
		`{"a": ["t"], "b": []}`, `[{"Node": "n"}]`, `{"Node": {"Node": "n"}, "Services": [{"ID": "i", "Service": "s"}, null]}`,
		`[{"Node": "n", "ServiceID": "", "Status": "critical"}]`, `null`, `{}`, `[]`, `[null]`, ``, `{"Services": [{}]}`,
	} {
		f.Add(seed, seed, seed)
	}
	f.Add(`{"a": [], "b": []}`, `[{"Node": "n"}]`, `{"Node": {"Node": "n"}, "Services": [{"ID": "i", "Service": "a"}]}`)
	f.Fuzz(func(t *testing.T, services, nodes, others string) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/v1/catalog/services":
				_, _ = io.WriteString(w, services)
			case "/v1/catalog/nodes":
				_, _ = io.WriteString(w, nodes)
			default:
				_, _ = io.WriteString(w, others)
			}
		}))
		defer server.Close()
		c := client(t, discover.Config{Address: server.URL})
		_, ofServices := c.Services(t.Context(), discover.Query{})
		_, ofNodes := c.Nodes(t.Context(), discover.Query{})
		for _, err := range []error{ofServices, ofNodes} {
			var request *discover.RequestError
			if err != nil && !(errors.As(err, &request) && strings.HasPrefix(err.Error(), "list the ")) {
				t.Errorf("%#v is of no known type", err)
			}
		}
	})
}
