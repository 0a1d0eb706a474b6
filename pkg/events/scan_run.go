package events

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A scan is a pipeline. A lane for each broker asks for what follows the cursors
// of the partitions that it leads, cuts the answers into chunks, and puts each
// into two queues: todo, from which workers take it to read it, and ready, from
// which the goroutine of the caller takes it, waits until it is read, and visits
// its records. The second queue keeps the order, the bounds of both the memory.

// mostWorkers bounds how many chunks are decompressed at a time.
const mostWorkers = 8

// endGrace is how long an answer under way is waited for at the end: to break it
// off would cost other scans of the client their connection.
const endGrace = time.Second

// followEvery is how often a followed topic is asked for new partitions.
const followEvery = 2 * time.Second

// scan is a scan under way. Its fields are the caller's goroutine's, but for
// those that are set before others start.
type scan struct {
	client *Client
	o      ScanOptions

	keep    bool // records outlive their chunk
	work    func(iter.Seq[*kgo.Record]) any
	visit   func(*kgo.Record) error
	collect func(*chunk) error

	topicID kadm.TopicID
	kafka   *kgo.Client // records travel here
	admin   *kadm.Client
	cursors map[int32]*cursor
	leaders map[int32]int32 // as of the beginning

	todo, ready chan *chunk
	running     sync.WaitGroup
	requests    context.Context //nolint:containedctx // outlives the one of the goroutines, see endGrace

	open    int // cursors that are not at their end
	records int64
	held    int64
	expired int64
	passed  int64
	span    int64
}

func newScan(c *Client, o ScanOptions) *scan {
	return &scan{client: c, o: o, cursors: make(map[int32]*cursor), leaders: make(map[int32]int32)}
}

func (s *scan) run(ctx context.Context) error {
	if s.o.ByTime && s.o.Until == nil {
		return errors.New("records of several partitions can be ordered by time only up to an end")
	}
	if err := s.place(ctx); err != nil {
		return err
	}
	s.progress()
	if s.open == 0 {
		return nil
	}
	disconnect, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer disconnect()
	requests, abandon := context.WithCancel(ctx)
	ctx, cancel := context.WithCancel(ctx)
	s.requests = requests
	defer func() {
		cancel()
		timer := time.AfterFunc(s.grace(), abandon)
		s.running.Wait()
		timer.Stop()
		abandon()
	}()
	s.start(ctx)
	if s.o.ByTime {
		return s.merge(ctx)
	}
	return s.gather(ctx)
}

// connect chooses the client that fetches. A bounded scan is answered at once
// and shares the connections of others; one that follows lets brokers wait until
// there is something, and has its own.
func (s *scan) connect(ctx context.Context) (disconnect func(), err error) {
	if s.o.Until != nil {
		s.kafka, s.admin = s.client.kafka, s.client.admin
		return func() {}, nil
	}
	if s.kafka, err = s.client.openForScans(); err != nil {
		return nil, err
	}
	s.admin = kadm.NewClient(s.kafka)
	if _, err := s.admin.BrokerMetadata(ctx); err != nil {
		s.kafka.Close()
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return s.kafka.Close, nil
}

func (s *scan) grace() time.Duration {
	if s.o.Until == nil {
		return 0
	}
	return endGrace
}

func (s *scan) start(ctx context.Context) {
	workers := min(runtime.GOMAXPROCS(0), mostWorkers)
	s.todo, s.ready = make(chan *chunk, 2*workers), make(chan *chunk, 2*workers)
	for range workers {
		s.running.Go(func() { newScanWorker(s).run(ctx) })
	}
	led := make(map[int32][]*cursor)
	for _, c := range s.sorted() {
		if !c.done() {
			led[s.leaders[c.id]] = append(led[s.leaders[c.id]], c)
		}
	}
	for _, cursors := range led {
		s.startLane(ctx, cursors, len(led))
	}
}

// gather visits chunks as they come.
func (s *scan) gather(ctx context.Context) error {
	var tick <-chan time.Time
	if s.o.Until == nil {
		ticker := time.NewTicker(followEvery)
		defer ticker.Stop()
		tick = ticker.C
	}
	for s.open > 0 {
		ch, err := s.receive(ctx, tick)
		switch {
		case err != nil:
			return err
		case ch == nil:
			err = s.follow(ctx)
		default:
			err = s.settle(ctx, ch)
		}
		if err != nil {
			return err
		}
	}
	return s.flush()
}

// receive returns the next chunk, or nil at a tick.
func (s *scan) receive(ctx context.Context, tick <-chan time.Time) (*chunk, error) {
	select {
	case ch := <-s.ready:
		return ch, nil
	default:
	}
	if err := s.flush(); err != nil {
		return nil, err
	}
	select {
	case ch := <-s.ready:
		return ch, nil
	case <-tick:
		return nil, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// settle visits a chunk and moves its cursor behind it.
func (s *scan) settle(ctx context.Context, ch *chunk) error {
	if err := ch.wait(ctx); err != nil {
		return err
	}
	if ch.hasRecords() {
		if err := s.collect(ch); err != nil {
			return err
		}
	}
	if ch.err != nil {
		return ch.err
	}
	s.pass(ch)
	return nil
}

// pass moves a cursor behind a chunk that was visited.
func (s *scan) pass(ch *chunk) {
	s.records += ch.unwanted
	s.expired += ch.expired
	s.passed += ch.next - ch.from
	if ch.cursor.next = ch.next; ch.cursor.done() {
		s.open--
	}
	s.progress()
}

func (s *scan) progress() {
	switch {
	case s.o.OnProgress == nil:
	case s.o.Until == nil:
		s.o.OnProgress(0, 0)
	default:
		s.o.OnProgress(s.passed, s.span)
	}
}

func (s *scan) flush() error {
	if s.o.OnBatch == nil {
		return nil
	}
	return s.o.OnBatch()
}

// follow adds the partitions that a followed topic has gained.
func (s *scan) follow(ctx context.Context) error {
	topic, err := s.look(ctx)
	if err != nil {
		if isGone(err) {
			return err
		}
		return nil // the lanes give up when the cluster stays away
	}
	var added []*cursor
	for _, p := range topic.Partitions.Sorted() {
		if s.cursors[p.Partition] == nil && s.o.reads(p.Partition) {
			added = append(added, s.track(p.Partition, p.Leader, 0, endless))
		}
	}
	if len(added) > 0 {
		s.startLane(ctx, added, 1)
	}
	return nil
}

func (s *scan) sorted() []*cursor {
	all := make([]*cursor, 0, len(s.cursors))
	for _, c := range s.cursors {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *cursor) int { return int(a.id - b.id) })
	return all
}

func (s *scan) result() ScanResult {
	r := ScanResult{Records: s.records, HeldBack: s.held, Expired: s.expired, Partitions: []ScanPartition{}}
	for _, c := range s.sorted() {
		r.Partitions = append(r.Partitions, ScanPartition{ID: c.id, From: c.first, Next: c.next})
	}
	return r
}
