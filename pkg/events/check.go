package events

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/suokelife/suokectl/pkg/spec"
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

func (c *checker) lookUp(ctx context.Context, name string) error {
	if c.patience == 0 {
		_, err := c.client.details(ctx, name)
		return err
	}
	brief, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	_, err := c.client.details(brief, name)
	var unknown *UnknownTopicError
	if err != nil && !errors.As(err, &unknown) && ctx.Err() == nil {
		return nil
	}
	return err
}
