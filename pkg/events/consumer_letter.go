package events

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/spec"
)

// deadLetter writes a record to its dead-letter topic and waits for the
// acknowledgement, as long as the partition is this member's: the client sends it
// again and again, and once. A letter that is refused ends the consumer; without
// one the event is not passed.
func (c *Consumer) deadLetter(a *assignment, t *task, d Delivery, reason error) outcome {
	r := t.record
	letter := newLetter(*c.client.cfg.Conventions, r, c.group, max(1, t.attempts), reason, time.Now())
	acked := make(chan error, 1)
	c.kafka.Produce(a.ctx, letter, func(_ *kgo.Record, err error) { acked <- err })
	select {
	case err := <-acked:
		if a.ctx.Err() != nil && err != nil {
			return outcome{verdict: dropped}
		}
		if err != nil {
			c.stopWith(fmt.Errorf("dead-letter %s partition %d offset %d (%w): %w", r.Topic, r.Partition, r.Offset, reason, err))
			return outcome{verdict: dropped}
		}
	case <-a.ctx.Done():
		return outcome{verdict: dropped}
	}
	if told := c.opts.deadLetters; told != nil {
		c.hook("OnDeadLetter", func() { told(d, Ack{Topic: letter.Topic, Partition: letter.Partition, Offset: letter.Offset}, reason) })
	}
	return outcome{verdict: deadLettered}
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
