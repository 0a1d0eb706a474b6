package rpc

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/suokelife/suokectl/pkg/resilience"
)

// ErrorDomain is the domain of the google.rpc.ErrorInfo in which a service error
// travels. Its reason is the error's code; its metadata are the kind and, each
// as JSON under "detail.", the error's details.
const ErrorDomain = "service-error.suokelife"

const (
	kindKey       = "kind"
	kindTemporary = "temporary"
	kindPermanent = "permanent"
	kindDown      = "unavailable"
	detailPrefix  = "detail."
)

// ServiceStatus returns the gRPC status of an error that is or wraps a
// [*resilience.ServiceError] (E1), and whether it is one. One that asks for a
// retry is UNAVAILABLE, which the specification's clients retry (G3), with the
// delay that it asks for in a google.rpc.RetryInfo; any other is
// FAILED_PRECONDITION. When it was caused by an error that has a status, that
// one's code is kept. [ServerOptions] does this to what handlers return.
func ServiceStatus(err error) (*status.Status, bool) {
	service, ok := errors.AsType[*resilience.ServiceError](err)
	if !ok {
		return nil, false
	}
	code := codes.FailedPrecondition
	if service.Retry {
		code = codes.Unavailable
	}
	if cause, ok := status.FromError(service.Err); ok && service.Err != nil {
		code = cause.Code()
	}
	details := []protoadapt.MessageV1{protoadapt.MessageV1Of(errorInfo(err, service))}
	if service.Retry && service.Timeout > 0 {
		details = append(details, protoadapt.MessageV1Of(&errdetails.RetryInfo{RetryDelay: durationpb.New(service.Timeout)}))
	}
	s := status.New(code, service.Message)
	if detailed, err := s.WithDetails(details...); err == nil { // fails only for OK
		s = detailed
	}
	return s, true
}

func errorInfo(err error, service *resilience.ServiceError) *errdetails.ErrorInfo {
	info := &errdetails.ErrorInfo{Reason: service.Code, Domain: ErrorDomain, Metadata: map[string]string{}}
	if kind := kindOf(err); kind != "" {
		info.Metadata[kindKey] = kind
	}
	for name, value := range service.Details {
		if text, err := json.Marshal(value); err == nil {
			info.Metadata[detailPrefix+name] = string(text)
		}
	}
	return info
}

func kindOf(err error) string {
	if _, ok := errors.AsType[*resilience.UnavailableError](err); ok {
		return kindDown
	}
	if _, ok := errors.AsType[*resilience.TemporaryError](err); ok {
		return kindTemporary
	}
	if _, ok := errors.AsType[*resilience.PermanentError](err); ok {
		return kindPermanent
	}
	return ""
}

// FromStatus returns the service error that a call's error carries, of the kind
// that the server returned, else err itself. The result has the status of err.
// A [Channel] does this to the errors of its calls and streams.
func FromStatus(err error) error {
	s, ok := status.FromError(err)
	if !ok || s.Code() == codes.OK {
		return err
	}
	var info *errdetails.ErrorInfo
	for _, detail := range s.Details() {
		if found, ok := detail.(*errdetails.ErrorInfo); ok && found.GetDomain() == ErrorDomain {
			info = found
		}
	}
	if info == nil {
		return err
	}
	service := &resilience.ServiceError{Code: info.GetReason(), Message: s.Message(), Details: details(info)}
	delay, retry := retryDelay(s)
	service.Retry, service.Timeout = retry, delay
	return &remoteError{error: ofKind(info.GetMetadata()[kindKey], service), status: s}
}

func ofKind(kind string, service *resilience.ServiceError) error {
	switch kind {
	case kindDown:
		service.Retry = true
		return &resilience.UnavailableError{TemporaryError: &resilience.TemporaryError{ServiceError: service}}
	case kindTemporary:
		service.Retry = true
		return &resilience.TemporaryError{ServiceError: service}
	case kindPermanent:
		service.Retry = false
		return &resilience.PermanentError{ServiceError: service}
	default:
		return service
	}
}

// details returns the details of a service error, nil when it has none. What is
// no JSON, as another implementation may write it, is kept as text.
func details(info *errdetails.ErrorInfo) map[string]any {
	var all map[string]any
	for key, text := range info.GetMetadata() {
		name, ok := strings.CutPrefix(key, detailPrefix)
		if !ok {
			continue
		}
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			value = text
		}
		if all == nil {
			all = map[string]any{}
		}
		all[name] = value
	}
	return all
}

// retryDelay returns the delay that a status asks for by google.rpc.RetryInfo,
// and whether it does.
func retryDelay(s *status.Status) (time.Duration, bool) {
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok && info.GetRetryDelay().IsValid() {
			return max(info.GetRetryDelay().AsDuration(), 0), true
		}
	}
	return 0, false
}

// remoteError is a service error with the status in which it came.
type remoteError struct {
	error

	status *status.Status
}

func (e *remoteError) Unwrap() error              { return e.error }
func (e *remoteError) GRPCStatus() *status.Status { return e.status }

// serviceStream turns the errors of a stream into service errors, and its first
// message into the success of a probe.
type serviceStream struct {
	grpc.ClientStream

	call *callState
}

func (s serviceStream) RecvMsg(m any) error {
	if err := s.ClientStream.RecvMsg(m); err != nil {
		return FromStatus(err)
	}
	s.call.probed(resilience.Success)
	return nil
}
