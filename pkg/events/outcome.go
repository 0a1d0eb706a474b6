package events

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Ack says where an event is stored: every in-sync replica has it.
type Ack struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// RejectedError is the outcome of an event that is not valid, or that the
// broker refuses for good. It is stored nowhere, and sending it again as it is
// cannot help.
type RejectedError struct {
	Topic string
	// Err is what is wrong: a *spec.TopicError, a *spec.EnvelopeError, an
	// [*UnknownTopicError], what the [Validator] said, or a *kerr.Error.
	Err error
}

func (e *RejectedError) Error() string {
	return fmt.Sprintf("rejected, nothing is stored in %s: %v", e.Topic, e.Err)
}

// Unwrap returns what is wrong.
func (e *RejectedError) Unwrap() error { return e.Err }

// UnknownOutcomeError is the outcome of an event that was not acknowledged in
// time: it may be stored, now or later, or not at all. Who sends it again sends
// the same bytes, with the same id.
type UnknownOutcomeError struct {
	Topic string
	// Waited is how long the acknowledgement was awaited.
	Waited time.Duration
	// Err is why the wait ended, when it was not the time.
	Err error
}

func (e *UnknownOutcomeError) Error() string {
	text := fmt.Sprintf("no acknowledgement from %s within %s: it may be stored or not", e.Topic, e.Waited.Round(time.Millisecond))
	if e.Err != nil {
		text += fmt.Sprintf(" (%v)", e.Err)
	}
	return text
}

// Unwrap returns why the wait ended; nil when it was the time.
func (e *UnknownOutcomeError) Unwrap() error { return e.Err }

// ErrNotSent is wrapped when an event never left this process, or came back
// with an error after which it is certainly not stored: it can be sent again.
var ErrNotSent = errors.New("not sent")

// ErrNotValidated is wrapped by a [Validator]'s error when it could not find out
// whether a value is valid, for instance since a registry does not answer.
var ErrNotValidated = errors.New("not validated, so not sent")

// refusals are the broker's errors that the same record would meet again.
var refusals = []*kerr.Error{
	kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp,
	kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InvalidTopicException,
	kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.PolicyViolation,
	kerr.UnsupportedForMessageFormat, kerr.UnsupportedCompressionType,
}

// failure sorts what the Kafka client says of a record into outcomes. What it
// does not know is unknown.
func failure(topic string, waited time.Duration, err error) error {
	for _, refusal := range refusals {
		if errors.Is(err, refusal) {
			return &RejectedError{Topic: topic, Err: err}
		}
	}
	if errors.Is(err, kgo.ErrRecordTimeout) || errors.Is(err, kgo.ErrRecordRetries) {
		return fmt.Errorf("produce to %s: %w: no broker took it within %s", topic, ErrNotSent, waited.Round(time.Millisecond))
	}
	return &UnknownOutcomeError{Topic: topic, Waited: waited, Err: err}
}
