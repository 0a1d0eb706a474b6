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
// broker refuses for good. It is not stored in its topic, and sending it again
// as it is cannot help.
type RejectedError struct {
	Topic string
	// Err is what is wrong: a *spec.TopicError, a *spec.EnvelopeError, an
	// [*UnknownTopicError], what the [Validator] said, or a *kerr.Error.
	Err error
	// DeadLetter is where its dead letter is stored; nil when it is not.
	DeadLetter *Ack
	// Spool is the folder of the spool in which the dead letter waits; empty
	// when it does not.
	Spool string
	// NotKept is why there is no dead letter, where there should be one.
	NotKept error
}

func (e *RejectedError) Error() string {
	switch {
	case e.DeadLetter != nil:
		return fmt.Sprintf("rejected by %s, dead-lettered to %s partition %d offset %d: %v",
			e.Topic, e.DeadLetter.Topic, e.DeadLetter.Partition, e.DeadLetter.Offset, e.Err)
	case e.Spool != "":
		return fmt.Sprintf("rejected by %s, its dead letter waits in the spool %s: %v", e.Topic, e.Spool, e.Err)
	case e.NotKept != nil:
		return fmt.Sprintf("rejected, nothing is stored in %s, and there is no dead letter of it (%v): %v", e.Topic, e.NotKept, e.Err)
	}
	return fmt.Sprintf("rejected, nothing is stored in %s: %v", e.Topic, e.Err)
}

// Unwrap returns what is wrong.
func (e *RejectedError) Unwrap() []error { return present(e.Err, e.NotKept) }

// UnknownOutcomeError is the outcome of an event that was not acknowledged in
// time: it may be stored, now or later, or not at all. Without a spool, who
// sends it again sends the same bytes, with the same id.
type UnknownOutcomeError struct {
	Topic string
	// Waited is how long the acknowledgement was awaited.
	Waited time.Duration
	// Err is why the wait ended, when it was not the time.
	Err error
	// Spool is the folder of the spool that keeps the event until its outcome
	// is known, and sends it again if it must; empty when there is none.
	Spool string
	// NotKept is why the spool does not keep it.
	NotKept error
}

func (e *UnknownOutcomeError) Error() string {
	text := fmt.Sprintf("no acknowledgement from %s within %s: it may be stored or not", e.Topic, e.Waited.Round(time.Millisecond))
	if e.Err != nil {
		text += fmt.Sprintf(" (%v)", e.Err)
	}
	return text + keptWhere(e.Spool, e.NotKept)
}

// Unwrap returns why the wait ended; nothing when it was the time.
func (e *UnknownOutcomeError) Unwrap() []error { return present(e.Err, e.NotKept) }

// ErrNotSent is wrapped when an event never left this process, or came back
// with an error after which it is certainly not stored: it can be sent again.
var ErrNotSent = errors.New("not sent")

// NotSentError is the outcome of an event that is certainly not stored, and was
// not rejected. It wraps [ErrNotSent].
type NotSentError struct {
	Topic string
	// Err is why.
	Err error
	// Spool is the folder of the spool that keeps the event and will send it;
	// empty when there is none.
	Spool string
	// NotKept is why the spool does not keep it.
	NotKept error
}

func (e *NotSentError) Error() string {
	return fmt.Sprintf("produce to %s: %v: %v", e.Topic, ErrNotSent, e.Err) + keptWhere(e.Spool, e.NotKept)
}

// Unwrap returns ErrNotSent and why.
func (e *NotSentError) Unwrap() []error { return present(ErrNotSent, e.Err, e.NotKept) }

// ErrBehind is wrapped by the [NotSentError] of an event that waits in the
// spool behind an earlier one of its key.
var ErrBehind = errors.New("an earlier event of its key waits in the spool")

// ErrNotValidated is wrapped by a [Validator]'s error when it could not find out
// whether a value is valid, for instance since a registry does not answer.
var ErrNotValidated = errors.New("not validated, so not sent")

func keptWhere(spool string, notKept error) string {
	switch {
	case spool != "":
		return "; it is kept in the spool " + spool
	case notKept != nil:
		return fmt.Sprintf("; it is kept nowhere: %v", notKept)
	}
	return ""
}

func present(errs ...error) []error {
	var there []error
	for _, err := range errs {
		if err != nil {
			there = append(there, err)
		}
	}
	return there
}

// kept returns the outcome with what the spool did: it keeps the event in dir,
// or it could not. For a rejected event it is its dead letter.
func kept(outcome error, dir string, notKept error) error {
	switch e := outcome.(type) { //nolint:errorlint // made here, and wrapped by nothing
	case *UnknownOutcomeError:
		e.Spool, e.NotKept = dir, notKept
	case *NotSentError:
		e.Spool, e.NotKept = dir, notKept
	case *RejectedError:
		e.Spool, e.NotKept = dir, notKept
	}
	return outcome
}

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
		return &NotSentError{Topic: topic, Err: fmt.Errorf("no broker took it within %s", waited.Round(time.Millisecond))}
	}
	return &UnknownOutcomeError{Topic: topic, Waited: waited, Err: err}
}
