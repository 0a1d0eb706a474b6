// Package events produces, consumes and scans the events of services over
// Kafka, by the communication specification of package spec: which topics
// there may be, what an event is wrapped in, and what "sent" and "handled" mean.
//
// A [Client] is made from a [Config] and dials nothing until it is used. From
// it come
//
//   - the cluster and its topics: [Client.Cluster], [Client.Topics],
//     [Client.DescribeTopics], [Client.CreateTopic], [Client.PlanAlter] and
//     [Client.Alter];
//   - consumer groups: [Client.Groups] with their lag, [Client.PlanReset] and
//     [Client.Reset];
//   - a [Producer], whose every event ends in exactly one of three ways:
//     acknowledged, rejected, or unknown;
//   - a [Consumer], which commits only what was handled or dead-lettered;
//   - a [Client.Scan], which reads a bounded part of a topic and ends, also on
//     idle, compacted and transactional partitions; [ScanParallel] does
//     so with several workers;
//   - [Client.ReadGroup], which looks at a topic as a member of a group does, and
//     commits what was seen.
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
// An event whose envelope has a member twice, such as two meta or two meta.id,
// is not valid: readers differ in which of the two they take, so that one would
// check what another uses. A [Consumer] dead-letters it for the same reason. What
// is twice in its data is between the handler and the schema.
//
// A topic that is deleted and created again while a producer runs refuses what is
// sent meanwhile; the producer then finds to the new one by itself.
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
// # The consumer that loses nothing
//
// A [Consumer] commits an event's offset when the event, and all before it in
// its partition, are done: handled, skipped since no [Handler] is for their
// type, or dead-lettered with an acknowledgement. A crash repeats events
// therefore, and loses none.
//
// Workers take events by key: those of a key one after another in their order,
// those of different keys at once, whichever partition they are of. A handler
// that fails is called again, after the consumer's backoff or the delay that its
// error asks for; meanwhile only its key waits. After the last try, or at once
// when the error says that none helps, the event goes to its dead-letter topic,
// as does what is no event at all. A panic is a failure.
//
// When a partition goes to another member, and when the context of
// [Consumer.Run] ends, nothing more begins, handlers under way may end for the
// drain timeout, what is done is committed, and only then the partition is given
// up. A handler that takes longer has its context ended.
//
// What is fetched and not done is bounded over all partitions; one that is full,
// since its first event does not come to an end, waits while the others go on.
//
// What retention deletes before the group has read it cannot be handled any more.
// The consumer goes on behind it, counts it in [Stats], and tells [OnProblem] by a
// [*LostError] which offsets it was.
//
// Since events can come again, handlers must be idempotent. [WithIdempotence]
// remembers the last ids in memory. For an effect that must happen once there is
// [OnTx] with a [Store]: package once keeps effect and mark in one transaction of
// the service's own database.
//
// Package events imports no gRPC; what validates values against a schema
// registry is passed in as a [Validator], and what takes its framing off as a
// [Decoder].
package events
