package kafka

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What a scan counts on, which sends fetch requests of its own.
func fetchCases() []contractCase {
	return []contractCase{
		{"fetch/with no least size it is answered at once", answeredAtOnce},
		{"fetch/a batch is sent however small the room is", oneBatchAtLeast},
		{"fetch/partitions are filled in the order they are asked for", filledInOrder},
		{"fetch/nothing follows the last offset, and the end is told", nothingFollows},
		{"fetch/committed reading lists what was aborted", listsAborted},
		{"fetch/an offset before the start is out of range", beforeTheStart},
		{"fetch/a topic made anew has another id", anotherID},
	}
}

// fetch asks for partitions from an offset on, with a room in bytes.
func (b *bench) fetch(topic string, room int32, offset int64, partitions ...int32) []kmsg.FetchResponseTopicPartition {
	b.Helper()
	listed, err := b.admin.ListTopics(b.ctx, topic)
	b.must(err)
	return b.fetchID(listed[topic].ID, listed[topic].Partitions[0].Leader, topic, room, offset, partitions...)
}

func (b *bench) fetchID(id [16]byte, leader int32, topic string, room int32, offset int64, partitions ...int32) []kmsg.FetchResponseTopicPartition {
	b.Helper()
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, id
	for _, partition := range partitions {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, room
		t.Partitions = append(t.Partitions, p)
	}
	req := kmsg.NewPtrFetchRequest()
	req.SessionEpoch, req.MaxBytes, req.IsolationLevel = -1, room, 1
	req.MinBytes, req.MaxWaitMillis = 0, int32(2*patience.Milliseconds())
	req.Topics = append(req.Topics, t)
	resp, err := b.client.Broker(int(leader)).RetriableRequest(b.ctx, req)
	b.must(err)
	topics := resp.(*kmsg.FetchResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != len(partitions) {
		b.Fatalf("asked for %v, answered %+v", partitions, topics)
	}
	return topics[0].Partitions
}

const plenty = 1 << 20

// answeredAtOnce: had it waited for records, the case's time would be over.
func answeredAtOnce(b *bench) {
	equal(b, "bytes", len(b.fetch(b.topic(1), plenty, 0, 0)[0].RecordBatches), 0)
}

func oneBatchAtLeast(b *bench) {
	topic := b.topic(1)
	b.produce(values(topic, "a")...)
	equal(b, "is there", len(b.fetch(topic, 1, 0, 0)[0].RecordBatches) > 1, true)
}

func filledInOrder(b *bench) {
	topic := b.topic(2)
	for partition := range int32(2) {
		records := values(topic, "a")
		records[0].Partition = partition
		b.produce(records...)
	}
	for _, order := range [][]int32{{0, 1}, {1, 0}} {
		for _, answer := range b.fetch(topic, 1, 0, order...) {
			equal(b, "has records", len(answer.RecordBatches) > 0, answer.Partition == order[0])
		}
	}
}

func nothingFollows(b *bench) {
	topic := b.topic(1)
	b.produce(values(topic, "a", "b")...)
	answer := b.fetch(topic, plenty, 2, 0)[0]
	equal(b, "bytes", len(answer.RecordBatches), 0)
	equal(b, "stable end", answer.LastStableOffset, 2)
	equal(b, "end", answer.HighWatermark, 2)
}

func listsAborted(b *bench) {
	topic, client := b.topic(1), b.transactor(b.name("tx"))
	b.begin(client, topic, "x")
	b.end(client, kgo.TryAbort)
	b.produce(values(topic, "kept")...)
	b.wantEnds(topic, 0, 3, 3)
	answer := b.fetch(topic, plenty, 0, 0)[0]
	equal(b, "aborted transactions", len(answer.AbortedTransactions), 1)
	equal(b, "first offset", answer.AbortedTransactions[0].FirstOffset, 0)
}

func beforeTheStart(b *bench) {
	topic := b.topic(1)
	b.produce(values(topic, "a", "b")...)
	_, err := b.admin.DeleteRecords(b.ctx, kadm.Offsets{topic: {0: {Topic: topic, At: 1}}})
	b.must(err)
	b.refused(kerr.ErrorForCode(b.fetch(topic, plenty, 0, 0)[0].ErrorCode), kerr.OffsetOutOfRange)
	b.refused(kerr.ErrorForCode(b.fetch(topic, plenty, 9, 0)[0].ErrorCode), kerr.OffsetOutOfRange)
}

func anotherID(b *bench) {
	topic := b.topic(1)
	before, err := b.admin.ListTopics(b.ctx, topic)
	b.must(err)
	_, err = b.admin.DeleteTopic(b.ctx, topic)
	b.must(err)
	b.eventually("the topic can be made anew", func() bool {
		created, err := b.admin.CreateTopic(b.ctx, 1, 1, nil, topic)
		return err == nil && created.Err == nil
	})
	b.eventually("it has another id", func() bool { // the client keeps what it knows for a moment
		after, err := b.admin.ListTopics(b.ctx, topic)
		return err == nil && after[topic].Err == nil && after[topic].ID != before[topic].ID
	})
	// A broker that is still deleting the log answers for it for a moment.
	b.eventually("the old id is unknown", func() bool {
		answer := b.fetchID(before[topic].ID, before[topic].Partitions[0].Leader, topic, plenty, 0, 0)[0]
		return errors.Is(kerr.ErrorForCode(answer.ErrorCode), kerr.UnknownTopicID)
	})
}
