package registry

import (
	"fmt"
	"net/http"
)

// apiError is an error in the form that the REST API gives it.
type apiError struct {
	status  int
	code    int
	message string
}

func (e *apiError) Error() string { return fmt.Sprintf("%d: %s", e.code, e.message) }

func fail(status, code int, format string, args ...any) *apiError {
	return &apiError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func subjectNotFound(subject string) *apiError {
	return fail(http.StatusNotFound, 40401, "Subject '%s' not found.", subject)
}

func versionNotFound(version string) *apiError {
	return fail(http.StatusNotFound, 40402, "Version %s not found.", version)
}

func schemaNotFound() *apiError {
	return fail(http.StatusNotFound, 40403, "Schema not found")
}

func subjectSoftDeleted(subject string) *apiError {
	return fail(http.StatusNotFound, 40404, "Subject '%s' was soft deleted. Set permanent=true to delete permanently", subject)
}

func subjectNotSoftDeleted(subject string) *apiError {
	return fail(http.StatusNotFound, 40405, "Subject '%s' was not deleted first before being permanently deleted", subject)
}

func versionSoftDeleted(subject string, version int) *apiError {
	return fail(http.StatusNotFound, 40406, "Subject '%s' Version %d was soft deleted. Set permanent=true to delete permanently", subject, version)
}

func versionNotSoftDeleted(subject string, version int) *apiError {
	return fail(http.StatusNotFound, 40407, "Subject '%s' Version %d was not deleted first before being permanently deleted", subject, version)
}

func noLevelOfItsOwn(subject string) *apiError {
	return fail(http.StatusNotFound, 40408, "Subject '%s' does not have subject-level compatibility configured", subject)
}

func incompatible(messages []string) *apiError {
	return fail(http.StatusConflict, 409, "Schema being registered is incompatible with an earlier schema: %v", messages)
}

func invalidSchema(format string, args ...any) *apiError {
	return fail(http.StatusUnprocessableEntity, 42201, format, args...)
}

func invalidVersion(version string) *apiError {
	return fail(http.StatusUnprocessableEntity, 42202,
		"The specified version '%s' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"", version)
}

func invalidLevel(level string) *apiError {
	return fail(http.StatusUnprocessableEntity, 42203,
		"Invalid compatibility level %q. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive", level)
}

func referenceExists(subject string, version int) *apiError {
	return fail(http.StatusUnprocessableEntity, 42206, "One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=%s,version=%d}", subject, version)
}
