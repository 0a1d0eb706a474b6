package events

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ConnectError is returned when no broker could be talked to.
type ConnectError struct {
	// Brokers are the addresses that were tried.
	Brokers []string
	// Hint says what is probably wrong and what to do.
	Hint string
	// Err is the last broker's error.
	Err error
}

func (e *ConnectError) Error() string {
	return fmt.Sprintf("connect to Kafka at %s: %s", strings.Join(e.Brokers, ", "), shortReason(e.Err))
}

// Unwrap returns the last broker's error.
func (e *ConnectError) Unwrap() error { return e.Err }

func newConnectError(cfg Config, err error) *ConnectError {
	return &ConnectError{Brokers: cfg.Brokers, Hint: connectHint(cfg, err), Err: err}
}

// shortReason is one line of what the network said, without the layers.
func shortReason(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case isTimeout(err):
		return "no answer"
	case isHangup(err):
		return "the broker closed the connection"
	}
	return err.Error()
}

func connectHint(cfg Config, err error) string {
	var notTLS tls.RecordHeaderError
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: is Kafka running, and is the address right?"
	case errors.As(err, &dns):
		return "the name does not resolve: is it spelled right, and is the network the right one?"
	case isUntrusted(err):
		return "the broker's certificate is not trusted: give its CA, or the name it is made for"
	case isSASL(err):
		return "the broker does not take these credentials: look at the SASL mechanism, user and password"
	case isTimeout(err) && cfg.TLS != nil:
		return "the address swallows packets, or the broker speaks plaintext there and waits: is TLS meant to be on?"
	case isTimeout(err):
		return "the address swallows packets (firewall, wrong network), or the broker is stuck"
	case cfg.TLS != nil && (errors.As(err, &notTLS) || isHangup(err)):
		return "the broker probably speaks plaintext there: switch TLS off, or use its TLS port"
	case cfg.TLS == nil && (isHangup(err) || strings.Contains(err.Error(), "tls")):
		return "is TLS missing? The broker probably wants TLS there, or SASL"
	}
	return "is this the address of a Kafka broker?"
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

func isHangup(err error) bool {
	var first *kgo.ErrFirstReadEOF
	return errors.As(err, &first) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed)
}

func isUntrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname)
}

func isSASL(err error) bool {
	return errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.UnsupportedSaslMechanism) ||
		errors.Is(err, kerr.IllegalSaslState)
}
