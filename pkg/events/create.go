package events

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// NewTopic describes a topic to create.
type NewTopic struct {
	Name string
	// Partitions is their number; 0 leaves it to the cluster's default.
	Partitions int32
	// Replicas is the replication factor; 0 leaves it to the cluster's default.
	Replicas int16
	// Configs are topic configurations such as retention.ms.
	Configs map[string]string
}

// ErrTopicExists is returned by [Client.CreateTopic] for a name that is taken.
var ErrTopicExists = errors.New("the topic exists already")

// CreateTopic creates a topic. The name must follow the conventions, as the
// name of events, dead letters or parked letters; otherwise the error is a
// [*spec.TopicError]. With dryRun the cluster checks all and creates nothing.
func (c *Client) CreateTopic(ctx context.Context, t NewTopic, dryRun bool) error {
	if explained := c.cfg.Conventions.ExplainTopic(t.Name); explained.Err != nil {
		return explained.Err
	}
	admin, err := c.administer(ctx, "create topic "+t.Name)
	if err != nil {
		return err
	}
	create := admin.CreateTopics
	if dryRun {
		create = admin.ValidateCreateTopics
	}
	answers, err := create(ctx, orDefault(t.Partitions), orDefault(t.Replicas), pointers(t.Configs), t.Name)
	if err != nil {
		return refused("create topic "+t.Name, err)
	}
	answer := answers[t.Name]
	if errors.Is(answer.Err, kerr.InvalidConfig) {
		if unknown := c.unknownConfig(ctx, slices.Sorted(maps.Keys(t.Configs))); unknown != nil {
			return fmt.Errorf("create topic %s: %w", t.Name, unknown)
		}
	}
	switch {
	case errors.Is(answer.Err, kerr.TopicAlreadyExists):
		return fmt.Errorf("create topic %s: %w", t.Name, ErrTopicExists)
	case answer.Err != nil:
		return refused("create topic "+t.Name, withMessage(answer.Err, answer.ErrMessage))
	}
	return nil
}

// orDefault turns "not said" into Kafka's "the cluster's default".
func orDefault[N int32 | int16](n N) N {
	if n == 0 {
		return -1
	}
	return n
}

func pointers(m map[string]string) map[string]*string {
	p := make(map[string]*string, len(m))
	for k, v := range m {
		p[k] = &v
	}
	return p
}
