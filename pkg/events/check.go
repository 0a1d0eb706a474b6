package events

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/suokelife/suokectl/pkg/spec"
)

const (
	// defaultBatch is the Kafka client's, which every broker takes by default;
	// minBatch and maxBatch are what the client can be told.
	defaultBatch = 1_000_012
	minBatch     = 512
	maxBatch     = 64 << 20
)

// checker decides whether a record may be produced.
type checker struct {
	client   *Client
	validate Validator
	// patience is how long a topic is looked up; 0 is as long as it takes. When
	// it is over and the cluster did not answer, the topic is taken to be
	// there: the broker will say otherwise.
	patience time.Duration

	mu     sync.Mutex
	topics map[string]topicVerdict
	limits sync.Map // topic: the most bytes of a batch, an int32
}

// topicVerdict is what is known of a topic: its parts, or why nothing may be
// produced to it.
type topicVerdict struct {
	parts spec.Topic
	err   error
}

func newChecker(c *Client, validate Validator) *checker {
	return &checker{client: c, validate: validate, topics: make(map[string]topicVerdict)}
}

// check returns nil, a *RejectedError, or what kept it from finding out.
func (c *checker) check(ctx context.Context, r Record) error {
	parts, err := c.topic(ctx, r.Topic)
	if err != nil {
		return err
	}
	event, err := c.client.cfg.Conventions.ParseEvent(r.Value)
	if err == nil {
		err = c.client.cfg.Conventions.CheckTopic(event, parts)
	}
	if err == nil && c.validate != nil {
		err = c.validate(ctx, r.Topic, r.Value)
	}
	if err == nil || errors.Is(err, ErrNotValidated) {
		return err
	}
	return &RejectedError{Topic: r.Topic, Err: err}
}

// topic asks once for each topic whether it exists.
func (c *checker) topic(ctx context.Context, name string) (spec.Topic, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	verdict, known := c.topics[name]
	if known {
		return verdict.parts, verdict.err
	}
	verdict.parts, verdict.err = c.judge(ctx, name)
	var rejected *RejectedError
	if verdict.err == nil || errors.As(verdict.err, &rejected) {
		c.topics[name] = verdict
	}
	return verdict.parts, verdict.err
}

func (c *checker) judge(ctx context.Context, name string) (spec.Topic, error) {
	explained := c.client.cfg.Conventions.ExplainTopic(name)
	if explained.Err != nil {
		return spec.Topic{}, &RejectedError{Topic: name, Err: explained.Err}
	}
	err := c.lookUp(ctx, name)
	var unknown *UnknownTopicError
	if errors.As(err, &unknown) {
		return spec.Topic{}, &RejectedError{Topic: name, Err: err}
	}
	return *explained.Topic, err
}

// lookUp asks whether a topic exists, and how large a batch it takes.
func (c *checker) lookUp(ctx context.Context, name string) error {
	brief := ctx
	if c.patience > 0 {
		var cancel context.CancelFunc
		brief, cancel = context.WithTimeout(ctx, c.patience)
		defer cancel()
	}
	_, err := c.client.details(brief, name)
	if err == nil {
		c.learnLimit(brief, name)
		return nil
	}
	var unknown *UnknownTopicError
	if c.patience > 0 && !errors.As(err, &unknown) && ctx.Err() == nil {
		return nil
	}
	return err
}

// learnLimit asks for the size that the broker refuses a batch above. It would
// refuse the small records of the batch too; and the client by itself would
// refuse records of a size that the topic allows. A broker that does not tell
// is taken to have the default.
func (c *checker) learnLimit(ctx context.Context, name string) {
	configs, err := c.client.admin.DescribeTopicConfigs(ctx, name)
	if err != nil {
		return
	}
	for _, topic := range configs {
		for _, config := range topic.Configs {
			limit, err := strconv.Atoi(config.MaybeValue())
			if config.Key == "max.message.bytes" && err == nil {
				c.limits.Store(name, int32(min(max(limit, minBatch), maxBatch)))
			}
		}
	}
}

// batchLimit is how many bytes of a topic's records may share a batch.
func (c *checker) batchLimit(topic string) int32 {
	if limit, known := c.limits.Load(topic); known {
		return limit.(int32)
	}
	return defaultBatch
}
