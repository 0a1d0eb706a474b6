package resilience

import (
	"fmt"
	"time"

	"github.com/suokelife/suokectl/pkg/spec"
)

// ServiceError is what a service says of a failure (E1). Find it in an error
// with errors.As, whichever kind it is of; its kinds are [TemporaryError],
// [PermanentError] and [UnavailableError], and a ServiceError by itself is of
// no kind.
type ServiceError struct {
	// Code names the failure for programs, such as "quota_exceeded".
	Code string
	// Message tells people what failed.
	Message string
	// Details are further facts, of types that JSON knows.
	Details map[string]any
	// Retry says whether a further try may succeed.
	Retry bool
	// Timeout is how long to wait before it; 0 leaves that to the caller.
	Timeout time.Duration
	// Err is what caused it, or nil.
	Err error
}

func (e *ServiceError) Error() string {
	text := e.Message
	if text == "" {
		text = e.Code
	}
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", text, e.Err)
	}
	return text
}

// Unwrap returns the cause.
func (e *ServiceError) Unwrap() error { return e.Err }

// TemporaryError is a [ServiceError] that a further try may mend.
type TemporaryError struct{ *ServiceError }

// Unwrap returns the [*ServiceError].
func (e *TemporaryError) Unwrap() error { return e.ServiceError }

// PermanentError is a [ServiceError] that no further try mends.
type PermanentError struct{ *ServiceError }

// Unwrap returns the [*ServiceError].
func (e *PermanentError) Unwrap() error { return e.ServiceError }

// UnavailableError says that a whole service cannot be used now. It is a
// [TemporaryError].
type UnavailableError struct{ *TemporaryError }

// Unwrap returns the [*TemporaryError].
func (e *UnavailableError) Unwrap() error { return e.TemporaryError }

// CodeUnavailable is the code of every [UnavailableError].
const CodeUnavailable = "service_unavailable"

// NewTemporary returns an error that asks for a retry after a second.
func NewTemporary(code, message string, details map[string]any) *TemporaryError {
	return &TemporaryError{&ServiceError{
		Code: code, Message: message, Details: details, Retry: true, Timeout: spec.TemporaryRetryAfter,
	}}
}

// NewPermanent returns an error that asks for no retry.
func NewPermanent(code, message string, details map[string]any) *PermanentError {
	return &PermanentError{&ServiceError{Code: code, Message: message, Details: details}}
}

// NewUnavailable returns an error that asks for a retry after 5 s.
func NewUnavailable(service string, details map[string]any) *UnavailableError {
	e := NewTemporary(CodeUnavailable, service+" service is currently unavailable", details)
	e.Timeout = spec.UnavailableRetryAfter
	return &UnavailableError{e}
}
