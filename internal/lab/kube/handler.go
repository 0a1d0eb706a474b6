package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// bodyLimit is the largest request body that kube-apiserver takes.
const bodyLimit = 3 << 20

// ServeHTTP answers one request; failures are metav1.Status objects, as from the real API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if serveDiscovery(w, r) {
		return
	}
	q, err := parse(r)
	if err == nil {
		err = s.authorize(q)
	}
	if err != nil {
		writeError(w, err)
		return
	}
	if q.verb == "watch" {
		s.serveWatch(w, r, q)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if err != nil {
		writeError(w, apierrors.NewRequestEntityTooLargeError(err.Error()))
		return
	}
	status, answer, err := s.answer(w, r, q, body)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, status, answer)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, q *request, body []byte) (int, any, error) {
	var o *object
	var err error
	status := http.StatusOK
	switch q.verb {
	case "list":
		return status, s.list(q), nil
	case "delete", "deletecollection":
		answer, err := s.delete(q, r, body)
		return status, answer, err
	case "get":
		o, err = s.get(q)
	case "create":
		status = http.StatusCreated
		o, err = s.create(w, q, body)
	case "update":
		o, err = s.replace(w, q, body)
	case "patch":
		o, err = s.patch(w, q, r.Header.Get("Content-Type"), body)
	}
	if err != nil {
		return 0, nil, err
	}
	return status, present(q, o).Object, nil
}

func (s *Server) authorize(q *request) error {
	if s.options.Deny == nil || !s.options.Deny(q.verb, q.resource.plural, q.namespace) {
		return nil
	}
	return apierrors.NewForbidden(q.resource.groupResource(), q.name, fmt.Errorf(
		"User \"lab\" cannot %s resource %q in API group %q in the namespace %q", q.verb, q.resource.plural, q.resource.group, q.namespace))
}

// present shows a stored object in the request's version.
func present(q *request, o *object) *object {
	shown := make(map[string]any, len(o.Object))
	for k, v := range o.Object {
		shown[k] = v
	}
	shown["apiVersion"] = q.resource.apiVersion(q.version)
	return &object{Object: shown}
}

func (s *Server) get(q *request) (*object, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	return s.lookup(q)
}

func (s *Server) lookup(q *request) (*object, error) {
	if o := s.store.objects[q.key()]; o != nil {
		return o, nil
	}
	return nil, apierrors.NewNotFound(q.resource.groupResource(), q.name)
}

func (s *Server) list(q *request) any {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	items := []any{}
	for _, o := range s.store.list(q.selects) {
		items = append(items, present(q, o).Object)
	}
	return map[string]any{
		"apiVersion": q.resource.apiVersion(q.version),
		"kind":       q.resource.kind + "List",
		"metadata":   map[string]any{"resourceVersion": fmt.Sprint(s.store.revision)},
		"items":      items,
	}
}

func writeError(w http.ResponseWriter, err error) {
	var known apierrors.APIStatus
	status := metav1.Status{Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError, Message: err.Error()}
	if errors.As(err, &known) {
		status = known.Status()
	}
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	writeJSON(w, int(status.Code), status)
}

// serveDiscovery answers the few paths that describe the server.
func serveDiscovery(w http.ResponseWriter, r *http.Request) bool {
	answers := map[string]func() any{
		"/version": func() any { return map[string]string{"major": "1", "minor": "34", "gitVersion": "v1.34.1"} },
		"/api": func() any {
			return metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}}
		},
		"/apis": func() any { return groupList() },
	}
	switch answer, known := answers[r.URL.Path]; {
	case r.URL.Path == "/healthz" || r.URL.Path == "/livez" || r.URL.Path == "/readyz":
		_, _ = io.WriteString(w, "ok")
		return true
	case known:
		writeJSON(w, http.StatusOK, answer())
		return true
	}
	for _, served := range catalogue {
		for _, version := range served.versions {
			if r.URL.Path == groupPath(served.group, version) {
				writeJSON(w, http.StatusOK, resourceList(served.group, version))
				return true
			}
		}
	}
	return false
}

func groupPath(group, version string) string {
	if group == "" {
		return "/api/" + version
	}
	return "/apis/" + group + "/" + version
}

func groupList() metav1.APIGroupList {
	list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	seen := map[string]bool{"": true}
	for _, r := range catalogue {
		if seen[r.group] {
			continue
		}
		seen[r.group] = true
		group := metav1.APIGroup{Name: r.group}
		for _, version := range r.versions {
			group.Versions = append(group.Versions, metav1.GroupVersionForDiscovery{GroupVersion: r.apiVersion(version), Version: version})
		}
		group.PreferredVersion = group.Versions[0]
		list.Groups = append(list.Groups, group)
	}
	return list
}

func resourceList(group, version string) metav1.APIResourceList {
	list := metav1.APIResourceList{
		TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
		GroupVersion: schema.GroupVersion{Group: group, Version: version}.String(),
	}
	for _, r := range catalogue {
		if find(group, version, r.plural) == r {
			list.APIResources = append(list.APIResources, metav1.APIResource{
				Name: r.plural, Kind: r.kind, Namespaced: !r.clusterScoped,
				Verbs: metav1.Verbs{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"},
			})
		}
	}
	return list
}

func decode(body []byte) (*object, error) {
	o := new(object)
	if err := o.UnmarshalJSON(body); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return o, nil
}

func decodeInto(body []byte, into any) error {
	if len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	return nil
}
