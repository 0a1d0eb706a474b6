package events

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// handlerGrace is how long handlers may take to return once their contexts have
// ended, and leaveTimeout how long leaving the group may take: both are for what
// does not do as it should.
const (
	handlerGrace = time.Second
	leaveTimeout = 2 * commitTimeout
)

// What a broker sends at once, before decompression, which makes about ten times
// as much of JSON. Less is slower for large events: a fetch brings few of them.
const (
	fetchPartitionBytes = 1 << 20
	fetchBytes          = 8 << 20
	// fetchWait is how long a broker holds a fetch while there is nothing new, as
	// for Kafka's own consumer: a partition that is resumed meanwhile waits for it.
	fetchWait = 500 * time.Millisecond
)

// Why the context of a handler has ended; see [context.Cause].
var (
	// ErrRevoked says that the partition is, or soon will be, another member's.
	ErrRevoked = errors.New("the partition goes to another member of the group")
	// ErrStopped says that the consumer has to stop.
	ErrStopped = errors.New("the consumer has to stop")
)

// join opens the Kafka client, which joins the group.
func (c *Consumer) join(ctx context.Context) error {
	opts := append(c.opts.kafka(),
		kgo.ConsumerGroup(c.group),
		kgo.ConsumeTopics(c.topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepRetryableFetchErrors(), // a topic that is gone is one of them
		kgo.FetchMaxPartitionBytes(fetchPartitionBytes),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxWait(fetchWait),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { c.queue.rebalanced() }),
		kgo.OnPartitionsRevoked(func(ctx context.Context, client *kgo.Client, gone map[string][]int32) { c.revoked(ctx, client, gone) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) { c.lost(gone) }),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytes(maxBatch), // a dead letter is longer than its event: the broker decides
	)
	client, err := c.client.Open(ctx, opts...)
	c.kafka, c.queue.kafka = client, client
	return err
}

// leave gives the partitions to others at once, after a commit of what is not
// committed yet; those of a static member wait for it.
func (c *Consumer) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	c.kafka.AllowRebalance()
	_ = c.kafka.LeaveGroupContext(ctx) // if it cannot, the broker finds out when the session ends
	c.kafka.Close()
}

// revoked lets go of partitions in order: nothing new is begun, what is under
// way may end, and what is done is committed before another member goes on.
func (c *Consumer) revoked(ctx context.Context, client *kgo.Client, gone map[string][]int32) {
	of := c.queue.of(gone)
	c.drain(of, ErrRevoked)
	if err := c.commit(ctx, client, of, commitTimeout); err != nil {
		c.stopWith(err)
	}
	c.queue.forget(of)
}

// lost lets go of partitions that are another member's already.
func (c *Consumer) lost(gone map[string][]int32) {
	of := c.queue.of(gone)
	c.queue.close(of)
	for _, a := range of {
		a.cancel(ErrRevoked)
	}
	c.queue.forget(of)
}

// drain lets nothing of partitions begin and waits for their handlers. At the
// deadline the contexts of these end, and a little later they are waited for no
// longer, of which it tells.
func (c *Consumer) drain(of []*assignment, why error) (drained bool) {
	c.queue.close(of)
	drained = quiet(of, c.opts.drain)
	for _, a := range of {
		a.cancel(why)
	}
	return drained || quiet(of, handlerGrace)
}

// quiet waits until nothing of partitions runs, or for so long.
func quiet(of []*assignment, patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for _, a := range of {
		select {
		case <-a.quiet:
		case <-timer.C:
			return false
		}
	}
	return true
}
