package events

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

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
	encode   Encoder
	// patience is how long a topic is looked up; 0 is as long as it takes. When
	// it is over and the cluster did not answer, the topic is taken to be
	// there: the broker will say otherwise.
	patience time.Duration

	topics sync.Map // topic: *topicVerdict
	asking sync.Mutex
	limits sync.Map // topic: the most bytes of a batch, an int32
}

// topicVerdict is what is known of a topic: its parts, or why nothing may be
// produced to it.
type topicVerdict struct {
	parts      spec.Topic
	fitter     *spec.Fitter
	partitions int32 // 0 when the cluster did not say
	err        error
}

func newChecker(c *Client, o ProducerOptions) *checker {
	return &checker{client: c, validate: o.Validate, encode: o.Encode}
}

// checked is the value to write of a record, or why there is none: a
// *RejectedError, or what kept the checker from finding out.
type checked struct {
	value []byte
	err   error
}

func (c *checker) check(ctx context.Context, r *Record) checked {
	topic, err := c.topic(ctx, r.Topic)
	if err != nil {
		return checked{err: err}
	}
	return c.checkIn(ctx, r, topic)
}

// checkIn is check for a record of a topic that may be produced to.
func (c *checker) checkIn(ctx context.Context, r *Record, topic *topicVerdict) checked {
	value, err := r.Value, c.judgeRecord(r, topic)
	if err == nil && c.validate != nil {
		err = c.validate(ctx, r.Topic, r.Value)
	}
	if err == nil && c.encode != nil {
		value, err = c.encode(ctx, r.Topic, r.Value)
	}
	if err != nil && !errors.Is(err, ErrNotValidated) {
		err = &RejectedError{Topic: r.Topic, Err: err}
	}
	return checked{value, err}
}

func (c *checker) judgeRecord(r *Record, topic *topicVerdict) error {
	if p := r.Partition; p != nil && (*p < 0 || topic.partitions > 0 && *p >= topic.partitions) {
		return fmt.Errorf("partition %d: the topic has %d, counted from 0", *p, topic.partitions)
	}
	conventions := c.client.cfg.Conventions
	if !utf8.Valid(r.Value) { // as JSON must be; the specification's consumer would fall over it
		if _, err := conventions.ParseEvent(r.Value); err != nil {
			return err
		}
		return notUTF8(r.Value)
	}
	if topic.fitter.Fits(r.Value) {
		return nil
	}
	event, err := conventions.ParseEvent(r.Value)
	if err != nil {
		return err
	}
	return conventions.CheckTopic(event, topic.parts)
}

// notUTF8 points to the first byte that is not.
func notUTF8(value []byte) error {
	at := 0
	for {
		char, size := utf8.DecodeRune(value[at:])
		if char == utf8.RuneError && size <= 1 {
			break
		}
		at += size
	}
	return &spec.EnvelopeError{Problems: []spec.FieldProblem{{
		Field: "event", Got: fmt.Sprintf("not UTF-8 (byte %#02x)", value[at]), Want: "a JSON text in UTF-8", Offset: at,
	}}}
}

// topic asks once for each topic whether it exists.
func (c *checker) topic(ctx context.Context, name string) (*topicVerdict, error) {
	if known, ok := c.topics.Load(name); ok {
		verdict := known.(*topicVerdict)
		return verdict, verdict.err
	}
	c.asking.Lock()
	defer c.asking.Unlock()
	if known, ok := c.topics.Load(name); ok {
		verdict := known.(*topicVerdict)
		return verdict, verdict.err
	}
	verdict := c.judge(ctx, name)
	var rejected *RejectedError
	if verdict.err == nil || errors.As(verdict.err, &rejected) {
		c.topics.Store(name, verdict)
	}
	return verdict, verdict.err
}

func (c *checker) judge(ctx context.Context, name string) *topicVerdict {
	v := &topicVerdict{}
	explained := c.client.cfg.Conventions.ExplainTopic(name)
	if explained.Err != nil {
		v.err = &RejectedError{Topic: name, Err: explained.Err}
		return v
	}
	v.parts = *explained.Topic
	v.fitter = c.client.cfg.Conventions.Fitter(v.parts)
	v.partitions, v.err = c.lookUp(ctx, name)
	var unknown *UnknownTopicError
	if errors.As(v.err, &unknown) {
		v.err = &RejectedError{Topic: name, Err: v.err}
	}
	return v
}

// lookUp asks whether a topic exists, how many partitions it has, and how large
// a batch it takes.
func (c *checker) lookUp(ctx context.Context, name string) (partitions int32, err error) {
	brief := ctx
	if c.patience > 0 {
		var cancel context.CancelFunc
		brief, cancel = context.WithTimeout(ctx, c.patience)
		defer cancel()
	}
	details, err := c.client.details(brief, name)
	if err == nil {
		c.learnLimit(brief, name)
		return int32(len(details[name].Partitions)), nil
	}
	var unknown *UnknownTopicError
	if c.patience > 0 && !errors.As(err, &unknown) && ctx.Err() == nil {
		return 0, nil
	}
	return 0, err
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
