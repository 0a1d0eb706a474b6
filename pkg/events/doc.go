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
// event is not valid or the broker refuses it for good, a [*RejectedError]. By
// [ProducerOptions.DeadLetter] it is written to its dead-letter topic, and the
// error says where. Unknown: no acknowledgement came in time, an
// [*UnknownOutcomeError]; an idempotent record in flight cannot be recalled and
// may still be stored. Besides, a [*NotSentError] says that the event certainly
// is not stored, and any other error that it was not judged.
//
// # The spool
//
// With [ProducerOptions.Spool] what is valid and was not acknowledged is on the
// disk before its caller is told, and the error names the spool. An event that
// was sent is removed when its acknowledgement comes late; what an earlier
// process left is sent again with the same id, which is why consumers must be
// idempotent. Later events of a key wait in the spool behind it. So do dead
// letters that could not be written. The producer sends what is there by itself
// as soon as it can; [Producer.Drain] waits for that. When the disk or the spool
// is full the event is handed back, and the error says so. An event of which the
// caller was told nothing, since the process was killed, may be lost.
//
// Without a spool, an event that was not acknowledged is kept nowhere: who sends
// it again sends the same event, with the same id.
//
// Package events imports no gRPC; what validates values against a schema
// registry is passed in as a [Validator].
package events
