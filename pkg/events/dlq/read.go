package dlq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// reader reads spans of one topic, read_committed, and ends when each is at its end. That is known from positions and
// not from records: the last offsets of a partition may be markers of transactions, or have been compacted away.
type reader struct {
	client *Client
	kafka  *kgo.Client
	topic  string
	left   map[int32]span // start is the position
}

// idle is how long a poll waits before the reader asks whether anything is left.
const idle = 250 * time.Millisecond

func (c *Client) open(ctx context.Context, topic string, spans map[int32]span) (*reader, error) {
	r := &reader{client: c, topic: topic, left: map[int32]span{}}
	offsets := map[int32]kgo.Offset{}
	for p, s := range spans {
		if s.start >= s.end {
			continue
		}
		r.left[p] = s
		offsets[p] = kgo.NewOffset().At(s.start)
	}
	var err error
	r.kafka, err = c.events.Open(ctx,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", topic, err)
	}
	return r, nil
}

func (r *reader) close() { r.kafka.CloseAllowingRebalance() }

// next returns records as they come, none when wait is over, and io.EOF when all spans were read.
func (r *reader) next(ctx context.Context, wait time.Duration) ([]*kgo.Record, error) {
	if len(r.left) == 0 {
		return nil, io.EOF
	}
	poll, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	fetches := r.kafka.PollRecords(poll, -1)
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if err := fatal(fetches); err != nil {
		return nil, fmt.Errorf("read %s: %w", r.topic, err)
	}
	records := r.take(fetches)
	if fetches.NumRecords() == 0 && wait >= idle {
		return nil, r.skipNothing(ctx)
	}
	return records, nil
}

// fatal returns the first error that reading on would not mend. Letters that expired under the reader are no error.
func fatal(fetches kgo.Fetches) error {
	for _, e := range fetches.Errors() {
		var lost *kgo.ErrDataLoss
		if !errors.As(e.Err, &lost) && !errors.Is(e.Err, context.DeadlineExceeded) {
			return e.Err
		}
	}
	return nil
}

// take moves the positions and keeps the records that are data and inside of their span.
func (r *reader) take(fetches kgo.Fetches) []*kgo.Record {
	var out []*kgo.Record
	fetches.EachRecord(func(record *kgo.Record) {
		s, ok := r.left[record.Partition]
		if !ok || record.Offset < s.start { // a log that was cut back is read again from its start
			return
		}
		if record.Offset < s.end && !record.Attrs.IsControl() {
			out = append(out, record)
		}
		r.moveTo(record.Partition, record.Offset+1)
	})
	return out
}

func (r *reader) moveTo(partition int32, offset int64) {
	s := r.left[partition]
	if s.start = offset; s.start >= s.end {
		delete(r.left, partition)
		return
	}
	r.left[partition] = s
}

// position is the next offset to read of a partition, its end when nothing is left.
func (r *reader) position(partition int32, end int64) int64 {
	if s, ok := r.left[partition]; ok {
		return s.start
	}
	return end
}

// skipNothing looks at the partitions that gave nothing for a while, and ends those in which nothing is left to read.
func (r *reader) skipNothing(ctx context.Context) error {
	details, err := r.client.admin.ListTopics(ctx, r.topic)
	if err != nil {
		return fmt.Errorf("read %s: %w", r.topic, err)
	}
	detail := details[r.topic]
	if detail.Err != nil {
		return fmt.Errorf("read %s: %w", r.topic, detail.Err)
	}
	for partition, s := range r.left {
		leader := detail.Partitions[partition].Leader
		at, err := r.peek(ctx, detail.ID, partition, leader, s)
		if err != nil {
			return fmt.Errorf("read %s partition %d: %w", r.topic, partition, err)
		}
		if at >= s.end {
			delete(r.left, partition)
		}
	}
	return nil
}

// peek returns the end of the span when nothing is left to read in it, else an offset below: batches from which
// compaction took every record, or the last ones, move a consumer on and give it nothing.
func (r *reader) peek(ctx context.Context, id [16]byte, partition, leader int32, s span) (int64, error) {
	for at := s.start; ; {
		answer, err := r.fetch(ctx, id, partition, leader, at)
		if err != nil || answer == nil {
			return at, err
		}
		fetched, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
			KeepControlRecords: true, Offset: at, IsolationLevel: kgo.ReadCommitted(), Topic: r.topic, Partition: partition,
		}, answer, kgo.DefaultDecompressor(), nil)
		switch {
		case errors.Is(fetched.Err, kerr.OffsetOutOfRange):
			next = max(at, fetched.LogStartOffset) // what was there expired
		case fetched.Err != nil && kerr.IsRetriable(fetched.Err):
			return at, nil // asked again after the next idle poll
		case fetched.Err != nil:
			return 0, fetched.Err
		case len(answer.RecordBatches) == 0 && fetched.LastStableOffset >= s.end:
			return s.end, nil
		}
		switch {
		case len(fetched.Records) > 0 || next <= at:
			return at, nil // the consumer will bring them
		case next >= s.end:
			return next, nil
		}
		at = next
	}
}

// fetch returns nil when the broker has no answer at present: a partition without a leader, or a client over its quota.
func (r *reader) fetch(ctx context.Context, id [16]byte, partition, leader int32, at int64) (*kmsg.FetchResponseTopicPartition, error) {
	if leader < 0 {
		return nil, nil
	}
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, at, 64<<10
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = r.topic, id
	t.Partitions = append(t.Partitions, p)
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.IsolationLevel, req.SessionEpoch = 64<<10, 1, -1
	req.Topics = append(req.Topics, t)
	raw, err := r.kafka.Broker(int(leader)).RetriableRequest(ctx, req)
	if err != nil {
		return nil, err
	}
	resp, ok := raw.(*kmsg.FetchResponse)
	if ok && resp.ErrorCode == 0 && len(resp.Topics) == 0 {
		return nil, nil
	}
	if !ok || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		err = errors.New("the broker's answer to a fetch has not the partition that was asked for")
		if ok && resp.ErrorCode != 0 {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		return nil, err
	}
	return &resp.Topics[0].Partitions[0], nil
}

// scan reads spans from start to end.
func (c *Client) scan(ctx context.Context, topic string, spans map[int32]span, visit func(*kgo.Record) error) error {
	if len(spans) == 0 {
		return nil
	}
	r, err := c.open(ctx, topic, spans)
	if err != nil {
		return err
	}
	defer r.close()
	for {
		records, err := r.next(ctx, idle)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, record := range records {
			if err := visit(record); err != nil {
				return err
			}
		}
	}
}
