package kafka

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxNameLength is Apache Kafka's limit, which leaves room for "-<partition>"
// in a folder name of 255 bytes.
const maxNameLength = 249

// beStrict makes the cluster refuse the topics that Apache Kafka refuses. A
// control function sees each request before the broker does and plants one
// fault for each bad topic; the good ones of the same request are created.
func beStrict(cluster *kfake.Cluster) {
	cluster.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		for _, t := range req.(*kmsg.CreateTopicsRequest).Topics {
			if err := checkTopic(t); err != nil {
				cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Topic: t.Topic, Err: err})
			}
		}
		return nil, nil, false
	})
	cluster.ControlKey(int16(kmsg.IncrementalAlterConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		for _, r := range req.(*kmsg.IncrementalAlterConfigsRequest).Resources {
			if r.ResourceType == kmsg.ConfigResourceTypeTopic && slices.ContainsFunc(r.Configs, isInvalid) {
				cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.IncrementalAlterConfigs}, Resource: r.ResourceName, Err: kerr.InvalidConfig})
			}
		}
		return nil, nil, false
	})
}

func isInvalid(c kmsg.IncrementalAlterConfigsRequestResourceConfig) bool {
	return c.Op == kmsg.IncrementalAlterConfigOpSet && !validConfig(c.Name, c.Value)
}

func checkTopic(t kmsg.CreateTopicsRequestTopic) *kerr.Error {
	if err := checkName(t.Topic); err != nil {
		return err
	}
	if len(t.ReplicaAssignment) == 0 {
		if t.NumPartitions == 0 || t.NumPartitions < -1 {
			return kerr.InvalidPartitions
		}
		if t.ReplicationFactor == 0 || t.ReplicationFactor < -1 {
			return kerr.InvalidReplicationFactor
		}
	}
	for _, c := range t.Configs {
		if !validConfig(c.Name, c.Value) {
			return kerr.InvalidConfig
		}
	}
	return nil
}

// checkName holds the rules of org.apache.kafka.common.internals.Topic.
func checkName(name string) *kerr.Error {
	if name == "" || name == "." || name == ".." || len(name) > maxNameLength {
		return kerr.InvalidTopicException
	}
	for i := range len(name) {
		c := name[i]
		legal := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			c == '.' || c == '_' || c == '-'
		if !legal {
			return kerr.InvalidTopicException
		}
	}
	return nil
}

// validConfig holds org.apache.kafka.common.config.TopicConfig of Kafka 4.3:
// the names, and the values of those that are numbers or enumerations.
func validConfig(name string, value *string) bool {
	switch name {
	case "cleanup.policy":
		return oneOf(value, "delete", "compact", "compact,delete", "delete,compact")
	case "compression.type":
		return oneOf(value, "uncompressed", "gzip", "lz4", "snappy", "zstd", "producer")
	case "message.timestamp.type":
		return oneOf(value, "CreateTime", "LogAppendTime")
	case "preallocate", "remote.log.copy.disable", "remote.log.delete.on.disable",
		"remote.storage.enable", "unclean.leader.election.enable":
		return oneOf(value, "true", "false")
	case "follower.replication.throttled.replicas", "leader.replication.throttled.replicas",
		"min.cleanable.dirty.ratio":
		return value != nil
	case "compression.gzip.level", "compression.lz4.level", "compression.zstd.level",
		"delete.retention.ms", "file.delete.delay.ms", "flush.messages", "flush.ms",
		"index.interval.bytes", "local.retention.bytes", "local.retention.ms",
		"max.compaction.lag.ms", "max.message.bytes", "message.timestamp.after.max.ms",
		"message.timestamp.before.max.ms", "min.compaction.lag.ms", "min.insync.replicas",
		"retention.bytes", "retention.ms", "segment.bytes", "segment.index.bytes",
		"segment.jitter.ms", "segment.ms":
		return isInteger(value)
	}
	return false
}

func oneOf(value *string, legal ...string) bool {
	return value != nil && slices.Contains(legal, *value)
}

func isInteger(value *string) bool {
	if value == nil {
		return false
	}
	_, err := strconv.ParseInt(*value, 10, 64)
	return err == nil
}
