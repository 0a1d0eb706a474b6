// Package events produces, consumes and scans the events of services over
// Kafka, by the communication specification of package spec: which topics
// there may be, what an event is wrapped in, and what "sent" and "handled" mean.
//
// A [Client] is made from a [Config] and dials nothing until it is used. From
// it come
//
//   - topics: [Client.Topics], [Client.CreateTopic];
//   - a [Producer], whose every event ends in exactly one of three ways:
//     acknowledged, rejected, or unknown;
//   - a [Consumer], which commits only what was handled or dead-lettered;
//   - a [Client.Scan], which reads a bounded part of a topic and ends, also on
//     idle, compacted and transactional partitions.
//
// # The three outcomes of a produced event
//
// Acknowledged: every replica has it, and an [Ack] says where. Rejected: the
// event is not valid or the broker refuses it for good, a [*RejectedError]; it
// is stored nowhere. Unknown: no acknowledgement came in time, an
// [*UnknownOutcomeError]; an idempotent record in flight cannot be recalled and
// may still be stored, so whoever sends it again must send the same event, with
// the same id, and consumers must be idempotent. Any other error means that the
// event never left this process.
//
// An event whose outcome is unknown, or that was refused, is handed back to the
// caller and kept nowhere: this package has no spool on disk.
//
// Package events imports no gRPC; what validates values against a schema
// registry is passed in as a [Validator].
package events
