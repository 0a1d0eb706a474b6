package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// probeBytes is the size of a probe's answer; a broker always sends at least
// one batch, however large.
const probeBytes = 1 << 20

// followEvery is how often a followed topic is asked for new partitions.
const followEvery = 2 * time.Second

// probe moves the cursors that no record moves. A consumer reports records
// only, so a range of offsets that holds none (its records were compacted away,
// or their partition is a gap up to its end) looks to it like a slow broker.
// The broker itself tells: it answers a fetch with what follows an offset, and
// with nothing when nothing follows.
func (s *scan) probe(ctx context.Context) error {
	details, err := s.client.details(ctx, s.o.Topic)
	if err != nil {
		return err
	}
	topic := details[s.o.Topic]
	for id, c := range s.cursors {
		if c.done() {
			continue
		}
		if err := s.probePartition(ctx, topic, id, c); err != nil {
			return fmt.Errorf("fetch %s partition %d at offset %d: %w", s.o.Topic, id, c.next, err)
		}
	}
	return nil
}

func (s *scan) probePartition(ctx context.Context, topic kadm.TopicDetail, id int32, c *cursor) error {
	answer, err := s.fetch(ctx, topic, id, c.next)
	if err != nil || answer == nil {
		return err // without an answer: look again after the next poll
	}
	fetched, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		KeepControlRecords: true, Offset: c.next, IsolationLevel: s.isolation(), Topic: s.o.Topic, Partition: id,
	}, answer, kgo.DefaultDecompressor(), nil)
	switch {
	case errors.Is(fetched.Err, kerr.OffsetOutOfRange):
		if next, err = s.logStart(ctx, id); err != nil { // retention has passed us
			return err
		}
	case fetched.Err != nil && kerr.IsRetriable(fetched.Err):
		return nil // the leader moves: look again after the next poll
	case fetched.Err != nil:
		return fetched.Err
	case len(answer.RecordBatches) == 0 && s.readable(fetched) >= c.until:
		next = c.until // nothing is left before the end
	}
	if len(fetched.Records) > 0 {
		next = fetched.Records[0].Offset // the consumer will bring it; nothing is before it
	}
	if c.next = min(max(c.next, next), c.until); c.done() {
		s.open--
	}
	return nil
}

// readable is where the log ends for this scan's isolation.
func (s *scan) readable(fetched kgo.FetchPartition) int64 {
	if s.o.Uncommitted {
		return fetched.HighWatermark
	}
	return fetched.LastStableOffset
}

func (s *scan) logStart(ctx context.Context, id int32) (int64, error) {
	listed, err := s.client.admin.ListStartOffsets(ctx, s.o.Topic)
	if err != nil {
		return 0, err
	}
	return listed[s.o.Topic][id].Offset, listed.Error()
}

// fetch asks the leader of a partition for what follows an offset. It returns
// nil when there is no answer at present: the partition has no leader, or the
// client is over its quota.
func (s *scan) fetch(ctx context.Context, topic kadm.TopicDetail, id int32, offset int64) (*kmsg.FetchResponseTopicPartition, error) {
	leader := topic.Partitions[id].Leader
	if leader < 0 {
		return nil, nil
	}
	partition := kmsg.NewFetchRequestTopicPartition()
	partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = id, offset, probeBytes
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic.Topic, topic.ID
	t.Partitions = append(t.Partitions, partition)
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.SessionEpoch = probeBytes, -1
	if !s.o.Uncommitted {
		req.IsolationLevel = 1
	}
	req.Topics = append(req.Topics, t)
	resp, err := s.kafka.Broker(int(leader)).RetriableRequest(ctx, req)
	if err != nil {
		return nil, err
	}
	fetch := resp.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(fetch.ErrorCode); err != nil {
		return nil, err
	}
	if len(fetch.Topics) == 0 {
		return nil, nil
	}
	if len(fetch.Topics) != 1 || len(fetch.Topics[0].Partitions) != 1 {
		return nil, errors.New("the broker answered for other partitions")
	}
	return &fetch.Topics[0].Partitions[0], nil
}

// follow adds the partitions that a followed topic has gained. It looks now and
// then, since partitions that are there keep the scan busy.
func (s *scan) follow(ctx context.Context) error {
	if time.Since(s.looked) < followEvery {
		return nil
	}
	s.looked = time.Now()
	details, err := s.client.details(ctx, s.o.Topic)
	if err != nil {
		return err
	}
	added := make(map[int32]kgo.Offset)
	for id := range details[s.o.Topic].Partitions {
		if s.cursors[id] == nil && s.o.reads(id) {
			s.track(id, 0, endless)
			added[id] = kgo.NewOffset().AtStart()
		}
	}
	if len(added) > 0 {
		s.kafka.AddConsumePartitions(map[string]map[int32]kgo.Offset{s.o.Topic: added})
	}
	return nil
}
