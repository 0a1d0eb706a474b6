package mesh

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// abortBody is what Envoy's fault filter answers.
const abortBody = "fault filter abort"

// grpcCodes are the numbers of the names that a fault can abort with.
var grpcCodes = []string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
	"DATA_LOSS", "UNAUTHENTICATED",
}

// httpOfGRPC is Envoy's HTTP status for each gRPC code, for callers that do not speak gRPC.
var httpOfGRPC = []int{200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401}

// proxy handles one call: route, fault, upstream.
func (s *Server) proxy(w http.ResponseWriter, r *http.Request) {
	call := &Call{Time: time.Now(), Method: r.Method, Host: r.Host, Path: r.URL.Path}
	defer func() {
		call.Duration = time.Since(call.Time)
		s.recorder.record(*call)
	}()
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = dialled(host, s.options.ServiceNamespace)
	routing := s.routing.Load()
	route, vs, err := routing.route(r, host, s.options.Namespace)
	switch {
	case err != nil:
		reply(w, r, call, "", http.StatusNotImplemented, err.Error())
		return
	case route == nil:
		reply(w, r, call, "NR", http.StatusNotFound, "")
		return
	}
	if !s.injected(w, r, route.Fault, call) {
		s.send(w, r, routing, route, vs, call)
	}
}

// route returns what to do with a call: the matching route of the VirtualService in force, or the default route when there is none.
func (r *routing) route(request *http.Request, host, client string) (*httpRoute, *virtualService, error) {
	vs := r.forHost(host, client)
	if vs == nil {
		route := new(httpRoute)
		route.Route = make([]weighted, 1)
		route.Route[0].Destination.Host = host
		return route, nil, nil
	}
	route, err := vs.choose(request)
	return route, vs, err
}

// injected delays a call as its route's fault says, and reports whether it was aborted. Both are sampled, each for itself.
func (s *Server) injected(w http.ResponseWriter, r *http.Request, f *fault, call *Call) bool {
	if f == nil {
		return false
	}
	delayed := f.Delay != nil && f.Delay.Percentage.hits(s.chance())
	aborted := f.Abort != nil && f.Abort.Percentage.hits(s.chance())
	if delayed {
		call.flag("DI")
		if !wait(r.Context(), time.Duration(f.Delay.FixedDelay)) {
			return true // the caller is gone
		}
	}
	if !aborted {
		return false
	}
	if code := slices.Index(grpcCodes, f.Abort.GRPCStatus); code >= 0 {
		replyGRPC(w, r, call, "FI", code, abortBody)
	} else {
		reply(w, r, call, "FI", f.Abort.HTTPStatus, abortBody)
	}
	return true
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// send chooses an instance and passes the call on.
func (s *Server) send(w http.ResponseWriter, r *http.Request, routing *routing, route *httpRoute, vs *virtualService, call *Call) {
	host, subset, found := route.pick(s.chance())
	if !found {
		reply(w, r, call, "NR", http.StatusNotFound, "")
		return
	}
	if vs != nil {
		host = fullName(host, vs.object.GetNamespace())
	}
	labels, err := routing.labels(host, subset, s.options.Namespace)
	if err != nil {
		reply(w, r, call, "NC", http.StatusServiceUnavailable, "")
		return
	}
	service, _, _ := strings.Cut(host, ".")
	addresses, err := s.options.Endpoints(r.Context(), service, labels)
	if err != nil || len(addresses) == 0 {
		reply(w, r, call, "UH", http.StatusServiceUnavailable, "no healthy upstream")
		return
	}
	call.Upstream = addresses[s.turn.Add(1)%uint64(len(addresses))]
	s.forward(w, r, call.Upstream, call)
}

// reply answers instead of the service, as a gRPC status when the caller speaks gRPC.
func reply(w http.ResponseWriter, r *http.Request, call *Call, flag string, status int, body string) {
	if isGRPC(r) {
		replyGRPC(w, r, call, flag, grpcOfHTTP(status), body)
		return
	}
	call.flag(flag)
	call.Status = status
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // fails only when the caller is gone
}

func replyGRPC(w http.ResponseWriter, r *http.Request, call *Call, flag string, code int, message string) {
	if !isGRPC(r) {
		reply(w, r, call, flag, httpOfGRPC[code], message)
		return
	}
	call.flag(flag)
	call.Status = http.StatusOK
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Grpc-Status", strconv.Itoa(code))
	w.Header().Set("Grpc-Message", message)
	w.WriteHeader(http.StatusOK)
}

func isGRPC(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}

// grpcOfHTTP is the gRPC code of an HTTP status, by gRPC's http-grpc-status-mapping.
func grpcOfHTTP(status int) int {
	codes := map[int]string{
		400: "INTERNAL", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "UNIMPLEMENTED",
		429: "UNAVAILABLE", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "UNAVAILABLE", 501: "UNIMPLEMENTED",
	}
	if name, known := codes[status]; known {
		return slices.Index(grpcCodes, name)
	}
	return slices.Index(grpcCodes, "UNKNOWN")
}
