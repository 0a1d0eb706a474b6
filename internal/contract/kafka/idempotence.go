package kafka

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// retryIsStoredOnce sends the same batch twice, as a producer does whose
// answer was lost: the broker must store it once and give the same offset.
func retryIsStoredOnce(b *bench) {
	topic := b.topic(1)
	id, epoch, err := b.client.ProducerID(b.ctx)
	b.must(err)
	batch := oneRecord(id, epoch, "once")
	for range 2 {
		equal(b, "offset", b.produceRaw(topic, batch), 0)
	}
	b.wantEnds(topic, 0, 1, 1)
}

func (b *bench) produceRaw(topic string, batch []byte) int64 {
	b.Helper()
	details, err := b.admin.ListTopics(b.ctx, topic)
	b.must(err)
	partition := kmsg.NewProduceRequestTopicPartition()
	partition.Records = batch
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = topic, details[topic].ID
	t.Partitions = append(t.Partitions, partition)
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	req.Topics = append(req.Topics, t)
	resp, err := b.client.Broker(int(details[topic].Partitions[0].Leader)).RetriableRequest(b.ctx, req)
	b.must(err)
	answer := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	equal(b, "error code", answer.ErrorCode, 0)
	return answer.BaseOffset
}

// oneRecord encodes a record batch (magic 2) of one record, the first of its
// producer, as written down in Kafka's "Record Batch" documentation.
func oneRecord(producer int64, epoch int16, value string) []byte {
	record := kmsg.Record{Value: []byte(value)}
	body := record.AppendTo(nil)[1:] // without its own length, which is one byte here
	record.Length = int32(len(body))
	now := time.Now().UnixMilli()
	batch := kmsg.RecordBatch{Magic: 2, FirstTimestamp: now, MaxTimestamp: now, ProducerID: producer,
		ProducerEpoch: epoch, NumRecords: 1, PartitionLeaderEpoch: -1, Records: record.AppendTo(nil)}
	raw := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}
