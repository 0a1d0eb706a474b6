package events

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// DeniedError is returned when the cluster's ACLs do not let the client do
// something.
type DeniedError struct {
	// What was attempted, and on what, such as "describe group billing".
	What string
	// Err is the broker's own error.
	Err error
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("%s: the cluster's ACLs deny it: %s", e.What, brokerText(e.Err))
}

// Unwrap returns the broker's error.
func (e *DeniedError) Unwrap() error { return e.Err }

// refused says what the broker did not do: a [*DeniedError] where the ACLs are
// the reason.
func refused(what string, err error) error {
	if isDenied(err) {
		return &DeniedError{What: what, Err: err}
	}
	return fmt.Errorf("%s: %w", what, err)
}

func isDenied(err error) bool {
	var auth *kadm.AuthError
	return errors.As(err, &auth) || errors.Is(err, kerr.TopicAuthorizationFailed) ||
		errors.Is(err, kerr.GroupAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed)
}

// brokerText is the broker's error by its name.
func brokerText(err error) string {
	var known *kerr.Error
	if errors.As(err, &known) {
		return known.Message
	}
	return err.Error()
}
