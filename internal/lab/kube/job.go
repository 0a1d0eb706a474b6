package kube

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// defaultJob fills in what the API server fills in, and what a queueing webhook would.
func defaultJob(o *object, suspend bool) {
	spec, _, err := unstructured.NestedMap(o.Object, "spec")
	if err != nil || spec == nil {
		return // validation will say so
	}
	defaults := map[string]any{
		"backoffLimit": int64(6), "completionMode": "NonIndexed", "suspend": false,
		"manualSelector": false, "podReplacementPolicy": "TerminatingOrFailed",
	}
	if spec["parallelism"] == nil && spec["completions"] == nil {
		defaults["parallelism"], defaults["completions"] = int64(1), int64(1)
	}
	for name, value := range defaults {
		if _, set := spec[name]; !set {
			spec[name] = value
		}
	}
	if suspend {
		spec["suspend"] = true
	}
	uid := string(o.GetUID())
	identity := map[string]string{"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": o.GetName(), "controller-uid": uid, "job-name": o.GetName()}
	if labels, _, err := unstructured.NestedStringMap(spec, "template", "metadata", "labels"); err == nil {
		_ = unstructured.SetNestedStringMap(spec, merged(labels, identity), "template", "metadata", "labels") // a template of the wrong type is refused next
	}
	spec["selector"] = map[string]any{"matchLabels": map[string]any{"batch.kubernetes.io/controller-uid": uid}}
	o.Object["spec"] = spec
}

func validateJob(o *object) (errs field.ErrorList) {
	at := field.NewPath("spec")
	spec, _, _ := unstructured.NestedMap(o.Object, "spec")
	if spec == nil {
		return field.ErrorList{field.Required(at, "")}
	}
	for _, name := range []string{"parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"} {
		if n, set := spec[name].(int64); set && n < 0 {
			errs = append(errs, field.Invalid(at.Child(name), n, "must be greater than or equal to 0"))
		}
	}
	pod := at.Child("template", "spec")
	containers, _, _ := unstructured.NestedSlice(spec, "template", "spec", "containers")
	if len(containers) == 0 {
		errs = append(errs, field.Required(pod.Child("containers"), ""))
	}
	switch policy, _, _ := unstructured.NestedString(spec, "template", "spec", "restartPolicy"); policy {
	case "OnFailure", "Never":
	case "":
		errs = append(errs, field.Required(pod.Child("restartPolicy"), `valid values: "OnFailure", "Never"`))
	default:
		errs = append(errs, field.NotSupported(pod.Child("restartPolicy"), policy, []string{"OnFailure", "Never"}))
	}
	return errs
}

func validateJobUpdate(current, next *object) (errs field.ErrorList) {
	for _, name := range []string{"template", "selector", "completionMode"} {
		was, _, _ := unstructured.NestedFieldNoCopy(current.Object, "spec", name)
		is, _, _ := unstructured.NestedFieldNoCopy(next.Object, "spec", name)
		if !equality.Semantic.DeepEqual(was, is) {
			errs = append(errs, field.Invalid(field.NewPath("spec", name), is, "field is immutable"))
		}
	}
	return errs
}

// stepJob does what the Job and TTL controllers do next for a Job without pods, and returns when to look again
// (zero: only when something changes).
func (s *Server) stepJob(k key, job *object, now time.Time) time.Time {
	if job.GetDeletionTimestamp() != nil {
		return time.Time{}
	}
	if finished, when := finishedAt(job); finished {
		ttl, set, _ := unstructured.NestedInt64(job.Object, "spec", "ttlSecondsAfterFinished")
		due := when.Add(time.Duration(ttl) * time.Second)
		if !set || now.Before(due) {
			return due
		}
		s.deleteObject(k, metav1.DeletePropagationForeground)
		return time.Time{}
	}
	suspended, _, _ := unstructured.NestedBool(job.Object, "spec", "suspend")
	started, hasStarted := startTime(job)
	switch {
	case suspended && (hasStarted || !hasCondition(job, "Suspended", "True")):
		s.setJob(k, job, nil, condition("Suspended", "True", "JobSuspended", "Job suspended", now))
	case !suspended && !hasStarted:
		conditions := []map[string]any{}
		if hasCondition(job, "Suspended", "True") {
			conditions = append(conditions, condition("Suspended", "False", "JobResumed", "Job resumed", now))
		}
		s.setJob(k, job, now.UTC().Format(time.RFC3339), conditions...)
	case hasStarted:
		return s.stepDeadline(k, job, started, now)
	}
	return time.Time{}
}

func (s *Server) stepDeadline(k key, job *object, started, now time.Time) time.Time {
	seconds, limited, _ := unstructured.NestedInt64(job.Object, "spec", "activeDeadlineSeconds")
	due := started.Add(time.Duration(seconds) * time.Second)
	if !limited {
		return time.Time{}
	}
	if now.Before(due) {
		return due
	}
	const reason, message = "DeadlineExceeded", "Job was active longer than specified deadline"
	s.setJob(k, job, started.UTC().Format(time.RFC3339),
		condition("FailureTarget", "True", reason, message, now), condition("Failed", "True", reason, message, now))
	return time.Time{}
}

// setJob stores a new status: the start (nil when there is none) and conditions that replace those of their type.
func (s *Server) setJob(k key, job *object, start any, conditions ...map[string]any) {
	next := job.DeepCopy()
	kept := []any{}
	old, _, _ := unstructured.NestedSlice(job.Object, "status", "conditions")
	for _, c := range old {
		replaced := false
		for _, n := range conditions {
			replaced = replaced || c.(map[string]any)["type"] == n["type"]
		}
		if !replaced {
			kept = append(kept, c)
		}
	}
	for _, n := range conditions {
		kept = append(kept, n)
	}
	status := map[string]any{"ready": int64(0), "terminating": int64(0), "uncountedTerminatedPods": map[string]any{}}
	if len(kept) > 0 {
		status["conditions"] = kept
	}
	if start != nil {
		status["startTime"] = start
	}
	next.Object["status"] = status
	s.store.put(k, next)
}

func condition(kind, status, reason, message string, now time.Time) map[string]any {
	at := now.UTC().Format(time.RFC3339)
	return map[string]any{"type": kind, "status": status, "reason": reason, "message": message, "lastProbeTime": at, "lastTransitionTime": at}
}

func startTime(job *object) (time.Time, bool) {
	text, _, _ := unstructured.NestedString(job.Object, "status", "startTime")
	at, err := time.Parse(time.RFC3339, text)
	return at, err == nil
}

func hasCondition(job *object, kind, status string) bool {
	return findCondition(job, kind)["status"] == status
}

func findCondition(job *object, kind string) map[string]any {
	conditions, _, _ := unstructured.NestedSlice(job.Object, "status", "conditions")
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == kind {
			return c
		}
	}
	return nil
}

func finishedAt(job *object) (bool, time.Time) {
	for _, kind := range []string{"Failed", "Complete"} {
		if c := findCondition(job, kind); c["status"] == "True" {
			at, err := time.Parse(time.RFC3339, fmt.Sprint(c["lastTransitionTime"]))
			return err == nil, at
		}
	}
	return false, time.Time{}
}
