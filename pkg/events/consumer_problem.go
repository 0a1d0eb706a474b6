package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// FetchError says why a partition, or with a Partition of -1 a whole topic, or
// without a Topic all of them, is not fetched from, where waiting does not mend
// it: the topic was deleted, or deleted and created again; reading it is not
// allowed; an answer is larger than the Kafka client reads, which is 100 MiB; or,
// as a [*kgo.ErrDataLoss], what was not read yet is gone, by retention or a
// leader that did not have it. With a [*LostError] it is fetched from, behind what
// is lost.
type FetchError struct {
	Topic     string
	Partition int32
	Err       error
}

func (e *FetchError) Error() string {
	what := e.Topic
	if e.Topic == "" {
		what = "the topics"
	}
	if e.Partition >= 0 {
		what = fmt.Sprintf("%s partition %d", e.Topic, e.Partition)
	}
	switch {
	case errors.Is(e.Err, kerr.UnknownTopicID):
		return fmt.Sprintf("fetch %s: the topic was deleted and created again: start the consumer anew to read it (%v)", what, e.Err)
	case errors.Is(e.Err, kerr.UnknownTopicOrPartition):
		return fmt.Sprintf("fetch %s: the topic is gone (%v)", what, e.Err)
	}
	return fmt.Sprintf("fetch %s: %v", what, e.Err)
}

// Unwrap returns what the broker said.
func (e *FetchError) Unwrap() error { return e.Err }

// unknownTopic is a time in which the brokers did not know a topic.
type unknownTopic struct{ first, last time.Time }

// gonePatience is how long a topic may be unknown to the brokers before it is
// taken to be gone: one that has just come up knows none.
const gonePatience = 10 * time.Second

// judge returns what of a poll's errors ends Run. The client itself retries what
// passes with time.
func (c *Consumer) judge(fetches kgo.Fetches) error {
	for _, e := range fetches.Errors() {
		var session *kgo.ErrGroupSession
		switch {
		case errors.As(e.Err, &session):
			if refusesGroup(e.Err) {
				return e.Err
			}
			continue
		case errors.Is(e.Err, kerr.UnknownTopicOrPartition):
			if !c.isGone(e.Topic) {
				continue
			}
		case kerr.IsRetriable(e.Err) && !errors.Is(e.Err, kerr.UnknownTopicID), errors.Is(e.Err, context.Canceled):
			continue
		}
		problem := &FetchError{Topic: e.Topic, Partition: e.Partition, Err: e.Err}
		if c.opts.problem == nil {
			return problem
		}
		if err := guard("OnProblem", func() error { return c.opts.problem(problem) }); err != nil {
			return err
		}
	}
	return nil
}

// isGone reports that a topic has been unknown for long.
func (c *Consumer) isGone(topic string) bool {
	now := time.Now()
	u, ok := c.unknown[topic]
	if !ok || now.Sub(u.last) > gonePatience {
		u.first = now
	}
	u.last = now
	c.unknown[topic] = u
	return now.Sub(u.first) > gonePatience
}

// refusesGroup reports that the group cannot be joined as it is asked for.
func refusesGroup(err error) bool {
	for _, final := range []error{
		kerr.GroupAuthorizationFailed, kerr.InvalidGroupID, kerr.InconsistentGroupProtocol, kerr.FencedInstanceID,
		kerr.GroupMaxSizeReached, kerr.UnsupportedAssignor, kerr.UnsupportedVersion, kerr.InvalidSessionTimeout, kerr.InvalidRequest,
	} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}
