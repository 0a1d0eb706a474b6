package events

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/spec"
)

// deadLetter writes a record to its dead-letter topic and waits for the
// acknowledgement. Without one the event must not be passed: the error is
// returned, and the event will be handled again.
func (c *Consumer) deadLetter(ctx context.Context, t *task, reason error) error {
	r := t.record
	letter := newLetter(*c.client.cfg.Conventions, r, c.group, max(1, t.delivery.Attempt), reason, time.Now())
	ctx, cancel := context.WithTimeout(ctx, spec.ProducerAckTimeout)
	defer cancel()
	stored, err := c.kafka.ProduceSync(ctx, letter).First()
	if err != nil {
		return fmt.Errorf("dead-letter %s partition %d offset %d (%w): %w", r.Topic, r.Partition, r.Offset, reason, err)
	}
	c.tally.deadLettered.Add(1)
	if c.opts.deadLetters != nil {
		c.opts.deadLetters(t.delivery, Ack{Topic: stored.Topic, Partition: stored.Partition, Offset: stored.Offset}, reason)
	}
	return nil
}

// newLetter makes the dead letter of a record (K4): the facts are spliced into
// the envelope where there is one, and stand in headers always, since what
// does not decode has no envelope. Key and other headers are kept; headers of
// an earlier hop are replaced, but for the place of its splice, which is still
// where it was.
func newLetter(conventions spec.Conventions, r *kgo.Record, group string, attempts int, reason error, now time.Time) *kgo.Record {
	text := strings.ToValidUTF8(reason.Error(), "�")
	value, place := conventions.AddDeadLetter(r.Value, spec.DeadLetter{Error: text, OriginalTopic: r.Topic, Time: now})
	headers, earlier := splitHeaders(r.Headers)
	if place == spec.PlaceNone && earlier[spec.HeaderDLQPlace] != "" {
		place = earlier[spec.HeaderDLQPlace]
	}
	if before, err := strconv.Atoi(earlier[spec.HeaderDLQAttempts]); err == nil && before > 0 {
		attempts += before
	}
	for _, h := range [][2]string{
		{spec.HeaderDLQError, text},
		{spec.HeaderDLQTime, now.UTC().Format(time.RFC3339Nano)},
		{spec.HeaderDLQOriginalTopic, r.Topic},
		{spec.HeaderDLQOriginalPartition, strconv.Itoa(int(r.Partition))},
		{spec.HeaderDLQOriginalOffset, strconv.FormatInt(r.Offset, 10)},
		{spec.HeaderDLQOriginalTimestamp, r.Timestamp.UTC().Format(time.RFC3339Nano)},
		{spec.HeaderDLQAttempts, strconv.Itoa(attempts)},
		{spec.HeaderDLQGroup, group},
		{spec.HeaderDLQPlace, place},
	} {
		headers = append(headers, Header{Key: h[0], Value: []byte(h[1])})
	}
	return &kgo.Record{Topic: conventions.DLQTopic(r.Topic), Key: r.Key, Value: value, Headers: headers}
}

// splitHeaders divides headers into those to keep, in order, and what an
// earlier hop through a dead-letter topic said.
func splitHeaders(all []Header) (kept []Header, earlier map[string]string) {
	earlier = make(map[string]string)
	kept = slices.DeleteFunc(slices.Clone(all), func(h Header) bool {
		ours := strings.HasPrefix(h.Key, spec.HeaderDLQPrefix)
		if ours {
			earlier[h.Key] = string(h.Value)
		}
		return ours
	})
	return kept, earlier
}
