package events

import (
	"github.com/twmb/franz-go/pkg/kgo"
)

// anyPartition stands in a record that may go where its key, or chance, says.
const anyPartition = -1

// take makes a record the one that is on its way.
func (s *sending) take(r *Record) {
	s.wire = kgo.Record{Topic: r.Topic, Partition: anyPartition, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, Headers: r.Headers}
	s.timed = !r.Timestamp.IsZero()
	if s.partition = r.Partition; s.partition != nil {
		s.wire.Partition = *s.partition
	}
}

// record is the record that take took, its timestamp to the millisecond.
func (s *sending) record() Record {
	r := Record{Topic: s.wire.Topic, Partition: s.partition, Key: s.wire.Key, Value: s.wire.Value, Headers: s.wire.Headers}
	if s.timed {
		r.Timestamp = s.wire.Timestamp
	}
	return r
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
