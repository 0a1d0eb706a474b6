package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/spec"
)

// Delivery is one event that is handed to a handler. Its key, headers and data
// may not be changed, and share their memory with what was fetched beside them:
// clone what is kept for long.
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
// an error, a crash or a rebalance, so it must be idempotent.
//
// Its context carries the event's request id and trace. It outlasts that of
// [Consumer.Run] by the drain timeout, and ends when the event is another
// member's or the consumer has to stop: its cause is [ErrRevoked] or
// [ErrStopped].
//
// A nil error passes the event, as [ErrDuplicate] does. With any other it is
// tried again after the consumer's backoff, or after the delay of a
// [resilience.ServiceError] that has one; so it is after a panic. An error that
// asks for no retry, such as a [resilience.PermanentError], dead-letters it at
// once, as the last retry does.
type Handler func(ctx context.Context, d Delivery) error

// Stats counts what a consumer has done.
type Stats struct {
	Handled      int64 `json:"handled"`
	Retried      int64 `json:"retried"`
	Skipped      int64 `json:"skipped"`    // no handler for their type
	Duplicates   int64 `json:"duplicates"` // passed by WithIdempotence
	DeadLettered int64 `json:"dead_lettered"`
	Lost         int64 `json:"lost"` // offsets that retention took before they were read
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
// else. A partition with too much behind such an event is not fetched from until
// there is room.
type Consumer struct {
	client *Client
	kafka  *kgo.Client
	group  string
	topics []string
	opts   consumerOptions
	queue  *queue

	mu      sync.Mutex
	running bool // or it was
	failed  error
	fail    context.CancelCauseFunc // ends Run

	committing sync.Mutex // an earlier position may not overtake a later one
	unknown    map[string]unknownTopic
}

// NewConsumer makes a consumer, which joins its group when it is run. Each topic
// and its dead-letter topic must exist: an [*UnknownTopicError] tells before an
// event is lost.
func (c *Client) NewConsumer(ctx context.Context, group string, topics []string, options ...ConsumerOption) (*Consumer, error) {
	o, err := newConsumerOptions(options)
	if err != nil {
		return nil, err
	}
	if group == "" || len(topics) == 0 {
		return nil, errors.New("a consumer needs a group and topics")
	}
	names := slices.Clone(topics)
	for _, topic := range topics {
		names = append(names, c.cfg.Conventions.DLQTopic(topic))
	}
	if _, err := c.details(ctx, names...); err != nil {
		return nil, err
	}
	return &Consumer{client: c, group: group, topics: slices.Clone(topics), opts: o, queue: newQueue(*c.cfg.Conventions, topics), unknown: map[string]unknownTopic{}}, nil
}

// Stats returns what has been done so far, and what there is to do. It may be
// called at any time.
func (c *Consumer) Stats() Stats { return c.queue.numbers() }

// Pause lets nothing more begin: what is under way ends, what waits for its
// retry goes on waiting, nothing is fetched. The consumer stays in its group and
// keeps its partitions. It may be called at any time, also by a handler.
func (c *Consumer) Pause() { c.queue.hold(true) }

// Resume ends a Pause.
func (c *Consumer) Resume() { c.queue.hold(false) }

// ErrRunOnce is returned by [Consumer.Run] when it was called before.
var ErrRunOnce = errors.New("a consumer runs once")

// ErrHandlersLeft is wrapped by the error of [Consumer.Run] when handlers have
// not returned although their contexts ended. They are left behind; their
// events were not committed.
var ErrHandlersLeft = errors.New("handlers did not return when their contexts ended")

// Run joins the group and handles events until ctx ends, and then returns nil:
// handlers under way return, within the drain timeout, what is done is
// committed, and the group is left. It returns an error when a dead letter was
// refused, since going on would lose the event; a [*FetchError] when a topic
// cannot be read; and one when the cluster refuses the group. It is called once.
func (c *Consumer) Run(ctx context.Context) error {
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if err := c.start(stop); err != nil {
		return err
	}
	handlers, release := context.WithCancelCause(context.WithoutCancel(ctx))
	defer release(ErrStopped)
	c.queue.ctx = handlers
	err := c.join(ctx)
	if err == nil {
		err = c.run(running, stop)
	}
	if err != nil {
		return fmt.Errorf("consume as group %s: %w", c.group, err)
	}
	return nil
}

func (c *Consumer) start(fail context.CancelCauseFunc) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		return ErrRunOnce
	}
	c.running, c.fail = true, fail
	return nil
}

// run lets workers, committer and poll loop do their work, and ends them.
func (c *Consumer) run(ctx context.Context, stop context.CancelCauseFunc) error {
	var workers, committer sync.WaitGroup
	for range c.opts.workers {
		workers.Go(c.work)
	}
	committer.Go(func() { c.commitOften(ctx) })

	c.stopWith(c.poll(ctx))
	stop(nil)
	committer.Wait()
	all := c.queue.stop()
	drained := c.drain(all, ErrStopped)
	c.stopWith(c.commit(ctx, c.kafka, all, lastCommitTimeout))
	c.leave(ctx)
	if drained {
		workers.Wait()
	} else {
		c.stopWith(ErrHandlersLeft)
	}
	c.queue.forget(all)
	c.report()
	return c.failure()
}

// poll gives records to the workers, as long as these want more, until ctx ends.
func (c *Consumer) poll(ctx context.Context) error {
	for c.awaitWanted(ctx) {
		fetches := c.kafka.PollRecords(ctx, spec.ConsumerMaxPoll)
		var err error
		if ctx.Err() == nil {
			err = c.judge(fetches)
		}
		if ctx.Err() == nil && err == nil {
			err = c.deliver(fetches)
		}
		c.kafka.AllowRebalance()
		if err != nil {
			return err
		}
	}
	return nil
}

// awaitWanted waits until more is to be fetched, and reports that ctx has not
// ended.
func (c *Consumer) awaitWanted(ctx context.Context) bool {
	for ctx.Err() == nil {
		yes, wait := c.queue.wanted()
		if yes {
			return true
		}
		var timeout <-chan time.Time
		if wait > 0 {
			timeout = time.After(wait)
		}
		select {
		case <-c.queue.room:
		case <-timeout:
		case <-ctx.Done():
		}
	}
	return false
}

// stopWith ends Run with an error, unless it is nil.
func (c *Consumer) stopWith(err error) {
	if err == nil {
		return
	}
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

// report tells the numbers to whom it may concern.
func (c *Consumer) report() {
	if c.opts.observe != nil {
		c.hook("OnStats", func() { c.opts.observe(c.Stats()) })
	}
}

// hook calls a hook. Its panic ends Run, since it would come again and again.
func (c *Consumer) hook(name string, call func()) {
	c.stopWith(guard(name, func() error { call(); return nil }))
}
