package events

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/suokelife/suokectl/pkg/spec"
)

// Topic is what is known of a topic.
type Topic struct {
	Name string `json:"name"`
	// ID changes when a topic is deleted and made again.
	ID string `json:"id"`
	// Kind is events, dead-letters, parked, or unknown when the name does not
	// follow the conventions.
	Kind       spec.TopicKind `json:"kind"`
	Partitions []Partition    `json:"partitions"`
	// Replicas is the replication factor.
	Replicas int `json:"replicas"`
}

// Partition is one partition of a topic, with the state of its log.
type Partition struct {
	ID     int32 `json:"id"`
	Leader int32 `json:"leader"`
	// Start is the first offset that is still there, End the offset of the
	// next record, and Stable the end for read_committed.
	Start  int64 `json:"start"`
	Stable int64 `json:"stable"`
	End    int64 `json:"end"`
}

// Span is the number of offsets between start and end over all partitions. It
// is the most that the topic can hold: compaction and transactions leave gaps.
func (t Topic) Span() int64 {
	var n int64
	for _, p := range t.Partitions {
		n += p.End - p.Start
	}
	return n
}

// UnknownTopicError is returned for a topic that does not exist.
type UnknownTopicError struct {
	Topic string
	// Nearest is the topic that was probably meant; may be empty.
	Nearest string
}

func (e *UnknownTopicError) Error() string {
	if e.Nearest == "" {
		return fmt.Sprintf("topic %s does not exist", e.Topic)
	}
	return fmt.Sprintf("topic %s does not exist: did you mean %s?", e.Topic, e.Nearest)
}

// Topics describes the named topics, or with no names all but Kafka's internal
// ones, sorted by name. An unknown name is an [*UnknownTopicError].
func (c *Client) Topics(ctx context.Context, names ...string) ([]Topic, error) {
	details, err := c.details(ctx, names...)
	if err != nil || len(details) == 0 {
		return nil, err
	}
	ends, err := fetchEnds(ctx, c.admin, details.Names())
	if err != nil {
		return nil, err
	}
	var topics []Topic
	for _, d := range details.Sorted() {
		topics = append(topics, c.newTopic(d, ends))
	}
	return topics, nil
}

// details asks for topics, each of which must exist.
func (c *Client) details(ctx context.Context, names ...string) (kadm.TopicDetails, error) {
	admin, err := c.Admin(ctx)
	if err != nil {
		return nil, err
	}
	details, err := admin.ListTopics(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	for _, d := range details.Sorted() {
		switch {
		case d.Err != nil && len(names) == 0:
			delete(details, d.Topic) // the client remembers that somebody asked for it
		case errors.Is(d.Err, kerr.UnknownTopicOrPartition), errors.Is(d.Err, kerr.InvalidTopicException):
			return nil, c.unknownTopic(ctx, d.Topic)
		case d.Err != nil:
			return nil, fmt.Errorf("describe topic %s: %w", d.Topic, d.Err)
		}
	}
	return details, nil
}

// unknownTopic looks for the topic that was probably meant.
func (c *Client) unknownTopic(ctx context.Context, name string) error {
	unknown := &UnknownTopicError{Topic: name}
	if all, err := c.TopicNames(ctx); err == nil {
		unknown.Nearest = spec.Nearest(name, all)
	}
	return unknown
}

// TopicNames lists the names of all topics but Kafka's internal ones.
func (c *Client) TopicNames(ctx context.Context) ([]string, error) {
	details, err := c.details(ctx)
	return details.Names(), err
}

func (c *Client) newTopic(d kadm.TopicDetail, ends ends) Topic {
	t := Topic{Name: d.Topic, ID: d.ID.String(), Replicas: d.Partitions.NumReplicas(),
		Kind: c.cfg.Conventions.ExplainTopic(d.Topic).Kind, Partitions: []Partition{}}
	for _, p := range d.Partitions.Sorted() {
		t.Partitions = append(t.Partitions, Partition{ID: p.Partition, Leader: p.Leader,
			Start:  ends.start[d.Topic][p.Partition].Offset,
			Stable: ends.stable[d.Topic][p.Partition].Offset,
			End:    ends.end[d.Topic][p.Partition].Offset})
	}
	return t
}

// ends are the edges of the logs of some topics.
type ends struct{ start, stable, end kadm.ListedOffsets }

func fetchEnds(ctx context.Context, admin *kadm.Client, topics []string) (ends, error) {
	var e ends
	var err error
	for _, list := range []struct {
		into *kadm.ListedOffsets
		from func(context.Context, ...string) (kadm.ListedOffsets, error)
	}{{&e.start, admin.ListStartOffsets}, {&e.stable, admin.ListCommittedOffsets}, {&e.end, admin.ListEndOffsets}} {
		if *list.into, err = list.from(ctx, topics...); err == nil {
			err = list.into.Error()
		}
		if err != nil {
			return e, fmt.Errorf("list offsets of %s: %w", strings.Join(topics, ", "), err)
		}
	}
	return e, nil
}
