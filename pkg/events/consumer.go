package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/suokelife/suokectl/pkg/spec"
)

// Delivery is one event that is handed to a handler.
type Delivery struct {
	spec.Event
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
// an error, a crash or a rebalance, so it must be idempotent. Its context ends
// when the consumer must stop.
type Handler func(ctx context.Context, d Delivery) error

// ConsumerOptions say what a [Consumer] does. Group, Topics and Handlers are
// needed; the rest is the specification's (K5).
type ConsumerOptions struct {
	Group  string
	Topics []string
	// Handlers are the handlers by meta.type. Events of other types are
	// skipped and counted.
	Handlers map[string]Handler
	// Retries is how often an event is tried again after its first failure.
	// Default [spec.Retries]; a negative number means none.
	Retries int
	// Backoff is the wait before the first retry; it doubles. Default 100 ms.
	Backoff time.Duration
	// OnDeadLetter is told of each event that was dead-lettered, after the
	// letter was acknowledged. May be nil.
	OnDeadLetter func(d Delivery, letter Ack, reason error)
}

// Stats counts what a consumer has done.
type Stats struct {
	Handled      int64 `json:"handled"`
	Retried      int64 `json:"retried"`
	Skipped      int64 `json:"skipped"` // no handler for their type
	DeadLettered int64 `json:"dead_lettered"`
}

// Consumer handles the events of a group's topics (K5). Partitions are handled
// side by side, the events of one partition one after another. The offset of
// an event is committed only when it was handled, skipped, or its dead letter
// was acknowledged; so a crash repeats events and loses none.
type Consumer struct {
	kafka  *kgo.Client
	opts   ConsumerOptions
	client *Client
	tally  tally
}

// NewConsumer connects a consumer that joins its group in [Consumer.Run]'s
// first poll. The caller runs and closes it. Each topic and its dead-letter
// topic must exist: an [*UnknownTopicError] tells before an event is lost.
func (c *Client) NewConsumer(ctx context.Context, o ConsumerOptions) (*Consumer, error) {
	if o.Group == "" || len(o.Topics) == 0 || len(o.Handlers) == 0 {
		return nil, errors.New("a consumer needs a group, topics and handlers")
	}
	if o.Retries == 0 {
		o.Retries = spec.Retries
	}
	if o.Backoff == 0 {
		o.Backoff = 100 * time.Millisecond
	}
	names := append([]string(nil), o.Topics...)
	for _, topic := range o.Topics {
		names = append(names, c.cfg.Conventions.DLQTopic(topic))
	}
	if _, err := c.details(ctx, names...); err != nil {
		return nil, err
	}
	kafka, err := c.Open(ctx,
		kgo.ConsumerGroup(o.Group),
		kgo.ConsumeTopics(o.Topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.ProducerLinger(0),
	)
	if err != nil {
		return nil, err
	}
	return &Consumer{kafka: kafka, opts: o, client: c}, nil
}

// Stats returns what has been done so far. It may be called at any time.
func (c *Consumer) Stats() Stats { return c.tally.stats() }

// Close leaves the group. Call it after Run has returned.
func (c *Consumer) Close() { c.kafka.CloseAllowingRebalance() }

// Run handles events until ctx ends, and then returns nil: the event that each
// partition is at is finished or abandoned, and what is done is committed. It
// returns an error when a dead letter was not acknowledged, since going on
// would lose the event, or when the cluster refuses the group.
func (c *Consumer) Run(ctx context.Context) error {
	for {
		fetches := c.kafka.PollRecords(ctx, spec.ConsumerMaxPoll)
		if ctx.Err() != nil {
			c.kafka.AllowRebalance()
			return nil
		}
		err := fetchError(fetches)
		if err == nil {
			err = c.handleAll(ctx, fetches)
		}
		c.kafka.AllowRebalance()
		if err != nil {
			return fmt.Errorf("consume as group %s: %w", c.opts.Group, err)
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

// handleAll handles one poll, at most [spec.ConsumerWorkers] partitions at
// once, and commits what was done of it, also when a part failed.
func (c *Consumer) handleAll(ctx context.Context, fetches kgo.Fetches) error {
	var workers errgroup.Group
	workers.SetLimit(spec.ConsumerWorkers)
	var done doneRecords
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		workers.Go(func() error {
			last, err := c.handlePartition(ctx, p.Records)
			done.add(last)
			return err
		})
	})
	err := workers.Wait()
	return errors.Join(err, c.commit(ctx, done.records))
}

// handlePartition handles records in order up to the first that must not be
// passed, and returns the last that is done, nil when none is.
func (c *Consumer) handlePartition(ctx context.Context, records []*kgo.Record) (last *kgo.Record, err error) {
	for _, r := range records {
		if ctx.Err() != nil {
			return last, nil
		}
		if err := c.handle(ctx, r); err != nil {
			if ctx.Err() != nil {
				return last, nil
			}
			return last, err
		}
		last = r
	}
	return last, nil
}

// commitTimeout bounds the last commit of a consumer that is told to stop.
const commitTimeout = 5 * time.Second

// commit commits what is done, also when ctx has ended. When the group has
// moved on meanwhile the commit is void: others handle those events again.
func (c *Consumer) commit(ctx context.Context, done []*kgo.Record) error {
	if len(done) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	err := c.kafka.CommitRecords(ctx, done...)
	if err == nil || isStaleMember(err) {
		return nil
	}
	return fmt.Errorf("commit: %w", err)
}
