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

const (
	// statsInterval is how often the numbers are told.
	statsInterval = time.Second
	// commitTimeout bounds a commit.
	commitTimeout = 5 * time.Second
	// lastCommitTimeout bounds that of a consumer that is told to stop: amid a
	// rebalance the client holds commits back, and lets them go when it leaves.
	lastCommitTimeout = time.Second
	// commitAgain is the wait before a commit that came amid a rebalance is tried
	// again.
	commitAgain = 100 * time.Millisecond
)

// commitOften commits what is done, and tells the numbers.
func (c *Consumer) commitOften(ctx context.Context) {
	commits, stats := time.NewTicker(c.opts.commit), time.NewTicker(statsInterval)
	defer commits.Stop()
	defer stats.Stop()
	for {
		select {
		case <-commits.C:
			if err := c.commit(ctx, c.kafka, c.queue.all(), commitTimeout); err != nil && ctx.Err() == nil {
				c.stopWith(err)
			}
		case <-stats.C:
			c.report()
		case <-ctx.Done():
			return
		}
	}
}

// commit commits what is done of partitions, also when ctx has ended. When the
// group has moved on meanwhile it is void: others handle those events again.
func (c *Consumer) commit(ctx context.Context, client *kgo.Client, of []*assignment, timeout time.Duration) error {
	c.committing.Lock()
	defer c.committing.Unlock()
	positions := c.queue.positions(of)
	if len(positions) == 0 {
		return nil
	}
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for a, at := range positions {
		if offsets[a.topic] == nil {
			offsets[a.topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[a.topic][a.partition] = at
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	err := send(ctx, client, offsets)
	for isAmidRebalance(err) && sleep(ctx, commitAgain) {
		err = send(ctx, client, offsets)
	}
	switch {
	case err == nil:
		c.queue.committed(positions)
	case isFinal(err):
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// sleep reports whether ctx lasted so long.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// send asks the group's coordinator to keep offsets.
func send(ctx context.Context, client *kgo.Client, offsets map[string]map[int32]kgo.EpochOffset) (err error) {
	client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, r *kmsg.OffsetCommitResponse, sendErr error) {
		if err = sendErr; err == nil {
			err = refusal(r)
		}
	})
	return err
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

// isAmidRebalance reports that the member is one still, and will be heard once
// the rebalance has gone on.
func isAmidRebalance(err error) bool {
	return errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.StaleMemberEpoch)
}

// isFinal reports that a commit is refused for a reason that waiting does not
// mend. Any other is void: what was not kept is sent with the next commit, or
// others handle those events again, since the group does not know the member any
// more; or the topic is gone.
func isFinal(err error) bool {
	for _, final := range []error{
		kerr.GroupAuthorizationFailed, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.InvalidGroupID, kerr.InvalidCommitOffsetSize,
	} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}
