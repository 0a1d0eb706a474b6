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
//   - members of KIP-848 groups are described with the names of their topics
//     (describe.go), where kfake gives ids alone; and the request that describes
//     classic groups does not know them.
//
// What is known to differ still, and is in no case of the contract, since
// nothing here counts on it: kfake keeps the producer's time in a topic whose
// message.timestamp.type is LogAppendTime, closes the connection where Apache
// Kafka says SASL_AUTHENTICATION_FAILED, waits where it closes one that begins
// with TLS on a plaintext port, knows ten topic configurations, takes records without a key in a
// compacted topic, describes producers only while they have a transaction,
// calls the offsets of a deleted group an error, and compacts all but the last
// batch where Apache Kafka keeps the last segment.
//
// One fault that shows on a fast broker such as this one under load is the
// client's, not the broker's (kgo 1.22.2, storePartitionsUpdate): the first
// records of a topic are handed to its partitions, and may be sent and
// acknowledged, before the client notes that the topic has these partitions.
// In between,
//
//	client.BeginTransaction()
//	client.ProduceSync(ctx, &kgo.Record{Topic: "new to this client"}) // no error
//	client.EndTransaction(ctx, kgo.TryCommit)                         // no error
//
// finds no partition in the transaction and aborts it; and since the partition
// keeps its sequence number while the epoch grows, the next produce to it fails
// with OUT_OF_ORDER_SEQUENCE_NUMBER. About one in 200 first transactions did
// so here on two busy cores. Who ends a transaction calls AbortBufferedRecords
// after the flush and before EndTransaction: it has nothing to abort, and
// waits for the lock that the client holds meanwhile.
//
// What is kept in memory is lost on Close.
package kafka
