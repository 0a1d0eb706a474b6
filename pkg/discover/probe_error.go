package discover

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// ProbeFailure says in one word why a probe failed.
type ProbeFailure string

// The failures of probes.
const (
	ProbeRefused     ProbeFailure = "refused"     // nothing listens there
	ProbeTimeout     ProbeFailure = "timeout"     // no answer in time
	ProbeNoRoute     ProbeFailure = "no_route"    // the network does not lead there
	ProbeNoHost      ProbeFailure = "no_host"     // the address is a name that does not resolve
	ProbeNoPort      ProbeFailure = "no_port"     // registered with port 0
	ProbeClosed      ProbeFailure = "closed"      // connected, and hung up without an answer
	ProbeTLS         ProbeFailure = "tls"         // no handshake, or a certificate that is not good
	ProbeHTTPStatus  ProbeFailure = "http_status" // an HTTP answer that is not 2xx
	ProbeNotServing  ProbeFailure = "not_serving" // gRPC health says so, or does not know the service
	ProbeProtocol    ProbeFailure = "protocol"    // what listens speaks something else
	ProbeInterrupted ProbeFailure = "interrupted" // the caller stopped waiting
	ProbeOther       ProbeFailure = "other"
)

// ProbeError is a probe that failed.
type ProbeError struct {
	Target  string
	Failure ProbeFailure
	Err     error
}

// Error says what was asked and why it failed.
func (e *ProbeError) Error() string { return fmt.Sprintf("probe %s: %s", e.Target, e.reason()) }

// Unwrap returns what was met.
func (e *ProbeError) Unwrap() error { return e.Err }

// reason is the failure in words, on one line and without the address.
func (e *ProbeError) reason() string {
	switch e.Failure {
	case ProbeRefused:
		return "connection refused"
	case ProbeTimeout:
		return "no answer in time"
	case ProbeInterrupted:
		return "interrupted"
	case ProbeClosed:
		return "it closed the connection without an answer"
	}
	text := strings.Join(strings.Fields(innermostError(e.Err).Error()), " ")
	var plaintext tls.RecordHeaderError
	if errors.As(e.Err, &plaintext) {
		return "it does not speak TLS: " + strings.TrimPrefix(text, "tls: ")
	}
	return text
}

// innermostError is err without what the network and HTTP packages put before it.
func innermostError(err error) error {
	err = cause(err)
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	return err
}

// NewProbeError says what kind of failure err is, for probes that are made outside this package. An error that is a
// *ProbeError already is returned as it is.
func NewProbeError(target string, err error) *ProbeError {
	var known *ProbeError
	if errors.As(err, &known) {
		return known
	}
	return &ProbeError{Target: target, Failure: classifyProbe(err), Err: err}
}

func classifyProbe(err error) ProbeFailure {
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, errNoPort):
		return ProbeNoPort
	case errors.Is(err, context.Canceled):
		return ProbeInterrupted
	case errors.Is(err, syscall.ECONNREFUSED):
		return ProbeRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return ProbeNoRoute
	case errors.As(err, &name) && !name.IsTimeout:
		return ProbeNoHost
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return ProbeTimeout
	case isTLS(err):
		return ProbeTLS
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ProbeClosed
	case strings.Contains(err.Error(), "malformed "): // net/http has no error type for it
		return ProbeProtocol
	}
	return ProbeOther
}

func isTLS(err error) bool {
	var bad *CertificateError
	var plaintext tls.RecordHeaderError
	var alert tls.AlertError
	var remote *net.OpError
	return errors.As(err, &bad) || errors.As(err, &plaintext) || errors.As(err, &alert) ||
		errors.As(err, &remote) && remote.Op == "remote error" // an alert of the server
}
