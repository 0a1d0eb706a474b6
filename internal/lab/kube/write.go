package kube

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func (s *Server) addNamespace(name string) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	k := key{resource: namespaces, name: name}
	if s.store.objects[k] != nil {
		return
	}
	o := &object{Object: map[string]any{"kind": "Namespace"}}
	o.SetName(name)
	s.stamp(namespaces, o)
	s.store.put(k, o)
}

// stamp gives a new object what the server owns: identity, age, generation, defaults.
func (s *Server) stamp(r *resource, o *object) {
	o.SetAPIVersion(r.apiVersion(r.versions[0]))
	o.SetUID(types.UID(uuid.NewString()))
	o.SetCreationTimestamp(metav1.NewTime(time.Now()))
	o.SetDeletionTimestamp(nil)
	o.SetResourceVersion("")
	if r.hasGeneration() {
		o.SetGeneration(1)
	}
	if r.hasStatus() {
		delete(o.Object, "status")
	}
	switch r {
	case jobs:
		defaultJob(o, s.options.SuspendJobs)
	case namespaces:
		o.SetLabels(merged(o.GetLabels(), map[string]string{"kubernetes.io/metadata.name": o.GetName()}))
		o.Object["status"] = map[string]any{"phase": "Active"}
	}
}

func (s *Server) create(w http.ResponseWriter, q *request, body []byte) (*object, error) {
	o, err := decode(body)
	if err != nil {
		return nil, err
	}
	if err := q.adopt(o); err != nil {
		return nil, err
	}
	if o.GetResourceVersion() != "" {
		return nil, apierrors.NewBadRequest("resourceVersion should not be set on objects to be created")
	}
	if err := s.checkFields(w, q, o); err != nil {
		return nil, err
	}
	s.stamp(q.resource, o)
	if errs := s.validate(q.resource, o); len(errs) > 0 {
		return nil, q.invalid(o.GetName(), errs)
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if err := s.namespaceTakes(q); err != nil {
		return nil, err
	}
	if s.store.objects[keyOf(q.resource, o)] != nil {
		return nil, apierrors.NewAlreadyExists(q.resource.groupResource(), o.GetName())
	}
	if !q.dryRun {
		s.store.put(keyOf(q.resource, o), o)
	}
	return o, nil
}

// adopt checks that a sent object is of the request's kind and place, and names it.
func (q *request) adopt(o *object) error {
	if want := q.resource.apiVersion(q.version); o.GetAPIVersion() != want || o.GetKind() != q.resource.kind {
		return apierrors.NewBadRequest(fmt.Sprintf("the object is %s of %s, the URL wants %s of %s", o.GetKind(), o.GetAPIVersion(), q.resource.kind, want))
	}
	if ns := o.GetNamespace(); ns != "" && ns != q.namespace {
		return apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	if !q.resource.clusterScoped {
		o.SetNamespace(q.namespace)
	}
	if o.GetName() == "" && o.GetGenerateName() != "" {
		o.SetName(o.GetGenerateName() + rand.String(5))
	}
	if q.name != "" && o.GetName() != q.name {
		return apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", o.GetName(), q.name))
	}
	return nil
}

func (s *Server) namespaceTakes(q *request) error {
	if q.resource.clusterScoped {
		return nil
	}
	ns := s.store.objects[key{resource: namespaces, name: q.namespace}]
	switch {
	case ns == nil:
		return apierrors.NewNotFound(namespaces.groupResource(), q.namespace)
	case ns.GetDeletionTimestamp() != nil:
		return apierrors.NewForbidden(q.resource.groupResource(), q.name, fmt.Errorf("unable to create new content in namespace %s because it is being terminated", q.namespace))
	}
	return nil
}

// checkFields drops unknown fields, which strict validation refuses and Warn reports in a header.
func (s *Server) checkFields(w http.ResponseWriter, q *request, o *object) error {
	schema := s.schemas[q.resource]
	if schema == nil {
		return nil
	}
	unknown := schema.prune("spec", o.Object["spec"])
	if len(unknown) == 0 || q.validation == metav1.FieldValidationIgnore {
		return nil
	}
	for i, path := range unknown {
		unknown[i] = fmt.Sprintf("unknown field %q", path)
		if q.validation == metav1.FieldValidationWarn {
			w.Header().Add("Warning", fmt.Sprintf("299 - %q", unknown[i]))
		}
	}
	if q.validation == metav1.FieldValidationStrict {
		return apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: strict decoding error: %s",
			q.resource.kind, q.version, q.resource.kind, strings.Join(unknown, ", ")))
	}
	return nil
}

