package kafka

import (
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// groupBook knows which groups there have ever been, from the requests that
// make them. Control functions run one at a time, so it needs no lock.
type groupBook map[string]bool

// answerForUnknownGroups makes the cluster answer for a group that never was
// as Apache Kafka does: it has no offsets. kfake answers GROUP_ID_NOT_FOUND, and
// still does so for a group that was deleted.
func answerForUnknownGroups(cluster *kfake.Cluster) {
	book := make(groupBook)
	for _, key := range []kmsg.Key{kmsg.JoinGroup, kmsg.ConsumerGroupHeartbeat, kmsg.OffsetCommit, kmsg.TxnOffsetCommit} {
		cluster.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
			book.note(req)
			return nil, nil, false
		})
	}
	cluster.ControlKey(int16(kmsg.OffsetFetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fetch := req.(*kmsg.OffsetFetchRequest)
		if !book.allUnknown(fetch) {
			return nil, nil, false
		}
		cluster.KeepControl()
		return noOffsets(fetch), nil, true
	})
}

func (b groupBook) note(req kmsg.Request) {
	switch req := req.(type) {
	case *kmsg.JoinGroupRequest:
		b[req.Group] = true
	case *kmsg.ConsumerGroupHeartbeatRequest:
		b[req.Group] = true
	case *kmsg.OffsetCommitRequest:
		b[req.Group] = true
	case *kmsg.TxnOffsetCommitRequest:
		b[req.Group] = true
	}
}

func (b groupBook) allUnknown(fetch *kmsg.OffsetFetchRequest) bool {
	if fetch.Version < 8 {
		return !b[fetch.Group]
	}
	for _, g := range fetch.Groups {
		if b[g.Group] {
			return false
		}
	}
	return len(fetch.Groups) > 0
}

// noOffsets answers each partition that was asked for with -1. Since version
// 8 a request holds several groups.
func noOffsets(fetch *kmsg.OffsetFetchRequest) *kmsg.OffsetFetchResponse {
	resp := fetch.ResponseKind().(*kmsg.OffsetFetchResponse)
	for _, t := range fetch.Topics {
		topic := kmsg.NewOffsetFetchResponseTopic()
		topic.Topic = t.Topic
		for _, id := range t.Partitions {
			p := kmsg.NewOffsetFetchResponseTopicPartition()
			p.Partition, p.Offset = id, -1
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	for _, g := range fetch.Groups {
		group := kmsg.NewOffsetFetchResponseGroup()
		group.Group = g.Group
		for _, t := range g.Topics {
			topic := kmsg.NewOffsetFetchResponseGroupTopic()
			topic.Topic, topic.TopicID = t.Topic, t.TopicID
			for _, id := range t.Partitions {
				p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
				p.Partition, p.Offset = id, -1
				topic.Partitions = append(topic.Partitions, p)
			}
			group.Topics = append(group.Topics, topic)
		}
		resp.Groups = append(resp.Groups, group)
	}
	return resp
}
