package events

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TopicDescription is all that is known of a topic.
type TopicDescription struct {
	Topic
	// NameProblems are what does not follow the conventions in its name.
	NameProblems []string `json:"name_problems,omitempty"`
	// Configs are all its configurations, by name.
	Configs []TopicConfig `json:"configs"`
	// Copies are its logs on the brokers' disks.
	Copies []LogCopy `json:"copies"`
	// Bytes is the size of all copies together.
	Bytes int64 `json:"bytes"`
	// Untold are the errors for which Configs or Copies are empty.
	Untold []string `json:"untold,omitempty"`
}

// TopicConfig is one configuration of a topic.
type TopicConfig struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Default is what it would be if the topic did not say so: the cluster's or
	// Kafka's own.
	Default string `json:"default"`
	// Own is set when the topic itself says so.
	Own bool `json:"own"`
}

// LogCopy is a copy of a partition on the disk of a broker.
type LogCopy struct {
	Partition int32  `json:"partition"`
	Broker    int32  `json:"broker"`
	Dir       string `json:"dir"`
	Bytes     int64  `json:"bytes"`
}

// Own returns the configurations that differ from the defaults because the topic
// says so.
func (t TopicDescription) Own() []TopicConfig {
	var own []TopicConfig
	for _, c := range t.Configs {
		if c.Own {
			own = append(own, c)
		}
	}
	return own
}

// DescribeTopics describes topics with their configurations and sizes. What can
// be told of some is returned beside the joined errors of the others. ACLs may
// hide configurations and sizes alone; Untold says so.
func (c *Client) DescribeTopics(ctx context.Context, names ...string) ([]TopicDescription, error) {
	topics, failed := c.Topics(ctx, names...)
	described := make([]TopicDescription, len(topics))
	for i, t := range topics {
		described[i] = TopicDescription{Topic: t, NameProblems: c.nameProblems(t), Configs: []TopicConfig{}, Copies: []LogCopy{}}
		c.tellConfigs(ctx, &described[i])
	}
	if len(described) > 0 {
		c.tellSizes(ctx, described)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("describe topics: %w", context.Cause(ctx))
	}
	return described, failed
}

func (c *Client) nameProblems(t Topic) []string {
	explained := c.cfg.Conventions.ExplainTopic(t.Name)
	if explained.Err == nil || t.Internal {
		return nil
	}
	var problems []string
	for _, p := range explained.Err.Problems {
		problems = append(problems, p.String())
	}
	return problems
}

func (c *Client) tellConfigs(ctx context.Context, t *TopicDescription) {
	configs, err := c.topicConfigs(ctx, t.Name)
	if err != nil {
		t.Untold = append(t.Untold, err.Error())
		return
	}
	t.Configs = configs
}

// topicConfigs returns the configurations of a topic, by name.
func (c *Client) topicConfigs(ctx context.Context, topic string) ([]TopicConfig, error) {
	described, err := c.admin.DescribeTopicConfigs(ctx, topic)
	if err == nil && len(described) > 0 {
		err = described[0].Err
	}
	if err != nil {
		return nil, refused("describe the configuration of topic "+topic, err)
	}
	var configs []TopicConfig
	for _, r := range described {
		for _, config := range r.Configs {
			configs = append(configs, newTopicConfig(config))
		}
	}
	slices.SortFunc(configs, func(a, b TopicConfig) int { return strings.Compare(a.Name, b.Name) })
	return configs, c.fillDefaults(ctx, configs)
}

func newTopicConfig(config kadm.Config) TopicConfig {
	c := TopicConfig{Name: config.Key, Value: config.MaybeValue(), Default: config.MaybeValue(), Own: config.Source == kmsg.ConfigSourceDynamicTopicConfig}
	if !c.Own {
		return c
	}
	c.Default = ""
	for _, s := range config.Synonyms {
		if s.Source != kmsg.ConfigSourceDynamicTopicConfig {
			c.Default = deref(s.Value)
			break
		}
	}
	return c
}

// tellSizes asks every broker for what is on its disks.
func (c *Client) tellSizes(ctx context.Context, described []TopicDescription) {
	wanted := make(kadm.TopicsSet)
	index := make(map[string]*TopicDescription, len(described))
	for i := range described {
		index[described[i].Name] = &described[i]
		for _, p := range described[i].Partitions {
			wanted.Add(described[i].Name, p.ID)
		}
	}
	dirs, err := c.admin.DescribeAllLogDirs(ctx, wanted)
	dirs.Each(func(dir kadm.DescribedLogDir) {
		for topic, partitions := range dir.Topics {
			t := index[topic]
			if t == nil {
				continue
			}
			for id, p := range partitions {
				t.Copies = append(t.Copies, LogCopy{Partition: id, Broker: dir.Broker, Dir: dir.Dir, Bytes: p.Size})
				t.Bytes += p.Size
			}
		}
	})
	silent := silentBrokers(dirs, err)
	for i := range described {
		described[i].tellSilent(silent)
		slices.SortFunc(described[i].Copies, func(a, b LogCopy) int {
			if a.Partition != b.Partition {
				return int(a.Partition - b.Partition)
			}
			return int(a.Broker - b.Broker)
		})
	}
}

// otherBrokers stands for those that are not named.
const otherBrokers = -1

// silentBrokers are those that did not tell the sizes of what they have, and why.
func silentBrokers(dirs kadm.DescribedAllLogDirs, err error) map[int32]error {
	silent := make(map[int32]error)
	var shards *kadm.ShardErrors
	switch {
	case errors.As(err, &shards):
		for _, shard := range shards.Errs {
			if silent[shard.Broker.NodeID] = shard.Err; shard.Broker.NodeID < 0 { // nobody knows its address
				silent[otherBrokers] = ErrNotInService
			}
		}
	case err != nil:
		silent[otherBrokers] = err
	}
	dirs.Each(func(dir kadm.DescribedLogDir) {
		if dir.Err != nil {
			silent[dir.Broker] = dir.Err
		}
	})
	return silent
}

// tellSilent says on whose disks copies are of which the size is not known.
func (t *TopicDescription) tellSilent(silent map[int32]error) {
	untold := make(map[int32]bool)
	for _, p := range t.Partitions {
		for _, id := range p.Replicas {
			untold[id] = true
		}
	}
	for _, c := range t.Copies {
		delete(untold, c.Broker)
	}
	for _, id := range slices.Sorted(maps.Keys(untold)) {
		err := firstOf(silent[id], silent[otherBrokers])
		if err == nil {
			continue // it has the copy not yet
		}
		if !isDenied(err) {
			err = errors.New(problem(err))
		}
		t.Untold = append(t.Untold, refused(fmt.Sprintf("describe the size on the disks of broker %d", id), err).Error())
	}
}

// LeaderBytes is the size of a partition's log at its leader, -1 when it is not
// known.
func (t TopicDescription) LeaderBytes(p Partition) int64 {
	for _, c := range t.Copies {
		if c.Partition == p.ID && c.Broker == p.Leader {
			return c.Bytes
		}
	}
	return -1
}