func (s *Server) validate(r *resource, o *object) field.ErrorList {
	var errs field.ErrorList
	at := field.NewPath("metadata", "name")
	if o.GetName() == "" {
		errs = append(errs, field.Required(at, "name or generateName is required"))
	} else if problems := validation.IsDNS1123Subdomain(o.GetName()); len(problems) > 0 {
		errs = append(errs, field.Invalid(at, o.GetName(), problems[0]))
	}
	for name, value := range o.GetLabels() {
		for _, problem := range append(validation.IsQualifiedName(name), validation.IsValidLabelValue(value)...) {
			errs = append(errs, field.Invalid(field.NewPath("metadata", "labels"), name+"="+value, problem))
		}
	}
	if schema := s.schemas[r]; schema != nil && o.Object["spec"] != nil {
		errs = append(errs, schema.validate(field.NewPath("spec"), o.Object["spec"])...)
	}
	if r == jobs && len(errs) == 0 {
		errs = validateJob(o)
	}
	return errs
}

// invalid makes the error of failed validation. A built-in kind with a value of the wrong type is not even decoded.
func (q *request) invalid(name string, errs field.ErrorList) error {
	for _, e := range errs {
		if !q.resource.custom && e.Type == field.ErrorTypeTypeInvalid {
			return apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %v", q.resource.kind, q.version, q.resource.kind, e))
		}
	}
	return apierrors.NewInvalid(q.resource.groupKind(), name, errs)
}

func (s *Server) replace(w http.ResponseWriter, q *request, body []byte) (*object, error) {
	next, err := decode(body)
	if err != nil {
		return nil, err
	}
	if err := q.adopt(next); err != nil {
		return nil, err
	}
	if err := s.checkFields(w, q, next); err != nil {
		return nil, err
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	current, err := s.lookup(q)
	if err != nil {
		return nil, err
	}
	return s.update(q, current, next)
}

func (s *Server) patch(w http.ResponseWriter, q *request, contentType string, body []byte) (*object, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	current, err := s.lookup(q)
	if err != nil {
		return nil, err
	}
	patched, err := applyPatch(contentType, present(q, current).DeepCopy().Object, body)
	if err != nil {
		return nil, err
	}
	next := &object{Object: patched}
	if err := q.adopt(next); err != nil {
		return nil, err
	}
	if err := s.checkFields(w, q, next); err != nil {
		return nil, err
	}
	return s.update(q, current, next)
}

// update replaces current by next under the API's rules for concurrency and for what clients may not change.
func (s *Server) update(q *request, current, next *object) (*object, error) {
	if err := checkConcurrency(q, current, next); err != nil {
		return nil, err
	}
	keepServerFields(q, current, next)
	errs := s.validate(q.resource, next)
	if q.resource == jobs {
		errs = append(errs, validateJobUpdate(current, next)...)
	}
	if len(errs) > 0 {
		return nil, q.invalid(q.name, errs)
	}
	if q.resource.hasGeneration() && !equality.Semantic.DeepEqual(current.Object["spec"], next.Object["spec"]) {
		next.SetGeneration(current.GetGeneration() + 1)
	}
	if equality.Semantic.DeepEqual(current.Object, next.Object) {
		return current, nil
	}
	if q.dryRun {
		return next, nil
	}
	if next.GetDeletionTimestamp() != nil && len(next.GetFinalizers()) == 0 {
		s.store.remove(q.key())
		return next, nil
	}
	s.store.put(q.key(), next)
	return next, nil
}

func checkConcurrency(q *request, current, next *object) error {
	if uid := next.GetUID(); uid != "" && uid != current.GetUID() {
		return apierrors.NewConflict(q.resource.groupResource(), q.name,
			fmt.Errorf("Precondition failed: UID in precondition: %s, UID in object meta: %s", uid, current.GetUID()))
	}
	switch version := next.GetResourceVersion(); {
	case version == "" && q.resource.custom:
		return apierrors.NewInvalid(q.resource.groupKind(), q.name, field.ErrorList{
			field.Invalid(field.NewPath("metadata", "resourceVersion"), "0x0", "must be specified for an update")})
	case version != "" && version != current.GetResourceVersion():
		return apierrors.NewConflict(q.resource.groupResource(), q.name,
			fmt.Errorf("the object has been modified; please apply your changes to the latest version and try again"))
	}
	return nil
}

// keepServerFields puts back what an update cannot change: identity, age, and status (or all but status).
func keepServerFields(q *request, current, next *object) {
	if q.status {
		status := next.Object["status"]
		next.Object = current.DeepCopy().Object
		next.Object["status"] = status
		return
	}
	next.SetAPIVersion(current.GetAPIVersion())
	next.SetResourceVersion(current.GetResourceVersion())
	next.SetUID(current.GetUID())
	next.SetCreationTimestamp(current.GetCreationTimestamp())
	next.SetDeletionTimestamp(current.GetDeletionTimestamp())
	next.SetDeletionGracePeriodSeconds(current.GetDeletionGracePeriodSeconds())
	next.SetGeneration(current.GetGeneration())
	if q.resource.hasStatus() {
		delete(next.Object, "status")
		if status, there := current.DeepCopy().Object["status"]; there {
			next.Object["status"] = status
		}
	}
}

func merged(into, from map[string]string) map[string]string {
	if into == nil {
		into = map[string]string{}
	}
	for k, v := range from {
		into[k] = v
	}
	return into
}
