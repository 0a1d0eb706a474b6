package events

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/spec"
)

// Delivery is one event that is handed to a handler.
type Delivery struct {
	spec.Event
	Group     string
	Topic     string
	Partition int32
	Offset    int64
	Timestamp time.Time
	Key       []byte
	Headers   []Header
	// Attempt is 1 at first and counts up with each retry.
	Attempt int
}

// Handler handles one event. It may be called again with the same event, after
// an error, a crash or a rebalance, so it must be idempotent. Its context carries
// the event's request id and trace, and ends when the event is another member's
// or the consumer has to stop. An error is retried, but for a
// [resilience.PermanentError]; so is a panic.
type Handler func(ctx context.Context, d Delivery) error

// Stats counts what a consumer has done.
type Stats struct {
	Handled      int64 `json:"handled"`
	Retried      int64 `json:"retried"`
	Skipped      int64 `json:"skipped"`    // no handler for their type
	Duplicates   int64 `json:"duplicates"` // passed by WithIdempotence
	DeadLettered int64 `json:"dead_lettered"`
	Rebalances   int64 `json:"rebalances"`
	// InFlight are the events that were fetched and are not done.
	InFlight int64 `json:"in_flight"`
	// Lag are the events that are not done in the partitions of this member, as
	// far as it knows of them.
	Lag int64 `json:"lag"`
}

// Consumer handles the events of a group's topics (K5), those of a key one after
// another in their order, as many keys at once as it has workers. The offset of
// an event is committed only when it and all before it in its partition were
// handled, skipped or dead-lettered with an acknowledgement; so a crash repeats
// events and loses none.
//
// An event that is to be retried holds up the later ones of its key, and nothing
// else. A partition with too much open is not fetched from until there is room.
type Consumer struct {
	client  *Client
	kafka   *kgo.Client
	group   string
	opts    consumerOptions
	tally   tally
	workers []*worker
	seed    maphash.Seed
	turn    int             // of the worker for the next record without a key
	ctx     context.Context //nolint:containedctx // above those of the handlers, which outlast Run's

	mu       sync.Mutex
	assigned map[string]map[int32]*assignment
	failed   error
	fail     context.CancelCauseFunc // ends Run

	committing sync.Mutex // an earlier position may not overtake a later one
}

// NewConsumer connects a consumer that joins its group in [Consumer.Run]'s
// first poll. The caller runs and closes it. Each topic and its dead-letter
// topic must exist: an [*UnknownTopicError] tells before an event is lost.
func (c *Client) NewConsumer(ctx context.Context, group string, topics []string, options ...ConsumerOption) (*Consumer, error) {
	o, err := newConsumerOptions(options)
	if err != nil {
		return nil, err
	}
	if group == "" || len(topics) == 0 {
		return nil, errors.New("a consumer needs a group and topics")
	}
	names := append([]string(nil), topics...)
	for _, topic := range topics {
		names = append(names, c.cfg.Conventions.DLQTopic(topic))
	}
	if _, err := c.details(ctx, names...); err != nil {
		return nil, err
	}
	consumer := &Consumer{client: c, group: group, opts: o, seed: maphash.MakeSeed(), assigned: map[string]map[int32]*assignment{}}
	for range o.workers {
		consumer.workers = append(consumer.workers, newWorker())
	}
	consumer.kafka, err = c.Open(ctx, append(o.kafka(),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { consumer.tally.rebalances.Add(1) }),
		kgo.OnPartitionsRevoked(func(ctx context.Context, _ *kgo.Client, gone map[string][]int32) { consumer.revoked(ctx, gone) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) { consumer.lost(gone) }),
		kgo.ProducerLinger(0),
	)...)
	if err != nil {
		return nil, err
	}
	return consumer, nil
}

// Close leaves the group, which gives its partitions to others at once; a
// static member's wait for it. Call it after Run has returned.
func (c *Consumer) Close() { c.kafka.CloseAllowingRebalance() }

// Run handles events until ctx ends, and then returns nil: handlers under way
// return, within the drain timeout, and what is done is committed. It returns an
// error when a dead letter was not acknowledged, since going on would lose the
// event, or when the cluster refuses the group. It is called once.
func (c *Consumer) Run(ctx context.Context) error {
	var release context.CancelFunc
	c.ctx, release = context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	c.mu.Lock()
	c.fail = stop
	c.mu.Unlock()
	ended := make(chan struct{})
	var workers, committer sync.WaitGroup
	for _, w := range c.workers {
		workers.Go(func() { w.run(ended, c.work) })
	}
	committer.Go(func() { c.commitOften(running) })

	err := c.poll(running)
	stop(nil)
	committer.Wait()
	gone := c.takeAll()
	c.drain(gone)
	close(ended)
	workers.Wait()
	err = errors.Join(err, c.failure(), c.commit(ctx, gone))
	c.report()
	if err != nil {
		return fmt.Errorf("consume as group %s: %w", c.group, err)
	}
	return nil
}

// poll hands records to the workers until ctx ends.
func (c *Consumer) poll(ctx context.Context) error {
	for {
		fetches := c.kafka.PollRecords(ctx, spec.ConsumerMaxPoll)
		if ctx.Err() != nil {
			c.kafka.AllowRebalance()
			return nil
		}
		err := fetchError(fetches)
		if err == nil {
			c.dispatch(fetches)
		}
		c.kafka.AllowRebalance()
		if err != nil {
			return err
		}
	}
}

// fetchError returns the first error of a poll that waiting does not mend;
// those that it does are retried by the client itself.
func fetchError(fetches kgo.Fetches) error {
	for _, e := range fetches.Errors() {
		return fmt.Errorf("fetch %s partition %d: %w", e.Topic, e.Partition, e.Err)
	}
	return nil
}

// dispatch gives each record to the worker of its key.
func (c *Consumer) dispatch(fetches kgo.Fetches) {
	tasks := make([]task, 0, fetches.NumRecords())
	hands := make([][]*task, len(c.workers))
	var full []*assignment
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) == 0 {
			return
		}
		a := c.assignment(p.Topic, p.Partition)
		pause := a.deliver(p.Records, p.HighWatermark, func(r *kgo.Record, number uint64) {
			tasks = append(tasks, task{assignment: a, record: r, number: number})
			worker := c.worker(r)
			hands[worker] = append(hands[worker], &tasks[len(tasks)-1])
		})
		if pause {
			full = append(full, a)
		}
	})
	for _, a := range full {
		c.kafka.PauseFetchPartitions(a.name())
	}
	for i, hand := range hands {
		if len(hand) > 0 {
			c.workers[i].push(hand)
		}
	}
}

// worker returns the worker of a record: that of its key, or the next one.
func (c *Consumer) worker(r *kgo.Record) int {
	if r.Key == nil {
		c.turn++
		return c.turn % len(c.workers)
	}
	return int(maphash.Bytes(c.seed, r.Key) % uint64(len(c.workers)))
}

// stopWith ends Run with an error.
func (c *Consumer) stopWith(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = errors.Join(c.failed, err)
	c.fail(err)
}

func (c *Consumer) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}
