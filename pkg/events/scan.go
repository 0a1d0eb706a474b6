package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// idleAfter is how long a scan waits for records before it looks by itself
// why none come. Few logs need it; a broker under load should not.
const idleAfter = time.Second

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
	// OnBatch is called after each batch of visits, when the next records may
	// be a while in coming. May be nil.
	OnBatch func() error
}

// ScanResult says how far a scan came, also when it ended early.
type ScanResult struct {
	Records    int64           `json:"records"`
	Partitions []ScanPartition `json:"partitions"`
	// HeldBack is how many offsets lie behind the last stable offset: a
	// transaction is open, and they cannot be read as committed yet.
	HeldBack int64 `json:"held_back"`
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
// The error is an [*UnknownTopicError], an [*UnknownPartitionError], what visit returned (but for
// [ErrStopScan]), the context's cause, or what the cluster refused. The result
// is valid with every error.
func (c *Client) Scan(ctx context.Context, o ScanOptions, visit func(*kgo.Record) error) (ScanResult, error) {
	s := &scan{client: c, o: o, visit: visit, cursors: make(map[int32]*cursor)}
	err := s.run(ctx)
	if errors.Is(err, ErrStopScan) {
		err = nil
	}
	return s.result(), err
}

// scan is a scan under way. One goroutine runs it.
type scan struct {
	client  *Client
	o       ScanOptions
	visit   func(*kgo.Record) error
	kafka   *kgo.Client
	cursors map[int32]*cursor
	open    int // cursors that are not at their end
	records int64
	held    int64
	looked  time.Time // when a followed topic was last asked for partitions
}

// cursor is the place of a scan in one partition: next counts up from first
// to until, over every offset that was seen or is known to hold nothing.
type cursor struct{ first, next, until int64 }

func (c *cursor) done() bool { return c.next >= c.until }

func (s *scan) run(ctx context.Context) error {
	if err := s.place(ctx); err != nil {
		return err
	}
	if s.open == 0 {
		return nil
	}
	kafka, err := s.client.Open(ctx,
		kgo.KeepControlRecords(), // they are the last offsets of a transactional log
		kgo.FetchIsolationLevel(s.isolation()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.o.Topic: s.starts()}),
	)
	if err != nil {
		return err
	}
	defer kafka.Close()
	s.kafka = kafka
	for s.open > 0 {
		if err := s.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// place finds where to begin and end in each partition.
func (s *scan) place(ctx context.Context) error {
	topics, err := s.client.Topics(ctx, s.o.Topic)
	if err != nil {
		return err
	}
	if err := s.o.check(topics[0]); err != nil {
		return err
	}
	edges := make(map[int32]edge)
	for _, p := range topics[0].Partitions {
		if !s.o.reads(p.ID) {
			continue
		}
		edges[p.ID] = edge{start: p.Start, end: p.Stable}
		if s.o.Uncommitted {
			edges[p.ID] = edge{start: p.Start, end: p.End}
		}
		s.held += p.End - edges[p.ID].end
	}
	from, err := s.o.From.offsets(ctx, s.client, s.o.Topic, edges)
	if err != nil {
		return err
	}
	until := make(map[int32]int64)
	if s.o.Until != nil {
		if until, err = s.o.Until.offsets(ctx, s.client, s.o.Topic, edges); err != nil {
			return err
		}
	}
	for id := range edges {
		s.track(id, from[id], until[id])
	}
	return nil
}

// UnknownPartitionError says that a topic has no such partition.
type UnknownPartitionError struct {
	Topic     string
	Partition int32
	Count     int // partitions that there are
}

func (e *UnknownPartitionError) Error() string {
	return fmt.Sprintf("topic %s has no partition %d: there are %d, counted from 0", e.Topic, e.Partition, e.Count)
}

func (o ScanOptions) check(topic Topic) error {
	for _, id := range o.Partitions {
		if !slices.ContainsFunc(topic.Partitions, func(p Partition) bool { return p.ID == id }) {
			return &UnknownPartitionError{Topic: o.Topic, Partition: id, Count: len(topic.Partitions)}
		}
	}
	return nil
}

func (o ScanOptions) reads(id int32) bool {
	return len(o.Partitions) == 0 || slices.Contains(o.Partitions, id)
}

func (s *scan) track(id int32, from, until int64) {
	if s.o.Until == nil {
		until = endless
	}
	c := &cursor{first: from, next: from, until: until}
	s.cursors[id] = c
	if !c.done() {
		s.open++
	}
}

func (s *scan) isolation() kgo.IsolationLevel {
	if s.o.Uncommitted {
		return kgo.ReadUncommitted()
	}
	return kgo.ReadCommitted()
}

func (s *scan) starts() map[int32]kgo.Offset {
	starts := make(map[int32]kgo.Offset)
	for id, c := range s.cursors {
		if !c.done() {
			starts[id] = kgo.NewOffset().At(c.next)
		}
	}
	return starts
}

// step visits what one poll brings. When it brings nothing, it finds out why.
func (s *scan) step(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, idleAfter)
	fetches := s.kafka.PollFetches(bounded)
	cancel()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i := range fetches {
		if err := s.visitFetch(&fetches[i]); err != nil {
			return err
		}
	}
	switch {
	case s.o.Until == nil:
		return errors.Join(s.flush(), s.follow(ctx))
	case fetches.NumRecords() == 0:
		return s.probe(ctx)
	}
	return s.flush()
}

func (s *scan) visitFetch(f *kgo.Fetch) error {
	for t := range f.Topics {
		for p := range f.Topics[t].Partitions {
			fetched := &f.Topics[t].Partitions[p]
			if err := fetched.Err; err != nil && !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("fetch %s partition %d: %w", s.o.Topic, fetched.Partition, err)
			}
			if c := s.cursors[fetched.Partition]; c != nil {
				if err := s.visitPartition(fetched.Partition, c, fetched.Records); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// visitPartition visits the records between a cursor and its end.
func (s *scan) visitPartition(id int32, c *cursor, records []*kgo.Record) error {
	if c.done() {
		if len(records) > 0 {
			s.pause(id)
		}
		return nil
	}
	for _, r := range records {
		if r.Offset < c.next {
			continue
		}
		if r.Offset >= c.until {
			c.next = c.until
			break
		}
		c.next = r.Offset + 1
		if r.Attrs.IsControl() {
			continue
		}
		s.records++
		if err := s.visit(r); err != nil {
			return err
		}
	}
	if c.done() {
		s.open--
	}
	return nil
}

// pause stops fetching a partition of which records behind the end come in.
// Where none come it is not worth it: pausing throws away what other
// partitions have in the same fetch.
func (s *scan) pause(id int32) {
	s.kafka.PauseFetchPartitions(map[string][]int32{s.o.Topic: {id}})
}

func (s *scan) flush() error {
	if s.o.OnBatch == nil {
		return nil
	}
	return s.o.OnBatch()
}

func (s *scan) result() ScanResult {
	r := ScanResult{Records: s.records, HeldBack: s.held, Partitions: []ScanPartition{}}
	for id, c := range s.cursors {
		r.Partitions = append(r.Partitions, ScanPartition{ID: id, From: c.first, Next: c.next})
	}
	slices.SortFunc(r.Partitions, func(a, b ScanPartition) int { return int(a.ID - b.ID) })
	return r
}
