package dlq

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotDeadLetter says that the topic's name has not the suffix of dead-letter topics.
	ErrNotDeadLetter = errors.New("not a dead-letter topic")
	// ErrNoTopicIDs says that the brokers are older than Kafka 2.8, and a ledger cannot be tied to its topic.
	ErrNoTopicIDs = errors.New("the brokers give topics no ids (Kafka 2.8 or newer is needed)")
	// ErrRecreated says that the dead-letter topic was deleted and made again while it was replayed: its letters belong
	// into another ledger.
	ErrRecreated = errors.New("the topic was deleted and made again: replay it anew")
)

// ClaimedError is returned before anything was fenced: another run is at work on a partition.
type ClaimedError struct {
	Topic     string
	Partition int32
	Owner     string
	Heartbeat time.Time
}

func (e *ClaimedError) Error() string {
	return fmt.Sprintf("partition %d of %s is being replayed by %s (last heard of %s ago)",
		e.Partition, e.Topic, e.Owner, time.Since(e.Heartbeat).Round(time.Second))
}

// FencedError says that another run took a partition over, or that a transaction took longer than its timeout. What
// this run had committed stays; its open transaction is aborted.
type FencedError struct {
	Topic     string
	Partition int32
	Owner     string // of the claim that was found afterwards; empty when there was none
	Err       error
}

func (e *FencedError) Error() string {
	by := "another run"
	if e.Owner != "" {
		by = e.Owner
	}
	return fmt.Sprintf("partition %d of %s was taken over by %s: stopped there: %v", e.Partition, e.Topic, by, e.Err)
}

// Unwrap returns the broker's error.
func (e *FencedError) Unwrap() error { return e.Err }

// HangingTransactionError says that a transaction which is not ours hides records of the ledger.
type HangingTransactionError struct {
	Ledger           string
	Partition        int32
	LastStable, High int64
	ProducerIDs      []int64 // of the open transactions, where the broker tells
}

func (e *HangingTransactionError) Error() string {
	return fmt.Sprintf("partition %d of %s has an open transaction (last stable offset %d, high watermark %d, producer ids %v): "+
		"what was replayed cannot be known; abort it with kafka-transactions.sh", e.Partition, e.Ledger, e.LastStable, e.High, e.ProducerIDs)
}
