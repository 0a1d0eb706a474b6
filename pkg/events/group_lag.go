package events

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// GroupPartition is how far a group has come in one partition.
type GroupPartition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Committed is the offset to go on from, -1 when nothing is committed.
	Committed int64 `json:"committed"`
	// Start and End are the edges of the log, -1 when they are not known.
	Start int64 `json:"start"`
	End   int64 `json:"end"`
	// Lag is what is left to read: from the start where nothing is committed.
	// It is -1 when it is not known.
	Lag int64 `json:"lag"`
	// Member, ClientID and Host are whose the partition is; empty for nobody's.
	Member   string `json:"member,omitempty"`
	ClientID string `json:"client_id,omitempty"`
	Host     string `json:"host,omitempty"`
	// Problem is what is wrong with the committed offset or the partition.
	Problem string `json:"problem,omitempty"`
}

// What can be wrong with a committed offset.
const (
	problemExpired = "records were deleted before they were read"
	problemBeyond  = "committed beyond the end: was the topic made again?"
)

// measureLag fills in how far the groups have come. The error joins those of
// groups whose offsets are not told.
func (c *Client) measureLag(ctx context.Context, groups []Group) error {
	var names []string
	for _, g := range groups {
		if g.hasOffsets() {
			names = append(names, g.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	fetched := c.admin.FetchManyOffsets(ctx, names...)
	var failed []error
	topics := make(map[string]bool)
	for _, name := range names {
		if err := fetched[name].Err; err != nil {
			failed = append(failed, refused("fetch the offsets of group "+name, err))
		}
		for topic := range fetched[name].Fetched {
			topics[topic] = true
		}
	}
	for _, g := range groups {
		for _, m := range g.Members {
			for topic := range m.Assigned {
				topics[topic] = true
			}
		}
	}
	logs, err := c.logsOf(ctx, slices.Sorted(maps.Keys(topics)))
	if err != nil {
		return errors.Join(append(failed, err)...)
	}
	for i := range groups {
		if groups[i].hasOffsets() {
			groups[i].measure(fetched[groups[i].Name].Fetched, logs)
		}
	}
	return errors.Join(failed...)
}

func (g Group) hasOffsets() bool { return g.Type == GroupClassic || g.Type == GroupConsumer }

// groupLogs are the logs that groups read; failed says why one cannot be seen.
type groupLogs struct {
	details kadm.TopicDetails
	ends    ends
	failed  map[string]error
	at      time.Time
}

// logsOf looks at topics, of which some may be gone or hidden.
func (c *Client) logsOf(ctx context.Context, topics []string) (groupLogs, error) {
	logs := groupLogs{details: kadm.TopicDetails{}, failed: make(map[string]error), at: time.Now().UTC()}
	if len(topics) == 0 {
		return logs, nil
	}
	if found, err := c.details(ctx, topics...); err == nil {
		logs.details = found
	} else {
		for _, topic := range topics {
			one, err := c.details(ctx, topic)
			if err != nil {
				logs.failed[topic] = err
				continue
			}
			logs.details[topic] = one[topic]
		}
	}
	logs.ends = c.listEnds(ctx, logs.details)
	return logs, ctx.Err()
}

// of returns the ends of a partition, or why they are not known.
func (l groupLogs) of(topic string, partition int32) (logEnds, error) {
	if err := l.failed[topic]; err != nil {
		return logEnds{-1, -1, -1}, err
	}
	if _, ok := l.details[topic].Partitions[partition]; !ok {
		return logEnds{-1, -1, -1}, &UnknownPartitionError{topic, partition, len(l.details[topic].Partitions)}
	}
	return l.ends.of(topic, partition)
}

// measure lists the partitions that the group has committed or owns, and the
// others of the same topics: nobody has begun to read those.
func (g *Group) measure(committed kadm.OffsetResponses, logs groupLogs) {
	g.At = logs.at
	owners := make(map[string]map[int32]GroupMember)
	for _, m := range g.Members {
		for topic, partitions := range m.Assigned {
			for _, p := range partitions {
				put(owners, topic, p, m)
			}
		}
	}
	for _, topic := range union(slices.Collect(maps.Keys(committed)), slices.Collect(maps.Keys(owners))) {
		ids := union(slices.Collect(maps.Keys(committed[topic])), slices.Collect(maps.Keys(owners[topic])),
			slices.Collect(maps.Keys(logs.details[topic].Partitions)))
		for _, id := range ids {
			p := GroupPartition{Topic: topic, Partition: id, Committed: -1}
			if o, ok := committed[topic][id]; ok && o.Err == nil {
				p.Committed = o.At
			}
			if owner, ok := owners[topic][id]; ok {
				p.Member, p.ClientID, p.Host = owner.ID, owner.ClientID, owner.Host
			}
			p.measure(logs.of(topic, id))
			g.Lag += max(p.Lag, 0)
			g.Partitions = append(g.Partitions, p)
		}
	}
}

func (p *GroupPartition) measure(e logEnds, err error) {
	p.Start, p.End, p.Lag = e.start, e.end, -1
	switch {
	case err != nil:
		p.Problem = problem(err)
	case p.Committed < 0:
		p.Lag = p.End - p.Start
	case p.Committed < p.Start:
		p.Lag, p.Problem = p.End-p.Start, problemExpired
	case p.Committed > p.End:
		p.Lag, p.Problem = 0, problemBeyond
	default:
		p.Lag = p.End - p.Committed
	}
}

func put[V any](m map[string]map[int32]V, topic string, partition int32, v V) {
	if m[topic] == nil {
		m[topic] = make(map[int32]V)
	}
	m[topic][partition] = v
}

func union[T int32 | string](lists ...[]T) []T {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(lists...))))
}
