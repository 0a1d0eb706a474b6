package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	defaultWait = 5 * time.Minute
	maxWait     = 10 * time.Minute
)

// handler answers a request with a value to send as JSON, or with nothing.
type handler func(*http.Request) (any, error)

// blockingHandler makes the query that a read runs, perhaps several times.
type blockingHandler func(*http.Request) (func() answer, error)

// httpError is an error with the status it is answered with; any other is answered with 500.
type httpError struct {
	code int
	text string
}

func (e *httpError) Error() string { return e.text }

func badRequest(format string, a ...any) error {
	return &httpError{http.StatusBadRequest, fmt.Sprintf(format, a...)}
}

func notFound(format string, a ...any) error {
	return &httpError{http.StatusNotFound, fmt.Sprintf(format, a...)}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	put := func(path string, h handler) { mux.HandleFunc(path, only(http.MethodPut, s.plain(h))) }
	get := func(path string, h handler) { mux.HandleFunc(path, only(http.MethodGet, s.plain(h))) }
	read := func(path string, h blockingHandler) { mux.HandleFunc(path, only(http.MethodGet, s.blocking(h))) }

	get("/v1/agent/self", s.agentSelf)
	get("/v1/agent/members", s.agentMembers)
	get("/v1/agent/services", s.agentServices)
	get("/v1/agent/checks", s.agentChecks)
	put("/v1/agent/maintenance", s.maintainNode)
	get("/v1/agent/service/{id...}", s.agentService)
	put("/v1/agent/service/register", s.registerService)
	put("/v1/agent/service/deregister/{id...}", s.deregisterService)
	put("/v1/agent/service/maintenance/{id...}", s.maintainService)
	put("/v1/agent/check/register", s.registerCheck)
	put("/v1/agent/check/deregister/{id...}", s.deregisterCheck)
	put("/v1/agent/check/pass/{id...}", s.beat(api.HealthPassing))
	put("/v1/agent/check/warn/{id...}", s.beat(api.HealthWarning))
	put("/v1/agent/check/fail/{id...}", s.beat(api.HealthCritical))
	put("/v1/agent/check/update/{id...}", s.updateCheck)
	get("/v1/status/leader", func(*http.Request) (any, error) { return s.store.node.Address + ":8300", nil })
	get("/v1/catalog/datacenters", s.catalogDatacenters)
	read("/v1/catalog/services", s.catalogServices)
	read("/v1/catalog/nodes", s.catalogNodes)
	read("/v1/catalog/node/{name...}", s.catalogNode)
	read("/v1/catalog/node-services/{name...}", s.catalogNodeServices)
	read("/v1/catalog/service/{name...}", s.catalogService)
	read("/v1/health/service/{name...}", s.healthService)
	read("/v1/health/state/{name...}", s.healthChecks("Missing check state", inState))
	read("/v1/health/checks/{name...}", s.healthChecks("Missing service name", ofService))
	read("/v1/health/node/{name...}", s.healthChecks("Missing node name", onNode))
	mux.HandleFunc("/v1/kv/", s.keyValue)
	mux.HandleFunc("/", unknownPath)
	return mux
}

func unknownPath(w http.ResponseWriter, r *http.Request) {
	hint := "if attempting to use the HTTP API, ensure the path starts with '/v1/'"
	if strings.Contains(r.URL.Path, "/v1/") {
		hint = "not a recognized HTTP API endpoint"
	}
	http.Error(w, "Invalid URL path: "+hint, http.StatusNotFound)
}

func only(method string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			w.Header().Set("Allow", "OPTIONS,"+method)
			fail(w, &httpError{http.StatusMethodNotAllowed, "method " + r.Method + " not allowed"})
			return
		}
		w.Header().Set("X-Consul-Default-ACL-Policy", "allow")
		h(w, r)
	}
}

func (s *Server) plain(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		value, err := h(r)
		if err != nil {
			fail(w, err)
			return
		}
		send(w, value)
	}
}

func (s *Server) blocking(h blockingHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		after, wait, err := s.readOptions(r)
		if err != nil {
			fail(w, err)
			return
		}
		query, err := h(r)
		if err != nil {
			fail(w, err)
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(s.ctx, cancel)() //nolint:contextcheck // a read ends with its server too
		got := s.store.read(ctx, after, wait, query)
		header := w.Header()
		header.Set("X-Consul-Index", strconv.FormatUint(max(got.index, 1), 10))
		header.Set("X-Consul-KnownLeader", "true")
		header.Set("X-Consul-LastContact", "0")
		header.Set("X-Consul-Effective-Consistency", consistency(r))
		send(w, got.value)
	}
}

// readOptions reads ?index, ?wait and ?dc, and refuses what would change the answer and is not known here.
func (s *Server) readOptions(r *http.Request) (after uint64, wait time.Duration, err error) {
	query := r.URL.Query()
	if text := query.Get("wait"); text != "" {
		if wait, err = time.ParseDuration(text); err != nil {
			return 0, 0, badRequest("Invalid wait time")
		}
	}
	if text := query.Get("index"); text != "" {
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			return 0, 0, badRequest("Invalid index")
		}
	}
	if dc := query.Get("dc"); dc != "" && dc != s.options.Datacenter {
		return 0, 0, errors.New("No path to datacenter") //nolint:staticcheck // the engine's own text
	}
	if wait <= 0 {
		wait = defaultWait
	}
	wait = min(wait, maxWait)
	return after, wait + stagger(wait/16), nil
}

func consistency(r *http.Request) string {
	query := r.URL.Query()
	switch {
	case query.Has("stale"):
		return "stale"
	case query.Has("consistent"):
		return "consistent"
	}
	return "leader"
}

func send(w http.ResponseWriter, value any) {
	switch value := value.(type) {
	case nil:
		return
	case absent:
		w.WriteHeader(http.StatusNotFound)
		return
	case raw:
		value.send(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the client went away; there is nobody to tell
}

func fail(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	var known *httpError
	if errors.As(err, &known) {
		code = known.code
	}
	w.WriteHeader(code)
	_, _ = io.WriteString(w, err.Error()) // the client went away; there is nobody to tell
}
