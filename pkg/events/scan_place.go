package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// cursor is the place of a scan in one partition.
type cursor struct {
	id int32
	// Next counts up from first to until, over every offset that was visited or
	// is known to hold nothing. It is the visiting goroutine's.
	first, next, until int64
	// Fetch is the offset to ask for, of the leader. They are the lane's.
	fetch  int64
	leader int32
	lane   *scanLane
	// queued are the chunks that wait to be visited.
	queued atomic.Int32
}

func (c *cursor) done() bool { return c.next >= c.until }

// UnknownPartitionError says that a topic has no such partition.
type UnknownPartitionError struct {
	Topic     string
	Partition int32
	Count     int // partitions that there are
}

func (e *UnknownPartitionError) Error() string {
	return fmt.Sprintf("topic %s has no partition %d: there are %d, counted from 0", e.Topic, e.Partition, e.Count)
}

// TopicGoneError says that a topic was deleted while it was read. What may be
// there under its name is another topic, of which nothing was read.
type TopicGoneError struct {
	Topic string
	// Recreated says that there is another one of that name.
	Recreated bool
}

func (e *TopicGoneError) Error() string {
	if e.Recreated {
		return fmt.Sprintf("topic %s was deleted and made anew while it was read", e.Topic)
	}
	return fmt.Sprintf("topic %s was deleted while it was read", e.Topic)
}

func isGone(err error) bool {
	var gone *TopicGoneError
	return errors.As(err, &gone)
}

// placePatience is how long a partition may be without a leader when a scan
// begins, as it is while brokers restart.
const placePatience = 5 * time.Second

// place finds where to begin and end in each partition.
func (s *scan) place(ctx context.Context) error {
	for began := time.Now(); ; {
		err := s.tryToPlace(ctx)
		if err == nil || !errors.Is(err, ErrNoLeader) && !kerr.IsRetriable(err) || time.Since(began) > placePatience {
			return err
		}
		select {
		case <-time.After(longPause / 4):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *scan) tryToPlace(ctx context.Context) error {
	details, err := s.client.details(ctx, s.o.Topic)
	if err != nil {
		return err
	}
	topic := details[s.o.Topic]
	s.topicID = topic.ID
	if err := s.o.check(topic); err != nil {
		return err
	}
	ends := s.client.listEnds(ctx, details)
	edges := make(map[int32]edge)
	s.held = 0
	for id, p := range topic.Partitions {
		if !s.o.reads(id) {
			continue
		}
		at, err := ends.of(s.o.Topic, id)
		if err != nil {
			return refused(fmt.Sprintf("list the offsets of %s partition %d", s.o.Topic, id), err)
		}
		edges[id] = s.o.edge(at)
		s.held += at.end - edges[id].end
		s.leaders[id] = p.Leader
	}
	return s.bound(ctx, edges)
}

// bound resolves the bounds within the edges of the logs.
func (s *scan) bound(ctx context.Context, edges map[int32]edge) error {
	from, err := s.o.From.offsets(ctx, s.client, s.o.Topic, edges)
	if err != nil {
		return err
	}
	var until map[int32]int64
	if s.o.Until != nil {
		if until, err = s.o.Until.offsets(ctx, s.client, s.o.Topic, edges); err != nil {
			return err
		}
	}
	for id := range edges {
		end := int64(endless)
		if s.o.Until != nil {
			end = until[id]
			s.span += max(end-from[id], 0)
		}
		s.track(id, s.leaders[id], from[id], end)
	}
	return nil
}

func (o ScanOptions) check(topic kadm.TopicDetail) error {
	for _, id := range o.Partitions {
		if _, ok := topic.Partitions[id]; !ok {
			return &UnknownPartitionError{Topic: o.Topic, Partition: id, Count: len(topic.Partitions)}
		}
	}
	return nil
}

func (o ScanOptions) reads(id int32) bool {
	return len(o.Partitions) == 0 || slices.Contains(o.Partitions, id)
}

func (o ScanOptions) edge(at logEnds) edge {
	if o.Uncommitted {
		return edge{start: at.start, end: at.end}
	}
	return edge{start: at.start, end: at.stable}
}

func (s *scan) track(id, leader int32, from, until int64) *cursor {
	c := &cursor{id: id, first: from, next: from, fetch: from, until: until, leader: leader}
	s.cursors[id] = c
	if !c.done() {
		s.open++
	}
	return c
}

// look describes the topic anew. It is the same topic, or a [*TopicGoneError]
// is returned.
func (s *scan) look(ctx context.Context) (kadm.TopicDetail, error) {
	details, err := s.admin.ListTopics(ctx, s.o.Topic)
	if err != nil {
		return kadm.TopicDetail{}, err
	}
	topic := details[s.o.Topic]
	switch {
	case errors.Is(topic.Err, kerr.UnknownTopicOrPartition):
		return topic, &TopicGoneError{Topic: s.o.Topic}
	case topic.Err != nil:
		return topic, topic.Err
	case topic.ID != s.topicID:
		return topic, &TopicGoneError{Topic: s.o.Topic, Recreated: true}
	}
	return topic, nil
}
