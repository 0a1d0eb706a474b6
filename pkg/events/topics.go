package events

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/suokelife/suokectl/pkg/spec"
)

// Topic is what is known of a topic.
type Topic struct {
	Name string `json:"name"`
	// ID changes when a topic is deleted and made again. It is written as Kafka's
	// own tools write it.
	ID string `json:"id"`
	// Kind is events, dead-letters, parked, or unknown when the name does not
	// follow the conventions.
	Kind spec.TopicKind `json:"kind"`
	// Internal topics are those that Kafka keeps for itself.
	Internal   bool        `json:"internal,omitempty"`
	Partitions []Partition `json:"partitions"`
	// Replicas is the replication factor.
	Replicas int `json:"replicas"`
	// UnderReplicated counts the partitions that lack a replica which is in
	// sync, Offline those that no broker leads.
	UnderReplicated int `json:"under_replicated"`
	Offline         int `json:"offline"`
}

// Partition is one partition of a topic, with the state of its log.
type Partition struct {
	ID int32 `json:"id"`
	// Leader is the id of a broker, -1 for none.
	Leader int32 `json:"leader"`
	// Replicas are the ids of the brokers that hold a copy; InSync of them those
	// whose copy is complete.
	Replicas []int32 `json:"replicas"`
	InSync   []int32 `json:"in_sync"`
	// Start is the first offset that is still there, End the offset of the
	// next record, and Stable the end for read_committed.
	Start  int64 `json:"start"`
	Stable int64 `json:"stable"`
	End    int64 `json:"end"`
	// Problem says why the log's state is not known: its offsets are then -1.
	Problem string `json:"problem,omitempty"`
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
// ones, sorted by name. What can be told of some is returned beside the joined
// errors of the others: an [*UnknownTopicError] or a [*DeniedError] each.
func (c *Client) Topics(ctx context.Context, names ...string) ([]Topic, error) {
	details, failed := c.detailsOfEach(ctx, names...)
	if len(details) == 0 {
		return nil, failed
	}
	ends := c.listEnds(ctx, details)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("list the offsets of topics: %w", context.Cause(ctx))
	}
	var topics []Topic
	for _, d := range details.Sorted() {
		topics = append(topics, c.newTopic(d, ends))
	}
	return topics, failed
}

// details asks for topics, each of which must exist.
func (c *Client) details(ctx context.Context, names ...string) (kadm.TopicDetails, error) {
	admin, err := c.Admin(ctx)
	if err != nil {
		return nil, err
	}
	details, err := admin.ListTopics(ctx, names...)
	if err != nil {
		return nil, refused(whichTopics(names), err)
	}
	for _, d := range details.Sorted() {
		switch {
		case d.Err != nil && len(names) == 0:
			delete(details, d.Topic) // the client remembers that somebody asked for it
		case errors.Is(d.Err, kerr.UnknownTopicOrPartition), errors.Is(d.Err, kerr.InvalidTopicException):
			return nil, c.unknownTopic(ctx, d.Topic)
		case d.Err != nil:
			return nil, refused("describe topic "+d.Topic, d.Err)
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
	t := Topic{Name: d.Topic, ID: base64.RawURLEncoding.EncodeToString(d.ID[:]), Replicas: d.Partitions.NumReplicas(), Internal: d.IsInternal,
		Kind: c.cfg.Conventions.ExplainTopic(d.Topic).Kind, Partitions: []Partition{}}
	for _, p := range d.Partitions.Sorted() {
		e, err := ends.of(d.Topic, p.Partition)
		t.Partitions = append(t.Partitions, Partition{ID: p.Partition, Leader: p.Leader, Replicas: p.Replicas, InSync: p.ISR,
			Start: e.start, Stable: e.stable, End: e.end, Problem: problem(err)})
		if p.Leader < 0 {
			t.Offline++
		}
		if len(p.ISR) < len(p.Replicas) {
			t.UnderReplicated++
		}
	}
	return t
}
