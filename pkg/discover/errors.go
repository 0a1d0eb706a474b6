package discover

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/hashicorp/consul/api"
)

var (
	// ErrNoInstance is what a *NoInstanceError and an *UnknownServiceError are.
	ErrNoInstance = errors.New("no instance")
	// ErrFiltered is what a *RequestError is when Consul left something out of its reply for want of a permission, or
	// may have left out all of it, so that an empty reply does not mean that there is nothing.
	ErrFiltered = errors.New("ACLs hide a part of the reply")
	// ErrDenied is what a *RequestError is when the token may not do what was asked, or is not known.
	ErrDenied = errors.New("permission denied")
	// ErrUnreachable is what a *RequestError is when no answer came.
	ErrUnreachable = errors.New("no answer")
)

// RequestError is a request that Consul did not answer, or refused. Its text is one line: what was attempted, where,
// why it failed and, where it can be known, what to do next.
type RequestError struct {
	Attempt string // such as "list the instances of auth-service"
	Address string // the agent's, as configured
	Reason  string // why it failed and what to do
	Kind    error  // ErrFiltered, ErrDenied, ErrUnreachable or nil
	Err     error  // what was met
}

// Error returns the line.
func (e *RequestError) Error() string {
	return fmt.Sprintf("%s: Consul at %s: %s", e.Attempt, e.Address, e.Reason)
}

// Unwrap returns the kind and what was met.
func (e *RequestError) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.Err}
	}
	return []error{e.Kind, e.Err}
}

// failed explains what a request met. It returns nil for nil.
func (c *Client) failed(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	reason, kind := diagnose(err)
	return &RequestError{Attempt: fmt.Sprintf(format, args...), Address: c.address, Reason: reason, Kind: kind, Err: err}
}

// hidden returns an error when ACLs keep something out of a reply, or may keep out everything: to the anonymous token
// Consul does not say that it hides what it does.
func (c *Client) hidden(meta *api.QueryMeta, size int, format string, args ...any) error {
	var reason string
	switch {
	case meta.ResultsFilteredByACLs:
		reason = "ACLs hide a part of the reply; use a token that may read all of it"
	case size == 0 && c.anonymous && meta.DefaultACLPolicy == "deny":
		reason = "it shows nothing to the anonymous token; is a token missing?"
	default:
		return nil
	}
	return &RequestError{
		Attempt: fmt.Sprintf(format, args...), Address: c.address, Reason: reason, Kind: ErrFiltered, Err: ErrFiltered,
	}
}

func diagnose(err error) (reason string, kind error) {
	var status api.StatusError
	if errors.As(err, &status) {
		return diagnoseStatus(status)
	}
	if errors.Is(err, errDots) {
		return err.Error(), nil
	}
	if reason, kind = diagnoseReply(err); reason != "" {
		return reason, kind
	}
	return diagnoseConnection(err), ErrUnreachable
}

// diagnoseStatus explains a reply that is not 200.
func diagnoseStatus(status api.StatusError) (reason string, kind error) {
	if reason := diagnoseForeign(status); reason != "" {
		return reason, ErrUnreachable
	}
	said := fmt.Sprintf("it answered %d %s", status.Code, firstLine(status.Body))
	switch {
	case status.Code == http.StatusBadRequest && strings.Contains(status.Body, "HTTP request to an HTTPS server"):
		return "it speaks TLS and was asked in plaintext; is TLS missing?", ErrUnreachable
	case status.Code == http.StatusForbidden && strings.Contains(status.Body, "ACL not found"):
		return said + ": it does not know this token; is it of another cluster, or expired?", ErrDenied
	case status.Code == http.StatusForbidden:
		return lacking(said), ErrDenied
	case status.Code == http.StatusNotFound && !unknownID(status) && !strings.Contains(status.Body, "Invalid URL path"):
		return said + "; is this Consul's HTTP port?", nil
	case status.Code == http.StatusTooManyRequests:
		return said + ": it limits the rate of requests; ask again later", nil
	case strings.Contains(status.Body, "No path to datacenter"):
		return said + ": it knows no such datacenter", nil
	case strings.Contains(status.Body, "No cluster leader"):
		return said + ": its servers have not agreed on a leader; ask again in some seconds, or see whether enough of them run", nil
	case strings.Contains(status.Body, "boolean expression evaluator"):
		return said + ": is the filter expression right?", nil
	}
	return said, nil
}

// diagnoseForeign explains a reply that is not Consul's own: that is in plain text, and of no gateway. It returns ""
// for Consul's.
func diagnoseForeign(status api.StatusError) string {
	switch status.Code {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fmt.Sprintf("something before it answered %d %s; is it down, or a proxy's timeout too short?", status.Code, http.StatusText(status.Code))
	}
	if strings.HasPrefix(strings.TrimSpace(status.Body), "<") {
		return fmt.Sprintf("a web page answered, with %d %s; is this Consul's HTTP port?", status.Code, http.StatusText(status.Code))
	}
	return ""
}

// lacking adds to a refusal for want of a permission what is to be done, unless it says so.
func lacking(said string) string {
	said, _, anonymous := strings.Cut(said, ". The anonymous token is used implicitly")
	switch {
	case anonymous:
		return said + "; is a token missing?"
	case strings.Contains(said, "lacks permission"):
		return said + "; it needs that, or another token"
	}
	return said + ": the token lacks a permission"
}

// diagnoseReply explains a 200 that could not be read.
func diagnoseReply(err error) (reason string, kind error) {
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "its reply was cut off in the middle", ErrUnreachable
	case errors.As(err, &syntax) && strings.HasPrefix(syntax.Error(), "invalid character '<' looking for beginning of value"):
		return "a web page answered; is this Consul's HTTP port?", nil
	case errors.As(err, &syntax), errors.As(err, &mismatch), errors.Is(err, errIncomplete):
		return fmt.Sprintf("its reply is not Consul's JSON (%v); is this Consul's HTTP port?", err), nil
	}
	return "", nil
}

// diagnoseConnection explains why there was no reply.
func diagnoseConnection(err error) string {
	var plaintext tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var remote *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time; is a firewall in the way?"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused; is the agent running there?"
	case errors.As(err, &plaintext), errors.Is(err, http.ErrSchemeMismatch),
		strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "it speaks plaintext and was asked with TLS; is TLS configured where it should not be?"
	case errors.As(err, &authority):
		return fmt.Sprintf("%v; is the CA's file missing?", cause(err))
	case errors.As(err, &hostname):
		return fmt.Sprintf("%v; is the server name to be set?", cause(err))
	case errors.As(err, &remote) && remote.Op == "remote error": // a TLS alert
		return fmt.Sprintf("%v; is a client certificate missing?", cause(err))
	case strings.Contains(err.Error(), "malformed HTTP"), strings.Contains(err.Error(), "readLoopPeekFail"): // it speaks first
		return "it does not speak HTTP; is this Consul's HTTP port?"
	case errors.Is(err, io.EOF):
		return "it closed the connection without an answer; is this Consul's HTTP port?"
	}
	if errors.As(err, &remote) {
		return fmt.Sprintf("%s: %v", remote.Op, remote.Err) // without the ports, which differ each time
	}
	return cause(err).Error()
}

// cause is err without the request line that the HTTP client puts before it.
func cause(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
