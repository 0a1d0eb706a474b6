package resilience

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// Condition reports whether an error is worth a further try.
type Condition func(error) bool

// When returns a judge for [Policy]: an error is tried again when one of the
// conditions holds, after the delay that a [ServiceError] in it asks for.
func When(conditions ...Condition) func(error) (retry bool, delay time.Duration) {
	return func(err error) (bool, time.Duration) {
		for _, condition := range conditions {
			if condition(err) {
				return true, delayOf(err)
			}
		}
		return false, 0
	}
}

func delayOf(err error) time.Duration {
	if service, ok := errors.AsType[*ServiceError](err); ok && service.Timeout > 0 {
		return service.Timeout
	}
	return ByBackoff
}

// IsTemporary holds for a [ServiceError] that asks for a retry.
func IsTemporary(err error) bool {
	service, ok := errors.AsType[*ServiceError](err)
	return ok && service.Retry
}

// IsConnection holds when a connection could not be made or broke. It does not
// for a [ServiceError], whatever caused it: the service has judged it already.
func IsConnection(err error) bool {
	if isService(err) {
		return false
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	for _, broken := range []error{
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, io.ErrUnexpectedEOF, net.ErrClosed,
	} {
		if errors.Is(err, broken) {
			return true
		}
	}
	return false
}

// IsTimeout holds when time ran out for one try. It does not for a
// [ServiceError], whatever caused it.
func IsTimeout(err error) bool {
	if isService(err) {
		return false
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	network, ok := errors.AsType[net.Error](err)
	return ok && network.Timeout()
}

func isService(err error) bool {
	_, ok := errors.AsType[*ServiceError](err)
	return ok
}
