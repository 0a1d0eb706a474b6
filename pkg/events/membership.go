package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// commitTimeout bounds a commit, also the last one of a consumer that is told to
// stop.
const commitTimeout = 5 * time.Second

func (a *assignment) name() map[string][]int32 { return map[string][]int32{a.topic: {a.partition}} }

// assignment returns the partition that records come from, which is this
// member's: no rebalance comes between a poll and what is done with it.
func (c *Consumer) assignment(topic string, partition int32) *assignment {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.assigned[topic] == nil {
		c.assigned[topic] = map[int32]*assignment{}
	}
	a := c.assigned[topic][partition]
	if a == nil {
		a = newAssignment(c.ctx, topic, partition)
		c.assigned[topic][partition] = a
	}
	return a
}

// take removes partitions from those of this member.
func (c *Consumer) take(gone map[string][]int32) []*assignment {
	c.mu.Lock()
	defer c.mu.Unlock()
	var taken []*assignment
	for topic, partitions := range gone {
		for _, partition := range partitions {
			if a := c.assigned[topic][partition]; a != nil {
				taken = append(taken, a)
				delete(c.assigned[topic], partition)
			}
		}
	}
	return taken
}

func (c *Consumer) takeAll() []*assignment {
	all := c.all()
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.assigned)
	return all
}

func (c *Consumer) all() []*assignment {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*assignment
	for _, partitions := range c.assigned {
		for _, a := range partitions {
			all = append(all, a)
		}
	}
	return all
}

// revoked lets go of partitions in order: nothing new is begun, what is under
// way may end, and what is done is committed before another member goes on.
func (c *Consumer) revoked(ctx context.Context, gone map[string][]int32) {
	taken := c.take(gone)
	c.drain(taken)
	if err := c.commit(ctx, taken); err != nil {
		c.stopWith(err)
	}
	c.kafka.ResumeFetchPartitions(gone) // whoever gets one back starts anew
}

// lost lets go of partitions that are another member's already.
func (c *Consumer) lost(gone map[string][]int32) {
	for _, a := range c.take(gone) {
		a.close()
		a.cancel()
	}
	c.kafka.ResumeFetchPartitions(gone)
}

// drain waits for the handlers of partitions.
func (c *Consumer) drain(gone []*assignment) {
	deadline := make(chan time.Time)
	timer := time.AfterFunc(c.opts.drain, func() { close(deadline) })
	defer timer.Stop()
	for _, a := range gone {
		a.close()
	}
	for _, a := range gone {
		a.drain(deadline)
	}
}

// commitOften commits what is done, and tells the numbers.
func (c *Consumer) commitOften(ctx context.Context) {
	tick := time.NewTicker(commitInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := c.commit(ctx, nil); err != nil && ctx.Err() == nil {
			c.stopWith(err)
		}
		c.report()
	}
}

// commit commits what is done of the partitions given, or of all that are this
// member's, also when ctx has ended. When the group has moved on meanwhile it is
// void: others handle those events again.
func (c *Consumer) commit(ctx context.Context, of []*assignment) error {
	c.committing.Lock()
	defer c.committing.Unlock()
	if of == nil {
		of = c.all()
	}
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for _, a := range of {
		if at, ok := a.position(); ok {
			if offsets[a.topic] == nil {
				offsets[a.topic] = map[int32]kgo.EpochOffset{}
			}
			offsets[a.topic][a.partition] = at
		}
	}
	if len(offsets) == 0 {
		return nil
	}
	if err := c.send(ctx, offsets); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	for _, a := range of {
		if at, ok := offsets[a.topic][a.partition]; ok {
			a.committed(at)
		}
	}
	return nil
}

// send asks the group's coordinator to keep the offsets. What it refuses for a
// member that is none any more is no error, and neither is a time-out: the next
// commit says more.
func (c *Consumer) send(ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	var refused error
	c.kafka.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, r *kmsg.OffsetCommitResponse, err error) {
		refused = err
		if err == nil {
			refused = refusal(r)
		}
	})
	if refused == nil || isStaleMember(refused) || errors.Is(refused, context.DeadlineExceeded) {
		return nil
	}
	return refused
}

func refusal(r *kmsg.OffsetCommitResponse) error {
	for _, topic := range r.Topics {
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("%s partition %d: %w", topic.Topic, p.Partition, err)
			}
		}
	}
	return nil
}

// isStaleMember reports that a commit came from a member that the group does
// not know any more.
func isStaleMember(err error) bool {
	return errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.IllegalGeneration) ||
		errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.StaleMemberEpoch) ||
		errors.Is(err, kerr.FencedMemberEpoch) || errors.Is(err, kerr.FencedInstanceID)
}
