// Package transact runs short Kafka transactions for one producer at a time of a
// transactional id: who opens a [Producer] fences all others of its id, and
// aborts what they left open. What a killed run had begun holds readers of
// committed records back for [Timeout] at most.
package transact
