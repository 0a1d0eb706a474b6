package events

import (
	"context"
	"errors"
	"iter"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrStopScan is returned by a visitor to end a scan that has seen enough.
var ErrStopScan = errors.New("stop the scan")

// ScanOptions say what part of a topic is read.
type ScanOptions struct {
	Topic string
	// Partitions are the only ones to be read; empty for all.
	Partitions []int32
	// From is where each partition's reading begins; the zero value is its start.
	From Bound
	// Until is where it ends, not included. Nil follows the topic, with the
	// partitions it may gain, until the context ends or the visitor stops.
	Until *Bound
	// Uncommitted reads the records of open and aborted transactions too.
	Uncommitted bool
	// ByTime visits the records of all partitions in the order of their
	// timestamps. Those of one partition stay in the order of their offsets, so
	// that a record whose timestamp is earlier than one before it comes as soon
	// as its partition lets it, and the order is perfect where the timestamps of
	// each partition ascend. Memory holds about one batch of each partition. It
	// wants an Until, since an idle partition would hold up the others, and is
	// for [Client.Scan] alone.
	ByTime bool
	// Wanted is asked about the records of a batch before they are parsed, and
	// says false when it wants none of them. It sees them decompressed, as Kafka
	// stores them: the bytes of every key, header and value are in one piece
	// somewhere in there. It is called by several goroutines at the same time.
	// Nil wants all. What it does not want is counted as read.
	Wanted func(records []byte) bool
	// OnBatch is called after some visits, when the next records may be a while
	// in coming. May be nil.
	OnBatch func() error
	// OnProgress is called after some visits, with how many offsets were passed
	// of those that there are; 0 of 0 for a scan that follows. May be nil.
	OnProgress func(passed, all int64)
}

// ScanResult says how far a scan came, also when it ended early.
type ScanResult struct {
	Records    int64           `json:"records"`
	Partitions []ScanPartition `json:"partitions"`
	// HeldBack is how many offsets lie behind the last stable offset: a
	// transaction is open, and they cannot be read as committed yet.
	HeldBack int64 `json:"held_back"`
	// Expired is how many offsets went, by retention or deletion, after the scan
	// had begun and before it came to them.
	Expired int64 `json:"expired"`
}

// ScanPartition is how far a scan came in one partition.
type ScanPartition struct {
	ID   int32 `json:"id"`
	From int64 `json:"from"`
	// Next is the offset to go on at.
	Next int64 `json:"next"`
}

// Scan reads a part of a topic and calls visit for each record, in order
// within a partition, with key and value as they are stored. Transaction
// markers and, by default, what was aborted are left out. It ends when each
// partition has reached its bound: the offsets before which must be behind it,
// whether records are there or not, so that it ends on idle, compacted and
// transactional partitions too, and never waits for what comes later.
//
// The goroutine that calls Scan calls visit, which may keep the records. They
// are fetched, decompressed and parsed ahead of it by others, of which there are
// at most as many as processors; memory does not grow with the topic. See
// [ScanParallel] for a visitor that is slower than they are.
//
// The error is an [*UnknownTopicError], an [*UnknownPartitionError], a
// [*TopicGoneError], what visit returned (but for [ErrStopScan]), the context's
// cause, or what the cluster refused. A broker that goes away or hands on a
// partition is waited for for a minute. The result is valid with every error.
func (c *Client) Scan(ctx context.Context, o ScanOptions, visit func(*kgo.Record) error) (ScanResult, error) {
	s := newScan(c, o)
	s.keep = true
	s.work = func(records iter.Seq[*kgo.Record]) any {
		var all []*kgo.Record
		for r := range records {
			all = append(all, r)
		}
		return all
	}
	s.visit = visit
	s.collect = s.visitAll
	return s.end(s.run(ctx))
}

// ScanParallel reads like [Client.Scan], and lets several goroutines work on the
// records. Work is called with a run of records of one partition, by up to as
// many goroutines as there are processors. A record, with all that it points to,
// is the scan's again when the next one is asked for: nothing of it may be kept.
// What work returns is handed to collect, by the goroutine that called
// ScanParallel, in order within a partition. A [ScanPartition.Next] is the end
// of the last run that was collected without an error.
func ScanParallel[T any](ctx context.Context, c *Client, o ScanOptions, work func(records iter.Seq[*kgo.Record]) T, collect func(T) error) (ScanResult, error) {
	s := newScan(c, o)
	s.work = func(records iter.Seq[*kgo.Record]) any { return work(records) }
	s.collect = func(ch *chunk) error {
		s.records += ch.read
		return collect(ch.out.(T))
	}
	return s.end(s.run(ctx))
}

// visitAll visits the records of a chunk, and moves the cursor with them.
func (s *scan) visitAll(ch *chunk) error {
	records, _ := ch.out.([]*kgo.Record)
	for _, r := range records {
		ch.cursor.next = r.Offset + 1
		s.records++
		if err := s.visit(r); err != nil {
			return err
		}
	}
	return nil
}

func (s *scan) end(err error) (ScanResult, error) {
	if errors.Is(err, ErrStopScan) {
		err = nil
	}
	return s.result(), err
}
