package events

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// anyPartition stands in a record that may go where its key, or chance, says.
const anyPartition = -1

// kafka is the record as the Kafka client wants it, with the present as its
// timestamp where it has none.
func (r *Record) kafka(now time.Time) kgo.Record {
	out := kgo.Record{Topic: r.Topic, Partition: anyPartition, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, Headers: r.Headers}
	if r.Timestamp.IsZero() {
		out.Timestamp = now
	}
	if r.Partition != nil {
		out.Partition = *r.Partition
	}
	return out
}

// partitioner takes a record where it says, and leaves the others to the Kafka
// client's own: by the key as Kafka's Java client does it, else evenly by bytes.
type partitioner struct{ others kgo.Partitioner }

func newPartitioner() partitioner {
	return partitioner{kgo.UniformBytesPartitioner(64<<10, true, true, nil)} // the client's default
}

func (p partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return &topicPartitioner{p.others.ForTopic(topic).(kgo.TopicBackupPartitioner)}
}

type topicPartitioner struct{ kgo.TopicBackupPartitioner }

// RequiresConsistency keeps the client from taking another partition while the
// one that is meant cannot be written.
func (t *topicPartitioner) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition != anyPartition || t.TopicBackupPartitioner.RequiresConsistency(r)
}

func (t *topicPartitioner) PartitionByBackup(r *kgo.Record, n int, backup kgo.TopicBackupIter) int {
	if r.Partition != anyPartition {
		return int(r.Partition)
	}
	return t.TopicBackupPartitioner.PartitionByBackup(r, n, backup)
}
