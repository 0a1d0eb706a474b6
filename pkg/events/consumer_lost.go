package events

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// LostError says that events of a partition were deleted, by retention, before
// the group read them.
type LostError struct {
	// From is the offset of the first of them, Until the one behind the last.
	From, Until int64
}

func (e *LostError) Error() string {
	return fmt.Sprintf("the events at offsets %d to %d were deleted before they were read", e.From, e.Until-1)
}

// lost returns what was deleted between the place that a partition was read to,
// which for a new assignment is what the group has committed, and the first
// record that was fetched; nil when that is nothing. The caller holds the lock.
func (q *queue) lost(a *assignment, p kgo.FetchTopicPartition) *LostError {
	if a.next == 0 && p.LogStartOffset > 0 {
		if at, ok := q.kafka.CommittedOffsets()[a.topic][a.partition]; ok {
			a.next = at.Offset
		}
	}
	from, until := a.next, min(p.LogStartOffset, p.Records[0].Offset)
	a.next = p.Records[len(p.Records)-1].Offset + 1
	if from <= 0 || until <= from {
		return nil
	}
	q.stats.Lost += until - from
	return &LostError{From: from, Until: until}
}

// deliver gives what was fetched to the workers, and tells what was lost. Events
// that are lost are no reason to end, since those behind them would be next.
func (c *Consumer) deliver(fetches kgo.Fetches) (err error) {
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		lost := c.queue.deliver(p)
		if lost == nil || c.opts.problem == nil || err != nil {
			return
		}
		problem := &FetchError{Topic: p.Topic, Partition: p.Partition, Err: lost}
		err = guard("OnProblem", func() error { return c.opts.problem(problem) })
	})
	return err
}
