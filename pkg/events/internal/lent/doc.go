// Package lent reads the records of fetch answers into memory that is used again.
//
// The Kafka client reads each answer into memory of its own, which a scan of many
// gigabytes takes from the system, has cleared, and touches once: that costs more
// than all else where records are looked through and not kept. A connection made
// by [Memory.Dial] watches for the answers to fetch requests. It reads a large one
// itself, into a block that it lends, and lets the client have a small answer
// instead, which refers to the large one; [Memory.Claim] gives that out. All else,
// from the handshakes to the timeouts, remains the client's.
package lent
