package dlq

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/spec"
)

// Client reads and replays the dead letters of one cluster. It is safe for concurrent use.
type Client struct {
	events *events.Client
	admin  *kadm.Client
	conv   spec.Conventions
}

// Open uses the connection of a client, which stays its owner's. Its error is an [*events.ConnectError].
func Open(ctx context.Context, client *events.Client) (*Client, error) {
	admin, err := client.Admin(ctx)
	if err != nil {
		return nil, err
	}
	return &Client{events: client, admin: admin, conv: client.Conventions()}, nil
}

// topic is what a run must know of a dead-letter topic.
type topic struct {
	name       string
	id         kadm.TopicID
	partitions []int32
	replicas   int16
}

// original is the topic whose letters these are, by the name alone.
func (c *Client) original(name string) string {
	return strings.TrimSuffix(name, c.conv.DeadLetter.Suffix)
}

func (c *Client) isDeadLetter(name string) bool {
	return strings.HasSuffix(name, c.conv.DeadLetter.Suffix)
}

// fresh asks brokers and not the client's memory: the id of a topic that was recreated a moment ago must be the new one.
func fresh(ctx context.Context) context.Context { return kadm.WithAuthorizedOps(ctx) }

const ledgerPrefix = "suokectl.ledger."

// IsLedger reports whether a topic is a ledger of replays, which is no topic of
// events and follows no convention for them.
func IsLedger(topic string) bool { return strings.HasPrefix(topic, ledgerPrefix) }

// ledger is the name of the topic's ledger: the id is spelled as Kafka's tools spell it.
func (t topic) ledger() string {
	return ledgerPrefix + base64.RawURLEncoding.EncodeToString(t.id[:])
}

// describe finds a dead-letter topic. Its errors are *events.UnknownTopicError, ErrNotDeadLetter and ErrNoTopicIDs.
func (c *Client) describe(ctx context.Context, name string) (topic, error) {
	if !c.isDeadLetter(name) {
		return topic{}, fmt.Errorf("%s: %w: the name does not end in %q", name, ErrNotDeadLetter, c.conv.DeadLetter.Suffix)
	}
	details, err := c.admin.ListTopics(fresh(ctx), name)
	if err != nil {
		return topic{}, fmt.Errorf("describe %s: %w", name, err)
	}
	detail := details[name]
	if errors.Is(detail.Err, kerr.UnknownTopicOrPartition) || len(detail.Partitions) == 0 && detail.Err == nil {
		unknown := &events.UnknownTopicError{Topic: name}
		if names, err := c.Names(ctx); err == nil {
			unknown.Nearest = spec.Nearest(name, names)
		}
		return topic{}, unknown
	}
	if detail.Err != nil {
		return topic{}, fmt.Errorf("describe %s: %w", name, detail.Err)
	}
	return topicOf(detail)
}

func topicOf(detail kadm.TopicDetail) (topic, error) {
	if detail.ID == (kadm.TopicID{}) {
		return topic{}, fmt.Errorf("%s: %w", detail.Topic, ErrNoTopicIDs)
	}
	t := topic{name: detail.Topic, id: detail.ID, partitions: slices.Sorted(maps.Keys(detail.Partitions))}
	for _, p := range detail.Partitions {
		t.replicas = max(t.replicas, int16(len(p.Replicas)))
	}
	return t, nil
}

// span is a stretch of a partition's offsets, without its end.
type span struct{ start, end int64 }

// spans returns what read_committed readers can see of a topic at present; a topic that does not exist has none. Empty
// partitions are left out.
func (c *Client) spans(ctx context.Context, name string) (map[int32]span, error) {
	starts, err := c.admin.ListStartOffsets(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("list the offsets of %s: %w", name, err)
	}
	ends, err := c.admin.ListCommittedOffsets(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("list the offsets of %s: %w", name, err)
	}
	out := map[int32]span{}
	var failed error
	starts.Each(func(start kadm.ListedOffset) {
		end, _ := ends.Lookup(name, start.Partition)
		if err := errors.Join(start.Err, end.Err); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			failed = fmt.Errorf("list the offsets of %s partition %d: %w", name, start.Partition, err)
		} else if err == nil && start.Offset < end.Offset {
			out[start.Partition] = span{start.Offset, end.Offset}
		}
	})
	return out, failed
}
