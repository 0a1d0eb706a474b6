// Package kafka is the lab's Kafka: an in-process broker on loopback that
// passes the same contract suite (internal/contract/kafka) as Apache Kafka.
//
// The broker is franz-go's kfake. What it does differently from Apache Kafka,
// where the contract shows it, is mended here:
//
//   - topic names, partition counts, replication factors and topic
//     configurations are validated on creation (strict.go); kfake takes any.
//   - a group that never was has no offsets (groups.go); kfake calls that an
//     error.
//
// What is known to differ still, and is in no case of the contract, since
// nothing here counts on it: kfake keeps the producer's time in a topic whose
// message.timestamp.type is LogAppendTime, takes records without a key in a
// compacted topic, describes producers only while they have a transaction,
// calls the offsets of a deleted group an error, and compacts all but the last
// batch where Apache Kafka keeps the last segment.
//
// What is kept in memory is lost on Close.
package kafka
