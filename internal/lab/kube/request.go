package kube

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// A request is what a URL and a method ask of the API.
type request struct {
	verb            string // get, list, watch, create, update, patch, delete, deletecollection
	resource        *resource
	version         string
	namespace, name string
	status          bool // the status subresource
	dryRun          bool
	validation      string // Ignore, Warn or Strict
	labels          labels.Selector
	fields          fields.Selector
}

func (q *request) key() key { return key{q.resource, q.namespace, q.name} }

func (q *request) matches(o *object) bool {
	return q.labels.Matches(labels.Set(o.GetLabels())) &&
		q.fields.Matches(fields.Set{"metadata.name": o.GetName(), "metadata.namespace": o.GetNamespace()})
}

// selects reports whether an object is in the request's collection.
func (q *request) selects(k key, o *object) bool {
	return k.resource == q.resource && (q.namespace == "" || k.namespace == q.namespace) && q.matches(o)
}

// parse reads a request from its URL: /api/v1/… or /apis/GROUP/VERSION/…, then [namespaces/NS/]RESOURCE[/NAME[/status]].
func parse(r *http.Request) (*request, error) {
	notFound := apierrors.NewGenericServerResponse(http.StatusNotFound, r.Method, schema.GroupResource{}, "", "the server could not find the requested resource", 0, true)
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var group string
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		parts = parts[1:]
	case len(parts) >= 4 && parts[0] == "apis":
		group, parts = parts[1], parts[2:]
	default:
		return nil, notFound
	}
	q := &request{version: parts[0]}
	parts = parts[1:]
	if len(parts) >= 3 && parts[0] == "namespaces" && (find(group, q.version, parts[2]) != nil || group != "") {
		q.namespace, parts = parts[1], parts[2:]
	}
	q.resource = find(group, q.version, parts[0])
	if q.resource == nil || len(parts) > 3 || q.resource.clusterScoped != (q.namespace == "") && len(parts) > 1 {
		return nil, notFound
	}
	if len(parts) > 1 {
		q.name = parts[1]
	}
	if len(parts) == 3 {
		if q.status = parts[2] == "status" && q.resource.hasStatus(); !q.status {
			return nil, notFound
		}
	}
	if err := q.parseQuery(r.URL.Query()); err != nil {
		return nil, err
	}
	return q, q.parseVerb(r)
}

func (q *request) parseVerb(r *http.Request) error {
	verbs := map[string]string{"POST": "create", "GET": "list", "DELETE": "deletecollection"}
	if q.name != "" {
		verbs = map[string]string{"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
	}
	q.verb = verbs[r.Method]
	if watch := r.URL.Query().Get("watch"); q.verb == "list" && (watch == "true" || watch == "1") {
		q.verb = "watch"
	}
	if q.verb == "" || q.verb == "create" && !q.resource.clusterScoped && q.namespace == "" || q.status && q.verb == "delete" {
		return apierrors.NewMethodNotSupported(q.resource.groupResource(), strings.ToLower(r.Method))
	}
	return nil
}

func (q *request) parseQuery(query url.Values) (err error) {
	if dry := query["dryRun"]; len(dry) > 0 {
		if len(dry) != 1 || dry[0] != metav1.DryRunAll {
			return apierrors.NewBadRequest(fmt.Sprintf("dryRun: Unsupported value: %q: supported values: \"All\"", dry))
		}
		q.dryRun = true
	}
	switch q.validation = query.Get("fieldValidation"); q.validation {
	case "":
		q.validation = metav1.FieldValidationWarn
	case metav1.FieldValidationIgnore, metav1.FieldValidationWarn, metav1.FieldValidationStrict:
	default:
		return apierrors.NewBadRequest(fmt.Sprintf("fieldValidation: Unsupported value: %q", q.validation))
	}
	if q.labels, err = labels.Parse(query.Get("labelSelector")); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	if q.fields, err = fields.ParseSelector(query.Get("fieldSelector")); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	for _, r := range q.fields.Requirements() {
		if r.Field != "metadata.name" && r.Field != "metadata.namespace" {
			return apierrors.NewBadRequest("field label not supported: " + r.Field)
		}
	}
	return nil
}
