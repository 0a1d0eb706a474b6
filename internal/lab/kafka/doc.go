// Package kafka is the lab's Kafka: an in-process broker on loopback that
// passes the same contract suite (internal/contract/kafka) as Apache Kafka.
//
// The broker is franz-go's kfake. What it does differently from Apache Kafka,
// where the contract shows it, is mended here:
//
//   - topic names, partition counts, replication factors and topic
//     configurations are validated on creation (strict.go); kfake takes any.
//
// What is kept in memory is lost on Close.
package kafka
