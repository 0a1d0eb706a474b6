package rpc

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The reasons of a [*TransportError].
var (
	// ErrRefused says that nothing listens at the address.
	ErrRefused = errors.New("connection refused")
	// ErrPlaintextServer says that TLS was wanted and the server speaks none.
	ErrPlaintextServer = errors.New("the server speaks plaintext, but TLS was wanted")
	// ErrTLSServer says that plaintext was wanted and the server hung up on it
	// or answered with something else, as a server does that speaks TLS.
	ErrTLSServer = errors.New("the server does not take plaintext gRPC: it speaks TLS, or no gRPC at all")
	// ErrNoAnswer says that nothing came back in time from the address.
	ErrNoAnswer = errors.New("no answer")
	// ErrNotGRPC says that the server answered in HTTP/1.1.
	ErrNotGRPC = errors.New("the server speaks HTTP/1.1, not gRPC")
	// ErrCertificate says that the server's certificate was not accepted.
	ErrCertificate = errors.New("the server's certificate is not accepted")
	// ErrClientCertificate says that the server wants another client certificate, or one at all.
	ErrClientCertificate = errors.New("the server does not accept the client's certificate")
	// ErrUnreachable is any other failure to connect.
	ErrUnreachable = errors.New("no connection")
)

// TransportError says why a server could not be talked to. It has the gRPC
// status UNAVAILABLE.
type TransportError struct {
	Target string
	// Reason is one of the errors above.
	Reason error
	// Detail is what the transport said.
	Detail string
	status *status.Status
}

func (e *TransportError) Error() string {
	switch {
	case errors.Is(e.Reason, ErrRefused) && strings.Contains(e.Detail, e.Target): // the detail says it all over
		return fmt.Sprintf("%s: %v", e.Target, e.Reason)
	case errors.Is(e.Reason, ErrPlaintextServer), errors.Is(e.Reason, ErrTLSServer), errors.Is(e.Reason, ErrNotGRPC), errors.Is(e.Reason, ErrNoAnswer):
		return fmt.Sprintf("%s: %v", e.Target, e.Reason)
	default:
		return fmt.Sprintf("%s: %v: %s", e.Target, e.Reason, e.Detail)
	}
}

// Unwrap returns the reason.
func (e *TransportError) Unwrap() error { return e.Reason }

// GRPCStatus returns the status that gRPC reported.
func (e *TransportError) GRPCStatus() *status.Status { return e.status }

// What gRPC says before the reason why there is no connection; a server's own
// words, which may speak of the connections that it makes, come without.
const (
	connectionError = "connection error: desc = "
	resolverError   = "name resolver error: "
)

// signs are texts by which the transport's errors are told apart, since gRPC
// hands on nothing else. The first that fits counts.
func signs(plaintext bool) []sign {
	list := []sign{
		{"connection refused", ErrRefused},
		{"looked like an HTTP/1.1 header", ErrNotGRPC},
		{"first record does not look like a TLS handshake", ErrPlaintextServer},
		{"failed to verify certificate", ErrCertificate},
		{"x509: ", ErrCertificate},
		{"remote error: tls: ", ErrClientCertificate},
		{"use of closed network connection", ErrNoAnswer}, // by gRPC, when the time for the preface is over
		{"context deadline exceeded", ErrNoAnswer},
		{"i/o timeout", ErrNoAnswer},
	}
	if plaintext {
		// A TLS server hangs up on a plaintext preface, often after an alert,
		// which reads as a frame of absurd length.
		list = append(list, sign{"error reading server preface: ", ErrTLSServer})
	}
	return append(list, sign{connectionError, ErrUnreachable}, sign{resolverError, ErrUnreachable})
}

type sign struct {
	text   string
	reason error
}

// Explain makes a [*TransportError] of the error of a call when the transport is
// why it failed, which gRPC says in text alone; any other error stays as it is.
func (ch *Channel) Explain(err error) error {
	s := status.Convert(lastError(err))
	if reason := ch.reason(s); reason != nil {
		return &TransportError{Target: ch.config.Name, Reason: reason, Detail: detail(s.Message()), status: s}
	}
	return err
}

// reason returns why there is no connection, nil when that is not the error.
func (ch *Channel) reason(s *status.Status) error {
	message := s.Message()
	if s.Code() != codes.Unavailable || !strings.Contains(message, connectionError) && !strings.Contains(message, resolverError) {
		return nil
	}
	for _, sign := range signs(ch.config.TLS == nil) {
		if strings.Contains(message, sign.text) {
			return sign.reason
		}
	}
	return nil
}

// isSetting reports whether a reason is surely one of settings, which no retry
// mends. A server that hangs up may just be restarting.
func isSetting(reason error) bool {
	return errors.Is(reason, ErrPlaintextServer) || errors.Is(reason, ErrNotGRPC) ||
		errors.Is(reason, ErrCertificate) || errors.Is(reason, ErrClientCertificate)
}

// detail drops the words that gRPC wraps around a transport's error.
func detail(message string) string {
	if _, inner, found := strings.Cut(message, `connection error: desc = "`); found {
		message = strings.TrimSuffix(inner, `"`)
	}
	for _, words := range []string{"transport: ", "authentication handshake failed: ", "Error while dialing: "} {
		message = strings.TrimPrefix(message, words)
	}
	return message
}
