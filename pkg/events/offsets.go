package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What ListOffsets takes in the place of a time in milliseconds.
const (
	listEnd    = -1
	listStart  = -2
	listNewest = -3
)

// ErrNoLeader is the problem of a partition that no broker leads at the moment,
// as while a broker restarts: it can be neither read nor written.
var ErrNoLeader = errors.New("no broker leads the partition")

// ErrNotInService is the problem of a broker that holds replicas and is not
// there: it is down, or cut off from the controller.
var ErrNotInService = errors.New("not in service")

// listedOffset is an answer of one partition; offset is -1 where there is none.
type listedOffset struct {
	offset, timestamp int64
	err               error
}

// listedOffsets are the answers by topic and partition.
type listedOffsets map[string]map[int32]listedOffset

// listOffsets asks the leaders of all partitions of some topics for an offset.
// Partitions fail each on its own; those without a leader are not asked for,
// since the client would wait for one.
func (c *Client) listOffsets(ctx context.Context, topics kadm.TopicDetails, at int64, committed bool) listedOffsets {
	listed := make(listedOffsets, len(topics))
	req := kmsg.NewPtrListOffsetsRequest()
	if committed {
		req.IsolationLevel = 1
	}
	for _, t := range topics.Sorted() {
		listed[t.Topic] = make(map[int32]listedOffset, len(t.Partitions))
		topic := kmsg.NewListOffsetsRequestTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions.Sorted() {
			if p.Leader < 0 {
				listed[t.Topic][p.Partition] = listedOffset{-1, -1, ErrNoLeader}
				continue
			}
			partition := kmsg.NewListOffsetsRequestTopicPartition()
			partition.Partition, partition.Timestamp = p.Partition, at
			topic.Partitions = append(topic.Partitions, partition)
		}
		if len(topic.Partitions) > 0 {
			req.Topics = append(req.Topics, topic)
		}
	}
	if len(req.Topics) > 0 {
		for _, shard := range c.kafka.RequestSharded(ctx, req) {
			listed.take(shard.Req.(*kmsg.ListOffsetsRequest), shard.Resp, shard.Err)
		}
	}
	return listed
}

func (l listedOffsets) take(req *kmsg.ListOffsetsRequest, resp kmsg.Response, err error) {
	if err != nil {
		for _, t := range req.Topics {
			for _, p := range t.Partitions {
				l[t.Topic][p.Partition] = listedOffset{-1, -1, err}
			}
		}
		return
	}
	for _, t := range resp.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			l[t.Topic][p.Partition] = listedOffset{p.Offset, p.Timestamp, kerr.ErrorForCode(p.ErrorCode)}
		}
	}
}

// PartitionOffsets are the places of one partition.
type PartitionOffsets struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Start is the first offset that is still there, End the offset of the next
	// record, and Stable the end for read_committed.
	Start  int64 `json:"start"`
	Stable int64 `json:"stable"`
	End    int64 `json:"end"`
	// At is the offset that was asked for; nil when none was.
	At *int64 `json:"at,omitempty"`
	// Newest is the latest timestamp of its records; nil when it has none.
	Newest *time.Time `json:"newest,omitempty"`
	// Problem says why the offsets are not known, in which case they are -1.
	Problem string `json:"problem,omitempty"`
}

// Offsets lists the places of every partition of a topic. With at, which may be
// nil, it is resolved to an offset too. An unknown topic is an
// [*UnknownTopicError].
func (c *Client) Offsets(ctx context.Context, topic string, at *Bound) ([]PartitionOffsets, error) {
	details, err := c.details(ctx, topic)
	if err != nil {
		return nil, err
	}
	ends := c.listEnds(ctx, details)
	newest := c.listOffsets(ctx, details, listNewest, false)[topic]
	var list []PartitionOffsets
	edges := make(map[int32]edge)
	for _, p := range details[topic].Partitions.Sorted() {
		e, err := ends.of(topic, p.Partition)
		o := PartitionOffsets{Topic: topic, Partition: p.Partition, Start: e.start, Stable: e.stable, End: e.end, Problem: problem(err)}
		if n := newest[p.Partition]; n.err == nil && n.timestamp >= 0 {
			t := time.UnixMilli(n.timestamp).UTC()
			o.Newest = &t
		}
		if err == nil {
			edges[p.Partition] = edge{e.start, e.end}
		}
		list = append(list, o)
	}
	if at == nil {
		return list, nil
	}
	return list, c.resolve(ctx, topic, *at, edges, list)
}

func (c *Client) resolve(ctx context.Context, topic string, at Bound, edges map[int32]edge, list []PartitionOffsets) error {
	resolved, err := at.offsets(ctx, c, topic, edges)
	if err != nil {
		return err
	}
	for i := range list {
		if offset, ok := resolved[list[i].Partition]; ok {
			list[i].At = &offset
		}
	}
	return nil
}

// ends are the edges of the logs of some topics.
type ends struct{ start, stable, end listedOffsets }

// logEnds are those of one partition.
type logEnds struct{ start, stable, end int64 }

func (c *Client) listEnds(ctx context.Context, topics kadm.TopicDetails) ends {
	return ends{
		start:  c.listOffsets(ctx, topics, listStart, false),
		stable: c.listOffsets(ctx, topics, listEnd, true),
		end:    c.listOffsets(ctx, topics, listEnd, false),
	}
}

// of returns the ends of a partition, each -1 beside an error.
func (e ends) of(topic string, partition int32) (logEnds, error) {
	start, stable, end := e.start[topic][partition], e.stable[topic][partition], e.end[topic][partition]
	for _, o := range []listedOffset{start, stable, end} {
		if o.err != nil {
			return logEnds{-1, -1, -1}, o.err
		}
	}
	return logEnds{start.offset, stable.offset, end.offset}, nil
}

// problem is an error as a word for people; "" for none.
func problem(err error) string {
	var known *kerr.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &known):
		return known.Message
	}
	return shortReason(err)
}

// detailsOfEach asks for topics, each of which may fail on its own: the error
// joins theirs.
func (c *Client) detailsOfEach(ctx context.Context, names ...string) (kadm.TopicDetails, error) {
	all, err := c.details(ctx, names...)
	var connect *ConnectError
	if err == nil || len(names) < 2 || ctx.Err() != nil || errors.As(err, &connect) {
		return all, err
	}
	found := make(kadm.TopicDetails)
	var failed []error
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		one, err := c.details(ctx, name)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		found[name] = one[name]
	}
	return found, errors.Join(failed...)
}

// whichTopics names topics in an error.
func whichTopics(names []string) string {
	switch len(names) {
	case 0:
		return "list topics"
	case 1:
		return "describe topic " + names[0]
	}
	return fmt.Sprintf("describe topics %s", strings.Join(names, ", "))
}
