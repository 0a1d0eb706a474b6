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
	// Reason is what is probably wrong.
	Reason ConnectReason
	// Hint says the same in words, and what to do.
	Hint string
	// Err is the last broker's error.
	Err error
}

func (e *ConnectError) Error() string {
	return fmt.Sprintf("connect to Kafka at %s: %s", strings.Join(e.Brokers, ", "), shortReason(e.Err))
}

// Unwrap returns the last broker's error.
func (e *ConnectError) Unwrap() error { return e.Err }

// ConnectReason is why no broker could be talked to.
type ConnectReason string

// The reasons.
const (
	ReasonRefused       ConnectReason = "refused"
	ReasonUnresolved    ConnectReason = "name-does-not-resolve"
	ReasonNoAnswer      ConnectReason = "no-answer"
	ReasonPlaintext     ConnectReason = "broker-speaks-plaintext"
	ReasonSecured       ConnectReason = "broker-wants-tls-or-sasl"
	ReasonUnauthorised  ConnectReason = "broker-wants-sasl"
	ReasonUnknownCA     ConnectReason = "unknown-ca"
	ReasonExpired       ConnectReason = "certificate-expired"
	ReasonOtherName     ConnectReason = "certificate-of-another-name"
	ReasonNoCertificate ConnectReason = "client-certificate-missing"
	ReasonCertificate   ConnectReason = "client-certificate-refused"
	ReasonCredentials   ConnectReason = "credentials-refused"
	ReasonMechanism     ConnectReason = "mechanism-not-offered"
	ReasonToken         ConnectReason = "no-token"
	ReasonOther         ConnectReason = "other"
)

func newConnectError(cfg Config, err error) *ConnectError {
	reason := connectReason(cfg, err)
	return &ConnectError{Brokers: cfg.Brokers, Reason: reason, Hint: connectHint(cfg, reason, err), Err: err}
}

// shortReason is one line of what the network said, without the layers.
func shortReason(err error) string {
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case isTimeout(err):
		return "no answer"
	case errors.As(err, &certificate):
		return certificate.Err.Error()
	case isHangup(err):
		return "the broker closed the connection"
	}
	return err.Error()
}

func connectReason(cfg Config, err error) ConnectReason {
	if reason := certificateReason(err); reason != "" {
		return reason
	}
	var dns *net.DNSError
	var token *TokenError
	switch {
	case errors.As(err, &token):
		return ReasonToken
	case errors.Is(err, syscall.ECONNREFUSED):
		return ReasonRefused
	case errors.As(err, &dns):
		return ReasonUnresolved
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return ReasonMechanism
	case isSASL(err):
		return ReasonCredentials
	case isAlert(err) && hasClientCertificate(cfg.TLS):
		return ReasonCertificate
	case isAlert(err):
		return ReasonNoCertificate
	case isTimeout(err):
		return ReasonNoAnswer
	}
	return hangupReason(cfg, err)
}

// hangupReason guesses why a broker ended the conversation.
func hangupReason(cfg Config, err error) ConnectReason {
	var notTLS tls.RecordHeaderError
	var first *kgo.ErrFirstReadEOF
	switch {
	case cfg.SASL != nil && isHangup(err) && !errors.As(err, &first): // versions were told before
		return ReasonCredentials
	case cfg.TLS != nil && (errors.As(err, &notTLS) || endedHandshake(err)):
		return ReasonPlaintext
	case cfg.TLS == nil && (isHangup(err) || strings.Contains(err.Error(), "tls")): // the client tells an alert by its bytes
		return ReasonSecured
	case isHangup(err) && cfg.SASL == nil:
		return ReasonUnauthorised
	}
	return ReasonOther
}

// certificateReason says what is wrong with the broker's certificate; "" is
// nothing.
func certificateReason(err error) ConnectReason {
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var verification *tls.CertificateVerificationError
	switch {
	case errors.As(err, &name):
		return ReasonOtherName
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return ReasonExpired
	case errors.As(err, &verification):
		return ReasonUnknownCA
	}
	return ""
}

func hasClientCertificate(c *tls.Config) bool {
	return c != nil && (len(c.Certificates) > 0 || c.GetClientCertificate != nil)
}

// isAlert reports that the broker ended TLS by an alert.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// endedHandshake reports that the broker hung up before TLS was agreed on.
func endedHandshake(err error) bool {
	var first *kgo.ErrFirstReadEOF
	if errors.As(err, &first) { // its zero value is the one of a dial
		return first.Error() == new(kgo.ErrFirstReadEOF).Error()
	}
	return isHangup(err)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

// isDial reports that no connection was made at all.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func isHangup(err error) bool {
	var first *kgo.ErrFirstReadEOF
	return errors.As(err, &first) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

func isSASL(err error) bool {
	var token *refusedTokenError
	return errors.As(err, &token) || errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.IllegalSaslState)
}
