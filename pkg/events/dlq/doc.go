// Package dlq lists, explains and replays dead letters (K4 of the specification).
//
// A dead-letter topic is a topic's name with the suffix ".dlq". What is known of a letter stands in headers (the names
// are in package spec) or, in letters of the specification's Python sample, only in three fields of the event's meta.
// Letters that failed for the same reason share a fingerprint: the hash of the original topic, the event's type and
// the error's text without its numbers and ids.
//
// # Replay
//
// [Client.Replay] produces letters to the topic that they came from, exactly once, whichever runs are killed and
// however many run at a time. It rests on one fact: a Kafka transaction spans the replayed record and the ledger's
// record of it. The ledger is a compacted topic that belongs to this dead-letter topic alone, by its topic id, with as
// many partitions. Its record for the letter at offset 42 of partition 3 is in partition 3, with the key "42".
//
// For each partition of the dead-letter topic, a run
//
//  1. reads the claim in the ledger, and refuses when another run's is alive;
//  2. initialises the transactional id made of topic and partition alone: this fences any other run on this partition,
//     and aborts the transaction that it left open;
//  3. writes its own claim;
//  4. requires that the ledger's last stable offset is its high watermark, since an open transaction of anybody else
//     would hide records of the ledger;
//  5. reads the ledger to that offset: this is the truth about what was replayed;
//  6. produces the letters that are selected and not in the ledger, each with its ledger record, in transactions that
//     are short (a batch is gathered first, and a transaction never waits for reading);
//  7. releases the claim.
//
// After a failure, such as a broker that restarts, a partition is begun anew at the first step, up to three times in
// all. A run that was fenced stops that partition at once and never retries. Readers with isolation level read_uncommitted
// may see records of aborted transactions; they are not exactly-once readers of any transactional producer.
package dlq
